"""NTLM up to the server's CHALLENGE, which names the host, its domain, its build and its clock (MS-NLMP 2.2.1).

There is no AUTHENTICATE here and must never be: this program asks a server who it is and proves nothing about a user.
"""

import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum, IntFlag
from typing import Final

import msgspec

from core.wire import der
from core.wire.errors import WireError

SIGNATURE: Final = b"NTLMSSP\0"
MAX_NAME: Final = 255
"""Most UTF-16 units kept of a name: the longest DNS name fits."""

BUILDS: Final[Mapping[int, tuple[str, ...]]] = {
    7601: ("Windows 7", "Windows Server 2008 R2"),
    9600: ("Windows 8.1", "Windows Server 2012 R2"),
    14393: ("Windows 10 1607", "Windows Server 2016"),
    17763: ("Windows 10 1809", "Windows Server 2019"),
    19045: ("Windows 10 22H2",),
    20348: ("Windows Server 2022",),
    22621: ("Windows 11 22H2",),
    22631: ("Windows 11 23H2",),
    26100: ("Windows 11 24H2", "Windows Server 2025"),
    26200: ("Windows 11 25H2",),
}
"""Products by the build that a CHALLENGE states.

General knowledge, not taken from a specification, and servers may state what they like (FreeRDP always says 6.1.7601):
a hint for people, never the ground of a certain statement.
"""


class Flags(IntFlag):
    """The NEGOTIATE flags that tell how to read a CHALLENGE (MS-NLMP 2.2.2.5); others are kept as bits."""

    UNICODE = 0x00000001
    TARGET_TYPE_DOMAIN = 0x00010000
    TARGET_TYPE_SERVER = 0x00020000
    TARGET_INFO = 0x00800000
    VERSION = 0x02000000


class _AvId(IntEnum):
    """MS-NLMP 2.2.2.1."""

    EOL = 0
    NETBIOS_COMPUTER = 1
    NETBIOS_DOMAIN = 2
    DNS_COMPUTER = 3
    DNS_DOMAIN = 4
    DNS_TREE = 5
    TIMESTAMP = 7


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says about itself in an NTLM CHALLENGE. None means that it did not say.

    `version` is (major, minor, build). `timestamp` is the server's clock, in UTC and with microseconds; some servers
    fill in whole seconds only. All names are a stranger's text of at most 255 UTF-16 units.
    """

    target_name: str = ""
    flags: Flags = Flags.UNICODE
    netbios_computer: str | None = None
    netbios_domain: str | None = None
    dns_computer: str | None = None
    dns_domain: str | None = None
    dns_tree: str | None = None
    version: tuple[int, int, int] | None = None
    timestamp: datetime | None = None

    @property
    def is_domain(self) -> bool:
        """The target is a domain; otherwise the machine's own accounts."""
        return Flags.TARGET_TYPE_DOMAIN in self.flags


# Unicode, OEM, request target, sign, always sign, LM key, NTLM, extended session security, version, key exchange and
# both key lengths: what a Windows 10 client offers.
_CLIENT_FLAGS: Final = 0xE2088297
_VERSION: Final = struct.Struct("<BBH3xB")
_REVISION: Final = 15  # NTLMSSP_REVISION_W2K3, the only one (MS-NLMP 2.2.2.10)
_FIELD: Final = struct.Struct("<HHI")  # length, allocated, offset
_CHALLENGE: Final = struct.Struct("<8sIHHII8s8xHHI")
_PAYLOAD: Final = _CHALLENGE.size + _VERSION.size
_AV_HEAD: Final = struct.Struct("<HH")
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)  # of FILETIME


def negotiate() -> bytes:
    """The NEGOTIATE of a Windows 10 client that states no names (40 bytes; MS-NLMP 2.2.1.1)."""
    no_name = _FIELD.pack(0, 0, 40)
    version = _VERSION.pack(10, 0, 19041, _REVISION)
    return SIGNATURE + struct.pack("<II", 1, _CLIENT_FLAGS) + no_name + no_name + version


