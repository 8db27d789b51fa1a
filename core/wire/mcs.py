"""MCS: how RDP sets up its channels and sends over them (T.125, MS-RDPBCGR 2.2.1.3 to 2.2.1.9, 2.2.2.3).

Every function takes or gives the contents of one X.224 Data TPDU. The connect phase is BER, the rest aligned PER.
"""

import struct
from enum import IntEnum
from typing import Final

import msgspec

from core.wire import der, gcc, per
from core.wire.errors import WireError


class Result(IntEnum):
    """T.125 Result."""

    SUCCESSFUL = 0
    DOMAIN_MERGING = 1
    DOMAIN_NOT_HIERARCHICAL = 2
    NO_SUCH_CHANNEL = 3
    NO_SUCH_DOMAIN = 4
    NO_SUCH_USER = 5
    NOT_ADMITTED = 6
    OTHER_USER_ID = 7
    PARAMETERS_UNACCEPTABLE = 8
    TOKEN_NOT_AVAILABLE = 9
    TOKEN_NOT_POSSESSED = 10
    TOO_MANY_CHANNELS = 11
    TOO_MANY_TOKENS = 12
    TOO_MANY_USERS = 13
    UNSPECIFIED_FAILURE = 14
    USER_REJECTED = 15


class Reason(IntEnum):
    """T.125 Reason: why a side leaves."""

    DOMAIN_DISCONNECTED = 0
    PROVIDER_INITIATED = 1
    TOKEN_PURGED = 2
    USER_REQUESTED = 3
    CHANNEL_PURGED = 4


class ConnectResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a server decides in MCS Connect Response. None means that it did not say.

    `result` is a Result or an unknown number. `server_version` is an RDP version (0x00080004 for 5.0 to 8.1, then
    rising). `requested_protocols` repeats the client's X.224 request: another value means that somebody changed it on
    the way. `encryption_method` is a gcc.EncryptionMethod, `encryption_level` runs from 0 (none) to 4 (FIPS).
    `multitransport` are flags: 1 and 4 for UDP (FEC reliable, lossy), 0x100 and 0x200.
    """

    result: int = Result.SUCCESSFUL
    server_version: int | None = None
    requested_protocols: int | None = None
    early_capabilities: int | None = None
    encryption_method: int | None = None
    encryption_level: int | None = None
    certificate: gcc.ServerCertificate | None = None
    io_channel: int | None = None
    message_channel: int | None = None
    multitransport: int | None = None


class AttachUserConfirm(msgspec.Struct, frozen=True):
    """`user` is the channel of the new user (1001 and up), None if the server refused."""

    result: int
    user: int | None


class ChannelJoinConfirm(msgspec.Struct, frozen=True):
    """`channel` is None if the server refused."""

    result: int
    user: int
    channel: int | None


class SendDataIndication(msgspec.Struct, frozen=True):
    """One piece of data from a server."""

    channel: int
    payload: bytes


class DisconnectUltimatum(msgspec.Struct, frozen=True):
    """The server leaves. `reason` is a Reason or a number up to 7 that T.125 does not define."""

    reason: int


DomainPdu = AttachUserConfirm | ChannelJoinConfirm | SendDataIndication | DisconnectUltimatum

_CONNECT_INITIAL: Final = 0x7F65
_CONNECT_RESPONSE: Final = 0x7F66

# Channels, users, tokens, priorities, throughput, height, PDU size, version; the numbers of MS-RDPBCGR 4.1.3.
_TARGET_PARAMETERS: Final = (34, 2, 0, 1, 0, 1, 0xFFFF, 2)
_MINIMUM_PARAMETERS: Final = (1, 1, 1, 1, 0, 1, 0x420, 2)
_MAXIMUM_PARAMETERS: Final = (0xFFFF, 0xFC17, 0xFFFF, 1, 0, 1, 0xFFFF, 2)

_USER_BASE: Final = 1001
_HIGH_PRIORITY_WHOLE: Final = 0x70  # high priority; first and last segment


class _Choice(IntEnum):
    """Alternatives of DomainMCSPDU; they fill the upper six bits of the first byte."""

    DISCONNECT_ULTIMATUM = 8
    ATTACH_CONFIRM = 11
    JOIN_REQUEST = 14
    JOIN_CONFIRM = 15
    SEND_DATA_REQUEST = 25
    SEND_DATA_INDICATION = 26


ERECT_DOMAIN_REQUEST: Final = bytes.fromhex("04 01 00 01 00")
ATTACH_USER_REQUEST: Final = bytes.fromhex("28")


def encode_connect_initial(selected_protocol: int) -> bytes:
    """MCS Connect Initial with the client's settings; `selected_protocol` as the server chose it in X.224."""
    return der.encode(
        _CONNECT_INITIAL,
        der.encode(der.OCTET_STRING, b"\x01"),  # calling and called domain
        der.encode(der.OCTET_STRING, b"\x01"),
        der.encode(der.BOOLEAN, b"\xff"),  # the connection goes upward
        _domain_parameters(_TARGET_PARAMETERS),
        _domain_parameters(_MINIMUM_PARAMETERS),
        _domain_parameters(_MAXIMUM_PARAMETERS),
        der.encode(der.OCTET_STRING, gcc.conference_create_request(selected_protocol)),
    )


