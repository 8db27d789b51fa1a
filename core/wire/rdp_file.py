"""`.rdp` files: what a saved connection tells the client to do.

One setting per line, `name:type:value`, type i (integer), s (string) or b (binary); names in any case. mstsc
writes UTF-16LE with a mark and CRLF; portals and people write everything else. Source of names and values:
Microsoft's "Supported RDP properties".

A file like that can hold a password, an access token, a user's name or a command line. Only whole numbers and
the strings that name a way to a computer are kept; of all else only that it is there.
"""

import re
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from core.wire.errors import WireError

E = TypeVar("E", bound=IntEnum)

MAX_BYTES: Final = 1_000_000
MAX_PROBLEMS: Final = 100
WITHHELD: Final = "(withheld)"

_KEPT_STRINGS: Final = frozenset(
    {
        "full address",
        "alternate full address",
        "gatewayhostname",
        "kdcproxyname",
        "loadbalanceinfo",
        "workspace id",
    }
)
_SECRET_NUMBER: Final = re.compile(r"pass|token|secret")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_REPLACED: Final = "\ufffd"

_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_OTHER_FILES: Final = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"MZ", "a Windows program"),
    (b"L\0\0\0\x01\x14\x02\0", "a Windows shortcut"),
    (b"%PDF", "a PDF document"),
    (b"<", "a web page or XML"),
    (b"{", "JSON"),
)


class ProblemKind(StrEnum):
    BAD_LINE = "bad-line"
    BAD_TYPE = "bad-type"
    BAD_INTEGER = "bad-integer"
    DUPLICATE = "duplicate"
    ENCODING = "encoding"
    TRUNCATED = "truncated"


class Problem(msgspec.Struct, frozen=True, order=True):
    """What is wrong with one line, counted from 1. ENCODING without a mark names the first such line only."""

    line: int
    kind: ProblemKind


class GatewayUsage(IntEnum):
    """`gatewayusagemethod`."""

    NEVER = 0
    ALWAYS = 1
    DETECT = 2
    """When the direct way fails or the target is not local."""
    DEFAULT = 3
    """What the administrator has set."""
    NEVER_DETECT = 4
    """Never; the box "bypass for local addresses" happens to be ticked."""


class AuthenticationLevel(IntEnum):
    """`authentication level`: what to do with a server that cannot prove who it is."""

    CONNECT = 0
    REFUSE = 1
    WARN = 2
    NOT_REQUIRED = 3


class RdpFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as read. A setting that is absent or of the wrong type is None in its property.

    Attributes:
        settings: by name in lower case; of a name given twice the later line counts. WITHHELD stands for
            every value that is not kept; an empty one stays empty.
        problems: by line, at most MAX_PROBLEMS.
    """

    settings: Mapping[str, int | str]
    problems: tuple[Problem, ...]

    @property
    def full_address(self) -> str | None:
        """The target as written: name, address or host:port."""
        return self._text("full address")

    @property
    def alternate_full_address(self) -> str | None:
        """A target that wins over `full_address`."""
        return self._text("alternate full address")

    @property
    def server_port(self) -> int | None:
        """As written: it may be out of range."""
        return self._number("server port")

    @property
    def gateway_hostname(self) -> str | None:
        """As written: host or host:port."""
        return self._text("gatewayhostname")

    @property
    def gateway_usage(self) -> GatewayUsage | None:
        return _member(GatewayUsage, self._number("gatewayusagemethod"))

    @property
    def gateway_explicit(self) -> bool | None:
        """`gatewayprofileusagemethod`: false says that the administrator's default counts, not this file."""
        return self._flag("gatewayprofileusagemethod")

    @property
    def authentication_level(self) -> AuthenticationLevel | None:
        return _member(AuthenticationLevel, self._number("authentication level"))

    @property
    def credssp(self) -> bool | None:
        """`enablecredsspsupport`: false cannot satisfy a server that demands NLA."""
        return self._flag("enablecredsspsupport")

    @property
    def negotiate_security_layer(self) -> bool | None:
        """False starts security without asking in X.224 first, as only a Hyper-V console expects."""
        return self._flag("negotiate security layer")

    @property
    def entra_auth(self) -> bool | None:
        """`enablerdsaadauth`: sign-in through Entra ID."""
        return self._flag("enablerdsaadauth")

    @property
    def load_balance_info(self) -> str | None:
        """The routing token for a connection broker."""
        return self._text("loadbalanceinfo")

    @property
    def use_redirection_server_name(self) -> bool | None:
        return self._flag("use redirection server name")

    @property
    def names_user(self) -> bool:
        """Whether a user name is in the file. The name itself is not kept."""
        return bool(self.settings.get("username"))

    def _text(self, name: str) -> str | None:
        value = self.settings.get(name)
        return value if isinstance(value, str) and value else None

    def _number(self, name: str) -> int | None:
        value = self.settings.get(name)
        return value if isinstance(value, int) else None

    def _flag(self, name: str) -> bool | None:
        value = self._number(name)
        return None if value is None else value != 0


