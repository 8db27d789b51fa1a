"""TPKT and X.224: the first words of every RDP connection.

The client asks with a Connection Request which security protocols it may use, the server answers with one of them, with
a failure code, or with something that shows that it is no RDP server at all.

Sources: MS-RDPBCGR 2.2.1.1 (request), 2.2.1.2 (answer), 2.2.2.3 (MCS Disconnect Provider Ultimatum), 3.2.5.3.1;
T.123 section 8 (TPKT); X.224 section 13.
"""

import secrets
from enum import IntEnum, IntFlag

import msgspec

from core.wire import mcs, stranger
from core.wire.errors import WireError
from core.wire.stranger import Stranger

COOKIE_NAME = b"checkup"
"""The neutral name in the request's cookie. Anyone on the path can read it, so it never is a user's name."""

_TPKT_VERSION = 3
_TPKT_HEADER = 4
_TPKT_SHORTEST = 7  # the header and the shortest TPDU, an empty Data TPDU
_TPKT_LONGEST = 0xFFFF
_LONGEST_LI = 254  # X.224 13.2.1: 255 is reserved
_CONNECTION_CONFIRM = 0xD0
_DISCONNECT_REQUEST, _DISCONNECT_SHORTEST = 0x80, 7  # LI, code, two references, reason (X.224 13.5)
_DATA_HEADER = b"\x02\xf0\x80"  # LI 2, Data TPDU, end of the message (X.224 13.7)
_NEG_LENGTH = 8
_NEG_REQUEST, _NEG_RESPONSE, _NEG_FAILURE, _NEG_CORRELATION = 1, 2, 3, 6

_ID_LENGTH = 16
_ID_FIRST_FORBIDDEN = b"\x00\xf4"
_ID_FORBIDDEN = b"\x0d"
_ID_ALPHABET = bytes(set(range(256)) - set(_ID_FIRST_FORBIDDEN + _ID_FORBIDDEN))


class Protocol(IntFlag):
    """Security protocols, as bits of a request or as the one value of an answer (MS-RDPBCGR 2.2.1.1.1, 2.2.1.2.1).

    Values without a name survive: a newer server may choose what this list does not know.
    """

    RDP = 0
    """Standard RDP Security: no TLS, its own encryption."""
    SSL = 1
    """TLS, the log-on happens inside the session."""
    HYBRID = 2
    """TLS and then CredSSP: Network Level Authentication."""
    RDSTLS = 4
    HYBRID_EX = 8
    """HYBRID and an Early User Authorization Result."""
    RDSAAD = 16
    """Microsoft Entra. Ask for it on a connection of its own: xrdp 0.9.21 hangs up on this bit."""


class RequestFlag(IntFlag):
    """Flags of RDP_NEG_REQ (MS-RDPBCGR 2.2.1.1.1)."""

    RESTRICTED_ADMIN_MODE_REQUIRED = 0x01
    REDIRECTED_AUTHENTICATION_MODE_REQUIRED = 0x02
    CORRELATION_INFO_PRESENT = 0x08


class ResponseFlag(IntFlag):
    """Flags of RDP_NEG_RSP (MS-RDPBCGR 2.2.1.2.1)."""

    EXTENDED_CLIENT_DATA_SUPPORTED = 0x01
    DYNVC_GFX_PROTOCOL_SUPPORTED = 0x02
    RESERVED = 0x04
    RESTRICTED_ADMIN_MODE_SUPPORTED = 0x08
    REDIRECTED_AUTHENTICATION_MODE_SUPPORTED = 0x10


class FailureCode(IntEnum):
    """Codes of RDP_NEG_FAILURE (MS-RDPBCGR 2.2.1.2.2)."""

    SSL_REQUIRED_BY_SERVER = 1
    SSL_NOT_ALLOWED_BY_SERVER = 2
    SSL_CERT_NOT_ON_SERVER = 3
    INCONSISTENT_FLAGS = 4
    HYBRID_REQUIRED_BY_SERVER = 5
    SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER = 6


class ConnectionConfirm(msgspec.Struct, frozen=True):
    """The server goes on. Read `selected`, for a server may choose less than it was asked for."""

    selected: Protocol | None
    """None: a confirm without negotiation data, as of servers that only know Standard RDP Security."""
    flags: ResponseFlag


