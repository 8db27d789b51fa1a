"""RDP-UDP connection set-up (MS-RDPEUDP 2.2.2, 3.1.5.1): the SYN that we send, the SYN+ACK that comes back.

A SYN of version 2 needs no cookie from a TCP session, so UDP can be asked on its own. Every field is big-endian.
SYN and SYN+ACK are zero-padded to 1232 bytes, which makes the pair a test of a 1260-byte IPv4 path as well.
"""

import struct
from enum import IntEnum, IntFlag
from typing import Final

import msgspec

from core.wire.errors import WireError

DATAGRAM_SIZE: Final = 1232
MAX_MTU: Final = 1232

_NO_ACK: Final = 0xFFFFFFFF
_WINDOW: Final = 64
_VERSION_INFO_VALID: Final = 0x0001

_HEAD: Final = struct.Struct(">IHHIHH")  # RDPUDP_FEC_HEADER 2.2.2.1, then RDPUDP_SYNDATA_PAYLOAD 2.2.2.5
_SYNEX: Final = struct.Struct(">HH")  # RDPUDP_SYNDATAEX_PAYLOAD 2.2.2.9
_CORRELATION_ID_SIZE: Final = 32  # RDPUDP_CORRELATION_ID_PAYLOAD 2.2.2.8


class Flags(IntFlag):
    """uFlags of 2.2.2.1."""

    SYN = 0x0001
    FIN = 0x0002
    ACK = 0x0004
    DATA = 0x0008
    FEC = 0x0010
    CN = 0x0020
    CWR = 0x0040
    ACK_OF_ACKS = 0x0100
    SYNLOSSY = 0x0200
    ACKDELAYED = 0x0400
    CORRELATION_ID = 0x0800
    SYNEX = 0x1000


class Version(IntEnum):
    """uUdpVer of 2.2.2.9. V3 (MS-RDPEUDP2) demands a cookie from the TCP session."""

    V1 = 0x0001
    V2 = 0x0002
    V3 = 0x0101


class NotForUs(WireError):  # noqa: N818 - a sound datagram, only somebody else's
    """A SYN+ACK that acknowledges another SYN: an echo of an earlier try, or a forgery."""


class SynAck(msgspec.Struct, frozen=True, kw_only=True):
    """What a listener offers.

    Attributes:
        initial_sequence: its first sequence number.
        receive_window: in datagrams.
        upstream_mtu, downstream_mtu: bytes; 1132 to 1232 by the specification, here as received.
        version: uUdpVer, or None where the listener names none (version 1).
    """

    initial_sequence: int
    receive_window: int
    upstream_mtu: int
    downstream_mtu: int
    flags: Flags
    version: int | None


def syn(initial_sequence: int, *, mtu: int = MAX_MTU) -> bytes:
    """The client's SYN, version 2, without cookie (3.1.5.1.1).

    Args:
        initial_sequence: a random 32-bit number; the answer must repeat it.
        mtu: 1132 to 1232, offered in both directions.
    """
    head = _HEAD.pack(_NO_ACK, _WINDOW, Flags.SYN | Flags.SYNEX, initial_sequence, mtu, mtu)
    return (head + _SYNEX.pack(_VERSION_INFO_VALID, Version.V2)).ljust(DATAGRAM_SIZE, b"\0")


def syn_ack(
    acknowledged: int,
    *,
    initial_sequence: int,
    mtu: int = MAX_MTU,
    receive_window: int = _WINDOW,
    version: Version | None = Version.V2,
) -> bytes:
    """A listener's answer to a SYN (3.1.5.1.3). `acknowledged` is the sequence number of that SYN."""
    flags = Flags.SYN | Flags.ACK
    tail = b""
    if version is not None:
        flags |= Flags.SYNEX
        tail = _SYNEX.pack(_VERSION_INFO_VALID, version)
    head = _HEAD.pack(acknowledged, receive_window, flags, initial_sequence, mtu, mtu)
    return (head + tail).ljust(DATAGRAM_SIZE, b"\0")


def parse_syn(data: bytes) -> int:
    """The initial sequence number of a client's SYN, as a listener reads it.

    Raises:
        WireError: this is not a SYN.
    """
    acknowledged, _, flags, sequence, _, _ = _head(data)
    if acknowledged != _NO_ACK or flags & (Flags.SYN | Flags.ACK) != Flags.SYN:
        raise WireError("not an RDP-UDP SYN")
    return sequence


def parse_answer(data: bytes, initial_sequence: int) -> SynAck:
    """Read the answer to `syn(initial_sequence)`.

    Raises:
        NotForUs: a SYN+ACK for another SYN.
        WireError: anything else, our own SYN sent back included.
    """
    acknowledged, window, raw_flags, sequence, up, down = _head(data)
    flags = Flags(raw_flags)
    if Flags.SYN | Flags.ACK not in flags:
        raise WireError(f"not an RDP-UDP SYN+ACK: flags {raw_flags:#06x}")
    if acknowledged != initial_sequence:
        raise NotForUs(f"SYN+ACK acknowledges {acknowledged:#010x}, not {initial_sequence:#010x}")
    return SynAck(
        initial_sequence=sequence,
        receive_window=window,
        upstream_mtu=up,
        downstream_mtu=down,
        flags=flags,
        version=_version(data, flags),
    )


def _head(data: bytes) -> tuple[int, int, int, int, int, int]:
    if len(data) < _HEAD.size:
        raise WireError(f"{len(data)} bytes are too few for an RDP-UDP SYN or SYN+ACK")
    acknowledged, window, flags, sequence, up, down = _HEAD.unpack_from(data)
    return acknowledged, window, flags, sequence, up, down


def _version(data: bytes, flags: Flags) -> int | None:
    if Flags.SYNEX not in flags:
        return None
    at = _HEAD.size + (_CORRELATION_ID_SIZE if Flags.CORRELATION_ID in flags else 0)
    if len(data) < at + _SYNEX.size:
        raise WireError("RDP-UDP SYN+ACK ends before its version")
    options, version = _SYNEX.unpack_from(data, at)
    return int(version) if options & _VERSION_INFO_VALID else None
