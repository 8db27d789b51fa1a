"""What a person writes to name a computer: `pc-anna`, `pc-anna:3390`, `10.0.0.5`, `[fe80::1%eth0]:3389`."""

import ipaddress
import re
import unicodedata
from enum import StrEnum
from typing import Final

import msgspec

RDP_PORT: Final = 3389
MAX_CHARS: Final = 300  # the longest name, brackets, a zone and a port

_MAX_NAME: Final = 253  # RFC 1035 2.3.4, without the final dot
_MAX_LABEL: Final = 63
# Underscores are for NetBIOS names, which mstsc takes and DNS allows.
_LABEL: Final = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_-]*[0-9A-Za-z_])?")
_LIKE_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]+(?:%.*)?")
_ZONE: Final = re.compile(r"[0-9A-Za-z_.~-]{1,64}")


class TargetProblem(StrEnum):
    """Why a text names no computer."""

    EMPTY = "empty"
    TOO_LONG = "too-long"
    NOT_A_NAME = "not-a-name"
    LOOKS_LIKE_URL = "looks-like-url"
    """It has slashes: an address of a web page, a share or a file."""
    BAD_IPV6 = "bad-ipv6"
    PORT_NOT_A_NUMBER = "port-not-a-number"
    PORT_OUT_OF_RANGE = "port-out-of-range"


class TargetError(ValueError):
    """A text that names no computer. `text` is what was written, cut to MAX_CHARS."""

    def __init__(self, problem: TargetProblem, text: str) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.text = text[:MAX_CHARS]


class Address(msgspec.Struct, frozen=True):
    """A computer's name or address, and a port.

    Attributes:
        host: as programs need it: ASCII (an international name in its `xn--` form), an IPv6 address without
            brackets. A final dot stays: it tells the resolver to try no suffixes.
        port: 1 to 65535.
        typed: what the person wrote, without the spaces around it.
    """

    host: str
    port: int
    typed: str


def parse_target(text: str, *, default_port: int = RDP_PORT) -> Address:
    """Read `host`, `host:port`, `[v6]:port` or a bare IPv6 address.

    Raises:
        TargetError: the text is none of these, whatever it is.
    """
    typed = text.strip()
    if len(typed) > MAX_CHARS:
        raise TargetError(TargetProblem.TOO_LONG, typed)
    # Full-width digits, letters and colons, as East Asian keyboards write them.
    plain = unicodedata.normalize("NFKC", typed)
    if not plain:
        raise TargetError(TargetProblem.EMPTY, typed)
    if "/" in plain or "\\" in plain:
        raise TargetError(TargetProblem.LOOKS_LIKE_URL, typed)
    try:
        host, port = _split(plain)
        return Address(_host(host), default_port if port is None else _port(port), typed)
    except _Wrong as wrong:
        raise TargetError(wrong.problem, typed) from None


class _Wrong(Exception):  # noqa: N818 - carries a problem up to parse_target, which knows the text
    def __init__(self, problem: TargetProblem) -> None:
        super().__init__(problem)
        self.problem = problem


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not _LIKE_IPV6.fullmatch(host) or ":" not in host or rest[:1] not in {"", ":"}:
            raise _Wrong(TargetProblem.BAD_IPV6)
        return host, rest[1:] if rest else None
    if text.count(":") > 1:
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _Wrong(TargetProblem.PORT_NOT_A_NUMBER)
    port = int(text)
    if not 1 <= port <= 65535:
        raise _Wrong(TargetProblem.PORT_OUT_OF_RANGE)
    return port


def _host(text: str) -> str:
    if not text:
        raise _Wrong(TargetProblem.EMPTY)
    if ":" in text:
        return _ipv6(text)
    if len(text) > _MAX_NAME + 1:
        raise _Wrong(TargetProblem.TOO_LONG)
    name = text if text.isascii() else _to_ascii(text)
    labels = name.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise _Wrong(TargetProblem.NOT_A_NAME)
    if len(name.removesuffix(".")) > _MAX_NAME or any(len(label) > _MAX_LABEL for label in labels):
        raise _Wrong(TargetProblem.TOO_LONG)
    # RFC 1123 2.1: what ends in a number is an IPv4 address or a slip of the pen, never a name.
    return _ipv4(name) if labels[-1].isdigit() else name


def _to_ascii(name: str) -> str:
    """IDNA 2003, as the standard library's own resolver calls use it."""
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        raise _Wrong(TargetProblem.NOT_A_NAME) from None


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise _Wrong(TargetProblem.NOT_A_NAME) from None


def _ipv6(text: str) -> str:
    if not _LIKE_IPV6.fullmatch(text):
        raise _Wrong(TargetProblem.NOT_A_NAME)
    _, percent, zone = text.partition("%")
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise _Wrong(TargetProblem.BAD_IPV6) from None
    if percent and not _ZONE.fullmatch(zone):
        raise _Wrong(TargetProblem.BAD_IPV6)
    return str(address)