class NegotiationFailure(msgspec.Struct, frozen=True):
    """The server refuses the requested protocols."""

    code: int
    """Usually a `FailureCode`; a number that has no name there is kept as it came."""


class Disconnect(msgspec.Struct, frozen=True):
    """The server said no in place of a Connection Confirm: an MCS Disconnect Provider Ultimatum or an X.224 Disconnect Request."""

    reason: int
    """Of an Ultimatum a `mcs.Reason`, or another number up to 7; of a Disconnect Request that of X.224 13.5.3."""


class NotRdp(msgspec.Struct, frozen=True):
    """The answer is no TPKT packet, so the port speaks something else."""

    kind: Stranger
    sample: bytes
    """The first 64 bytes at most."""


Answer = ConnectionConfirm | NegotiationFailure | Disconnect | NotRdp


def new_correlation_id() -> bytes:
    """A random id of 16 bytes with which the server's administrator finds this connection in the server's event log."""
    return bytes(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


def connection_request(
    protocols: Protocol,
    *,
    cookie: bytes | None = COOKIE_NAME,
    routing_token: bytes | None = None,
    correlation_id: bytes | None = None,
) -> bytes:
    """An X.224 Connection Request in its TPKT packet, in the form that mstsc sends.

    Args:
        protocols: what the client claims to be able to use.
        cookie: NAME of `Cookie: mstshash=NAME`, without line end; None sends none. Never a user's name: it
            travels unencrypted. Brokers and routers may read it, so a neutral one is sent by default.
        routing_token: what a broker or the `loadbalanceinfo` of an .rdp file gave, without line end. Takes the cookie's place.
        correlation_id: see `new_correlation_id`. FreeRDP servers from before November 2022 fail on it.

    Raises:
        ValueError: cookie or token is empty, has a line end inside, or is too long; the id breaks a rule of
            MS-RDPBCGR 2.2.1.1.2 (16 bytes, first one neither 00 nor F4, no 0D anywhere).
    """
    flags = RequestFlag(0)
    correlation = b""
    if correlation_id is not None:
        _check_correlation_id(correlation_id)
        flags = RequestFlag.CORRELATION_INFO_PRESENT
        correlation = bytes((_NEG_CORRELATION, 0, 36, 0)) + correlation_id + bytes(16)

    line = b""
    if routing_token is not None:
        line = _line(b"", routing_token)
    elif cookie is not None:
        line = _line(b"Cookie: mstshash=", cookie)

    negotiation = bytes((_NEG_REQUEST, flags, _NEG_LENGTH, 0)) + int(protocols).to_bytes(4, "little")
    # CR, destination and source reference 0, class 0 (X.224 13.3)
    tpdu = b"\xe0\x00\x00\x00\x00\x00" + line + negotiation + correlation
    if len(tpdu) > _LONGEST_LI:
        raise ValueError("cookie or routing token is too long for a Connection Request")
    return _tpkt(bytes((len(tpdu),)) + tpdu)


def parse_answer(data: bytes) -> Answer:
    """What a server said to the Connection Request.

    Args:
        data: everything received so far, at least one whole TPKT packet if it is one; what follows it is not looked at.

    Raises:
        WireError: nothing there, cut off, or the lengths and types inside do not fit.
    """
    if not data:
        raise WireError("empty answer to the Connection Request")
    if data[0] != _TPKT_VERSION:
        return NotRdp(stranger.recognise(data), data[: stranger.SAMPLE])
    length = _packet_length(data)
    if length is None or len(data) < length:
        raise WireError("answer to the Connection Request is cut off")
    tpdu = data[_TPKT_HEADER:length]
    if tpdu.startswith(_DATA_HEADER):
        return _disconnect(tpdu)
    return _confirm(tpdu)


class TpktReader:
    """Cuts a byte stream into TPDUs, however the network chops it. Holds at most one unfinished packet (64 KB)."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def need(self) -> int:
        """How many bytes at least are missing for the next step; reading no more never takes a byte of a later packet.

        Raises:
            WireError: the stream has lost its frame, as in `feed`.
        """
        return (_packet_length(self._buffer) or _TPKT_HEADER) - len(self._buffer)

    def feed(self, data: bytes) -> tuple[bytes, ...]:
        """Takes the next bytes and returns the TPDUs (without TPKT header) that are now whole.

        Raises:
            WireError: no TPKT packet stands here (first byte not 3, length below 7). TPDUs in front of the damage
                are returned first; the call after that raises.
        """
        self._buffer += data
        tpdus: list[bytes] = []
        try:
            while (length := _packet_length(self._buffer)) and len(self._buffer) >= length:
                tpdus.append(bytes(self._buffer[_TPKT_HEADER:length]))
                del self._buffer[:length]
        except WireError:
            if not tpdus:
                raise
        return tuple(tpdus)


def data_tpdu(payload: bytes) -> bytes:
    """An X.224 Data TPDU with its TPKT header around `payload` (an MCS PDU).

    Raises:
        ValueError: more than 65,528 bytes do not fit one packet.
    """
    if len(payload) > _TPKT_LONGEST - _TPKT_SHORTEST:
        raise ValueError("payload is too long for one TPKT packet")
    return _tpkt(_DATA_HEADER + payload)


def unwrap_data(tpdu: bytes) -> bytes:
    """The payload of a Data TPDU as `TpktReader` returns it.

    Raises:
        WireError: it is another TPDU, or a part of a longer message, which RDP never sends.
    """
    if not tpdu.startswith(_DATA_HEADER):
        raise WireError(f"no X.224 Data TPDU: {tpdu[:3].hex(' ')}")
    return tpdu[len(_DATA_HEADER) :]


def _tpkt(tpdu: bytes) -> bytes:
    return bytes((_TPKT_VERSION, 0)) + (_TPKT_HEADER + len(tpdu)).to_bytes(2, "big") + tpdu


def _packet_length(data: bytes | bytearray) -> int | None:
    """Length of the TPKT packet at the start of `data`, header included; None while its header is not whole."""
    if data and data[0] != _TPKT_VERSION:
        raise WireError(f"no TPKT packet: first byte is {data[0]:#04x}")
    if len(data) < _TPKT_HEADER:
        return None
    length = int.from_bytes(data[2:4], "big")
    if length < _TPKT_SHORTEST:
        raise WireError(f"TPKT packet of {length} bytes cannot hold a TPDU")
    return length


def _line(prefix: bytes, text: bytes) -> bytes:
    if not text or b"\r" in text or b"\n" in text:
        raise ValueError("cookie or routing token is empty or holds a line end")
    return prefix + text + b"\r\n"


def _check_correlation_id(value: bytes) -> None:
    if len(value) != _ID_LENGTH:
        raise ValueError("a correlation id has 16 bytes")
    if value[0] in _ID_FIRST_FORBIDDEN or _ID_FORBIDDEN in value:
        raise ValueError("a correlation id neither starts with 00 or F4 nor holds 0D")


def _confirm(tpdu: bytes) -> ConnectionConfirm | NegotiationFailure | Disconnect:
    # LI, code, destination reference 2, source reference 2, class, then nothing or 8 bytes (X.224 13.4)
    if tpdu[1] == _DISCONNECT_REQUEST and len(tpdu) >= _DISCONNECT_SHORTEST:
        return Disconnect(tpdu[6])
    if tpdu[1] & 0xF0 != _CONNECTION_CONFIRM:
        raise WireError(f"X.224 TPDU {tpdu[1]:#04x} in place of a Connection Confirm")
    if tpdu[0] != len(tpdu) - 1:
        raise WireError("length of the Connection Confirm does not fit its TPKT packet")
    if len(tpdu) == 7:
        return ConnectionConfirm(None, ResponseFlag(0))
    negotiation = tpdu[7:]
    if len(negotiation) != _NEG_LENGTH or int.from_bytes(negotiation[2:4], "little") != _NEG_LENGTH:
        raise WireError("negotiation data of the Connection Confirm have a wrong length")
    value = int.from_bytes(negotiation[4:], "little")
    if negotiation[0] == _NEG_RESPONSE:
        return ConnectionConfirm(Protocol(value), ResponseFlag(negotiation[1]))
    if negotiation[0] == _NEG_FAILURE:
        return NegotiationFailure(value)
    raise WireError(f"negotiation data of unknown type {negotiation[0]}")


def _disconnect(tpdu: bytes) -> Disconnect:
    pdu = mcs.parse_domain_pdu(unwrap_data(tpdu))
    if not isinstance(pdu, mcs.DisconnectUltimatum):
        raise WireError(f"MCS {type(pdu).__name__} in place of a Connection Confirm")
    return Disconnect(pdu.reason)