def _member(kind: type[E], value: int | None) -> E | None:
    return next((member for member in kind if member == value), None)


def parse(data: bytes) -> RdpFile:
    """Read a whole file, damaged ones as far as they go.

    Raises:
        WireError: more than MAX_BYTES, or not one line of a .rdp file; the message says what it is instead.
    """
    if len(data) > MAX_BYTES:
        raise WireError(f"{len(data)} bytes are too many for a .rdp file")
    text, problems = _decode(data)
    lines = _LINE_END.split(text)
    settings: dict[str, int | str] = {}
    recognised = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found: ProblemKind | None = ProblemKind.ENCODING if _REPLACED in line else None
        entry = _parse_line(line)
        if isinstance(entry, ProblemKind):
            recognised |= entry is ProblemKind.BAD_INTEGER
            # Only the last line has no line end after it.
            found = ProblemKind.TRUNCATED if number == len(lines) else entry
        else:
            recognised = True
            name, value = entry
            if name in settings:
                found = ProblemKind.DUPLICATE
            settings[name] = value
        if found is not None and len(problems) < MAX_PROBLEMS:
            problems.add(Problem(number, found))
    if not recognised:
        raise WireError(f"not a .rdp file: {_what_else(data)}")
    return RdpFile(settings=MappingProxyType(settings), problems=tuple(sorted(problems)))


def _parse_line(line: str) -> tuple[str, int | str] | ProblemKind:
    parts = line.split(":", 2)
    name = parts[0].strip().lower()
    if len(parts) < 3 or not name:
        return ProblemKind.BAD_LINE
    value = parts[2].strip()
    match parts[1].strip().lower():
        case "i" if not _INTEGER.fullmatch(value):
            return ProblemKind.BAD_INTEGER
        case "i":
            return name, WITHHELD if _SECRET_NUMBER.search(name) else int(value)
        case "s":
            return name, value if name in _KEPT_STRINGS or not value else WITHHELD
        case "b":
            return name, WITHHELD if value else ""
        case _:
            return ProblemKind.BAD_TYPE


def _decode(data: bytes) -> tuple[str, set[Problem]]:
    """The text, and what can be said of its encoding before the lines are known."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return _decode_as(data[len(mark) :], codec)
    # Latin text in UTF-16 has a zero in every other byte.
    even, odd = data[:1024:2], data[1:1024:2]
    if odd.count(0) * 2 > len(odd) and even.count(0) * 2 <= len(even):
        return _decode_as(data, "utf-16-le")
    if even.count(0) * 2 > len(even) and odd.count(0) * 2 <= len(odd):
        return _decode_as(data, "utf-16-be")
    try:
        return data.decode("utf-8"), set()
    except UnicodeDecodeError as error:
        # Some ANSI code page; which one, the file does not say.
        before = data[: error.start].decode("latin-1")
        return data.decode("cp1252", "replace"), {Problem(_line_count(before), ProblemKind.ENCODING)}


def _decode_as(data: bytes, codec: str) -> tuple[str, set[Problem]]:
    if codec == "utf-8" or len(data) % 2 == 0:
        return data.decode(codec, "replace"), set()
    text = data[:-1].decode(codec, "replace")
    return text, {Problem(_line_count(text), ProblemKind.TRUNCATED)}


def _line_count(text: str) -> int:
    return len(_LINE_END.findall(text)) + 1


def _what_else(data: bytes) -> str:
    if not data:
        return "the file is empty"
    if not data.strip(b"\0"):
        return "the file holds only zero bytes"
    start = data.lstrip(b"\xef\xbb\xbf\r\n\t ")
    for mark, name in _OTHER_FILES:
        if start.startswith(mark):
            return name
    return "no line of the form name:type:value"