def parse_connect_response(data: bytes) -> ConnectResponse:
    """Read MCS Connect Response. A server that refuses may leave out its settings.

    Raises:
        WireError: malformed or something else, as the Disconnect Provider Ultimatum of a server that leaves already
            here; parse_domain_pdu reads that.
    """
    fields = dict(der.elements(der.only(data, _CONNECT_RESPONSE)))
    if der.ENUMERATED not in fields:
        raise WireError("MCS Connect Response without result")
    user_data = fields.get(der.OCTET_STRING)
    blocks = gcc.server_blocks(user_data) if user_data else {}
    core = blocks.get(gcc.Block.SC_CORE, b"")
    security = blocks.get(gcc.Block.SC_SECURITY, b"")
    return ConnectResponse(
        result=der.integer(fields[der.ENUMERATED]),
        server_version=gcc.uint(core, 0, 4),
        requested_protocols=gcc.uint(core, 4, 4),
        early_capabilities=gcc.uint(core, 8, 4),
        encryption_method=gcc.uint(security, 0, 4),
        encryption_level=gcc.uint(security, 4, 4),
        certificate=gcc.server_certificate(security),
        io_channel=gcc.uint(blocks.get(gcc.Block.SC_NET, b""), 0, 2),
        message_channel=gcc.uint(blocks.get(gcc.Block.SC_MESSAGE_CHANNEL, b""), 0, 2),
        multitransport=gcc.uint(blocks.get(gcc.Block.SC_MULTITRANSPORT, b""), 0, 4),
    )


def encode_connect_response(response: ConnectResponse) -> bytes:
    """MCS Connect Response, for scripted servers. A certificate is not written: under TLS there is none."""
    io_channel, message_channel = response.io_channel, response.message_channel
    blocks = {
        gcc.Block.SC_CORE: _uints(
            response.server_version, response.requested_protocols, response.early_capabilities
        ),
        gcc.Block.SC_SECURITY: _uints(response.encryption_method, response.encryption_level),
        gcc.Block.SC_NET: b"" if io_channel is None else struct.pack("<HH", io_channel, 0),
        gcc.Block.SC_MESSAGE_CHANNEL: b"" if message_channel is None else struct.pack("<H", message_channel),
        gcc.Block.SC_MULTITRANSPORT: _uints(response.multitransport),
    }
    user_data = gcc.conference_create_response({kind: body for kind, body in blocks.items() if body})
    return der.encode(
        _CONNECT_RESPONSE,
        der.encode_integer(response.result, der.ENUMERATED),
        der.encode_integer(0),  # called connect id
        _domain_parameters(_TARGET_PARAMETERS),
        der.encode(der.OCTET_STRING, user_data),
    )


def encode_join_request(user: int, channel: int) -> bytes:
    """Channel Join Request of an attached user."""
    return struct.pack(">BHH", _Choice.JOIN_REQUEST << 2, user - _USER_BASE, channel)