def parse_challenge(data: bytes) -> Challenge:
    """Read a CHALLENGE (MS-NLMP 2.2.1.2), bare or inside a SPNEGO NegTokenResp (RFC 4178 4.2.2).

    Raises:
        WireError: it is something else, or its fields point outside of it.
    """
    token = data if data.startswith(SIGNATURE) else _spnego_response_token(data)
    if len(token) < _CHALLENGE.size:
        raise WireError(f"CHALLENGE of {len(token)} bytes")
    signature, kind, name_size, _, name_at, flags, _, info_size, _, info_at = _CHALLENGE.unpack_from(token)
    if signature != SIGNATURE or kind != 2:
        raise WireError("not an NTLM CHALLENGE")
    flags = Flags(flags)
    name = _slice(token, name_at, name_size)
    pairs = dict(_av_pairs(_slice(token, info_at, info_size))) if Flags.TARGET_INFO in flags else {}
    return Challenge(
        target_name=_text(name) if Flags.UNICODE in flags else name[:MAX_NAME].decode("ascii", "replace"),
        flags=flags,
        netbios_computer=_name(pairs, _AvId.NETBIOS_COMPUTER),
        netbios_domain=_name(pairs, _AvId.NETBIOS_DOMAIN),
        dns_computer=_name(pairs, _AvId.DNS_COMPUTER),
        dns_domain=_name(pairs, _AvId.DNS_DOMAIN),
        dns_tree=_name(pairs, _AvId.DNS_TREE),
        version=_version(token) if Flags.VERSION in flags else None,
        timestamp=_time(pairs.get(_AvId.TIMESTAMP)),
    )


def encode_challenge(challenge: Challenge) -> bytes:
    """The CHALLENGE of a server that says this of itself, with a fixed server challenge: for scripted servers.

    Flags that the contents call for are added.
    """
    named = (
        (_AvId.NETBIOS_DOMAIN, challenge.netbios_domain),
        (_AvId.NETBIOS_COMPUTER, challenge.netbios_computer),
        (_AvId.DNS_DOMAIN, challenge.dns_domain),
        (_AvId.DNS_COMPUTER, challenge.dns_computer),
        (_AvId.DNS_TREE, challenge.dns_tree),
    )
    pairs = [(av_id, name.encode("utf-16-le")) for av_id, name in named if name is not None]
    if challenge.timestamp is not None:
        ticks = (challenge.timestamp - _EPOCH) // timedelta(microseconds=1) * 10
        pairs.append((_AvId.TIMESTAMP, struct.pack("<Q", ticks)))
    pairs.append((_AvId.EOL, b""))
    info = b"".join(_AV_HEAD.pack(av_id, len(value)) + value for av_id, value in pairs)
    name = challenge.target_name.encode("utf-16-le")
    flags = challenge.flags | Flags.UNICODE | Flags.TARGET_INFO
    version = bytes(_VERSION.size)
    if challenge.version is not None:
        flags |= Flags.VERSION
        version = _VERSION.pack(*challenge.version, _REVISION)
    size, info_size = len(name), len(info)
    head = (SIGNATURE, 2, size, size, _PAYLOAD, flags, b"\x01\x23\x45\x67\x89\xab\xcd\xef")
    return _CHALLENGE.pack(*head, info_size, info_size, _PAYLOAD + size) + version + name + info


def _spnego_response_token(data: bytes) -> bytes:
    fields = dict(der.elements(der.only(der.only(data, der.explicit(1)), der.SEQUENCE)))
    token = fields.get(der.explicit(2))
    if token is None:
        raise WireError("NegTokenResp without responseToken")
    return der.only(token, der.OCTET_STRING)


def _slice(token: bytes, at: int, size: int) -> bytes:
    if size and at + size > len(token):
        raise WireError("CHALLENGE field reaches over the end")
    return token[at : at + size]


def _av_pairs(info: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _AV_HEAD.size <= len(info):
        av_id, size = _AV_HEAD.unpack_from(info, at)
        at += _AV_HEAD.size
        if av_id == _AvId.EOL:
            return
        if at + size > len(info):
            raise WireError("AV_PAIR reaches over the end")
        yield av_id, info[at : at + size]
        at += size


def _text(raw: bytes) -> str:
    return raw[: 2 * MAX_NAME].decode("utf-16-le", "replace")


def _name(pairs: dict[int, bytes], av_id: _AvId) -> str | None:
    raw = pairs.get(av_id)
    return None if raw is None else _text(raw)


def _version(token: bytes) -> tuple[int, int, int]:
    if len(token) < _PAYLOAD:
        raise WireError("CHALLENGE ends before its VERSION")
    major, minor, build, _ = _VERSION.unpack_from(token, _CHALLENGE.size)
    return major, minor, build


def _time(raw: bytes | None) -> datetime | None:
    """A FILETIME; None if it is unset or beyond what a calendar can hold, which must not cost us the names."""
    if raw is None:
        return None
    if len(raw) != 8:
        raise WireError(f"timestamp of {len(raw)} bytes")
    ticks = int.from_bytes(raw, "little")
    try:
        return _EPOCH + timedelta(microseconds=ticks // 10) if ticks else None
    except OverflowError:
        return None