def encode_send_data_request(user: int, channel: int, payload: bytes) -> bytes:
    """Send Data Request: client to server."""
    return _send_data(_Choice.SEND_DATA_REQUEST, user, channel, payload)


def encode_send_data_indication(user: int, channel: int, payload: bytes) -> bytes:
    """Send Data Indication: server to client."""
    return _send_data(_Choice.SEND_DATA_INDICATION, user, channel, payload)


def encode_attach_confirm(confirm: AttachUserConfirm) -> bytes:
    """Attach User Confirm of a server."""
    head = _head(_Choice.ATTACH_CONFIRM, confirm.result, confirm.user is not None)
    return head if confirm.user is None else head + struct.pack(">H", confirm.user - _USER_BASE)


def encode_join_confirm(confirm: ChannelJoinConfirm, requested: int) -> bytes:
    """Channel Join Confirm of a server, which repeats the `requested` channel."""
    head = _head(_Choice.JOIN_CONFIRM, confirm.result, confirm.channel is not None)
    ids = struct.pack(">HH", confirm.user - _USER_BASE, requested)
    return head + ids if confirm.channel is None else head + ids + struct.pack(">H", confirm.channel)


def encode_disconnect_ultimatum(reason: int) -> bytes:
    """Disconnect Provider Ultimatum of either side."""
    return (_Choice.DISCONNECT_ULTIMATUM << 10 | reason << 7).to_bytes(2)


def parse_domain_pdu(data: bytes) -> DomainPdu:
    """Read what a server sends once the connect phase is over.

    Raises:
        WireError: malformed, or nothing that a server sends to a client of RDP.
    """
    if not data:
        raise WireError("empty MCS PDU")
    match data[0] >> 2:
        case _Choice.ATTACH_CONFIRM:
            return parse_attach_confirm(data)
        case _Choice.JOIN_CONFIRM:
            return parse_join_confirm(data)
        case _Choice.SEND_DATA_INDICATION:
            return SendDataIndication(_u16(data, 3), per.read_open(data, 6))
        case _Choice.DISCONNECT_ULTIMATUM:
            return DisconnectUltimatum(_u16(data, 0) >> 7 & 0x7)
        case choice:
            raise WireError(f"MCS PDU with choice {choice}")


def parse_attach_confirm(data: bytes) -> AttachUserConfirm:
    """Read Attach User Confirm.

    Raises:
        WireError: it is something else or cut off.
    """
    result, present = _read_head(data, _Choice.ATTACH_CONFIRM)
    return AttachUserConfirm(result, _USER_BASE + _u16(data, 2) if present else None)


def parse_join_confirm(data: bytes) -> ChannelJoinConfirm:
    """Read Channel Join Confirm.

    Raises:
        WireError: it is something else or cut off.
    """
    result, present = _read_head(data, _Choice.JOIN_CONFIRM)
    return ChannelJoinConfirm(result, _USER_BASE + _u16(data, 2), _u16(data, 6) if present else None)


def _domain_parameters(values: tuple[int, ...]) -> bytes:
    return der.encode(der.SEQUENCE, *(der.encode_integer(value) for value in values))


def _uints(*values: int | None) -> bytes:
    return b"".join(struct.pack("<I", value) for value in values if value is not None)


def _u16(data: bytes, at: int) -> int:
    raw = data[at : at + 2]
    if len(raw) < 2:
        raise WireError(f"MCS PDU of {len(data)} bytes ends too early")
    return int.from_bytes(raw)


def _head(choice: _Choice, result: int, present: bool) -> bytes:
    """Six bits of choice, one that announces the optional last field, four of result."""
    return (choice << 10 | present << 9 | result << 5).to_bytes(2)


def _read_head(data: bytes, choice: _Choice) -> tuple[int, bool]:
    head = _u16(data, 0)
    if head >> 10 != choice:
        raise WireError(f"MCS PDU with choice {head >> 10}, not {choice}")
    return head >> 5 & 0xF, bool(head & 0x200)


def _send_data(choice: _Choice, user: int, channel: int, payload: bytes) -> bytes:
    head = struct.pack(">BHHB", choice << 2, user - _USER_BASE, channel, _HIGH_PRIORITY_WHOLE)
    return head + per.encode_length(len(payload)) + payload
