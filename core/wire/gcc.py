"""GCC Conference Create: the settings that client and server exchange inside MCS Connect (T.124, MS-RDPBCGR 2.2.1.3)."""

import struct
from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Final

import msgspec

from core.wire import per
from core.wire.errors import WireError

CLIENT_NAME: Final = "rdpcheckup"
"""The client name that servers log; never the name of the user's PC."""


class Block(IntEnum):
    """Types of user data blocks (MS-RDPBCGR 2.2.1.3.1)."""

    CS_CORE = 0xC001
    CS_SECURITY = 0xC002
    CS_NET = 0xC003
    CS_CLUSTER = 0xC004
    SC_CORE = 0x0C01
    SC_SECURITY = 0x0C02
    SC_NET = 0x0C03
    SC_MESSAGE_CHANNEL = 0x0C04
    SC_MULTITRANSPORT = 0x0C08


class EarlyCapability(IntFlag):
    """The one early capability that this client announces (MS-RDPBCGR 2.2.1.3.2)."""

    SUPPORT_ERRINFO_PDU = 0x0001


class EncryptionMethod(IntFlag):
    """Ciphers of Standard RDP Security; none under TLS (MS-RDPBCGR 2.2.1.4.3)."""

    NONE = 0
    RC4_40 = 0x01
    RC4_128 = 0x02
    RC4_56 = 0x08
    FIPS = 0x10
    ALL = RC4_40 | RC4_128 | RC4_56 | FIPS


class CertificateKind(IntEnum):
    """Form of the certificate of Standard RDP Security (MS-RDPBCGR 2.2.1.4.3.1)."""

    PROPRIETARY = 1
    X509 = 2


class ServerCertificate(msgspec.Struct, frozen=True):
    """`kind` is a CertificateKind or what a stranger wrote there; `key_bits` is known for the proprietary kind."""

    kind: int
    key_bits: int | None = None


# Object identifier of T.124 and the choice that ConnectGCCPDU makes; a length follows.
_CONNECT_DATA: Final = bytes.fromhex("00 05 00 14 7c 00 01")
_CREATE_REQUEST: Final = bytes.fromhex("00 08 00 10 00 01 c0 00") + b"Duca"
_SERVER_KEY: Final = b"McDn"
# Node 1001 + 0x760a, tag 1, result success, one set of user data: what Windows sends (MS-RDPBCGR 4.1.4).
_CREATE_RESPONSE: Final = bytes.fromhex("14 76 0a 01 01 00 01 c0 00") + _SERVER_KEY

_BLOCK_HEAD: Final = struct.Struct("<HH")
_CLIENT_VERSION: Final = 0x00080011  # RDP 10.12; FreeRDP answers with the lower of the two versions


def conference_create_request(selected_protocol: int) -> bytes:
    """What a client sends: its core data, cluster, security and network blocks.

    `selected_protocol` repeats what the server chose in X.224; servers refuse another value. No static channel is
    asked for, so that none has to be joined.
    """
    user_data = _blocks(
        {
            Block.CS_CORE: _client_core(selected_protocol),
            # Redirection of sessions is understood in its version 4, as by Windows clients.
            Block.CS_CLUSTER: struct.pack("<II", 0x0D, 0),
            Block.CS_SECURITY: struct.pack("<II", EncryptionMethod.ALL, 0),
            Block.CS_NET: struct.pack("<I", 0),
        }
    )
    return _connect_data(_CREATE_REQUEST, user_data)


def conference_create_response(blocks: Mapping[int, bytes]) -> bytes:
    """What a server sends: contents by block type, in their order."""
    return _connect_data(_CREATE_RESPONSE, _blocks(blocks))


def server_blocks(data: bytes) -> dict[int, bytes]:
    """The contents of a server's blocks by their type, without their headers; of two alike the first counts.

    Raises:
        WireError: this is no Conference Create Response, or a block is malformed.
    """
    # The fields before the key may be skipped: they are fixed or, as the length of the whole, wrong on Windows
    # (MS-RDPBCGR 4.1.4 shows 0x2a for 287 bytes).
    key_at = data.find(_SERVER_KEY)
    if not data.startswith(_CONNECT_DATA) or key_at < 0:
        raise WireError("not a GCC Conference Create Response")
    user_data = per.read_open(data, key_at + len(_SERVER_KEY))
    found: dict[int, bytes] = {}
    at = 0
    while at < len(user_data):
        if at + _BLOCK_HEAD.size > len(user_data):
            raise WireError("user data end inside of a block header")
        kind, size = _BLOCK_HEAD.unpack_from(user_data, at)
        if size < _BLOCK_HEAD.size or at + size > len(user_data):
            raise WireError(f"block {kind:#06x} of {size} bytes")
        found.setdefault(kind, user_data[at + _BLOCK_HEAD.size : at + size])
        at += size
    return found


def server_certificate(security: bytes) -> ServerCertificate | None:
    """The certificate at the end of SC_SEC1, which is there for Standard RDP Security only."""
    random_size = uint(security, 8, 4)
    if random_size is None:
        return None
    at = 16 + random_size
    version = uint(security, at, 4)
    if version is None:
        return None
    kind = version & 0x7FFFFFFF  # the top bit says whether the certificate is a temporary one
    # A proprietary certificate: two algorithm ids, type and size of the key, then "RSA1", its size, its length in bits.
    proprietary = kind == CertificateKind.PROPRIETARY and security[at + 16 : at + 20] == b"RSA1"
    return ServerCertificate(kind, uint(security, at + 24, 4) if proprietary else None)


def uint(block: bytes, at: int, size: int) -> int | None:
    """A little-endian number of a block, None if the block ends before: later fields are optional."""
    raw = block[at : at + size]
    return int.from_bytes(raw, "little") if len(raw) == size else None


def _client_core(selected_protocol: int) -> bytes:
    """TS_UD_CS_CORE up to serverSelectedProtocol (MS-RDPBCGR 2.2.1.3.2)."""
    return struct.pack(
        "<IHHHHII32sIII64sHHIHHH64sBxI",
        _CLIENT_VERSION,
        1024,  # desktop width
        768,  # desktop height
        0xCA01,  # colour depth 8 bit, overruled below
        0xAA03,  # SAS sequence
        0x0409,  # keyboard layout
        19041,  # client build
        CLIENT_NAME.encode("utf-16-le"),
        4,  # keyboard type: enhanced 101 or 102 keys
        0,  # keyboard subtype
        12,  # function keys
        b"",  # input method file
        0xCA01,  # colour depth again, for newer servers
        1,  # product id
        0,  # serial number
        16,  # high colour depth
        0x0007,  # supported depths: 24, 16, 15
        EarlyCapability.SUPPORT_ERRINFO_PDU,
        b"",  # digital product id
        0,  # connection type: not stated
        selected_protocol,
    )


def _blocks(blocks: Mapping[int, bytes]) -> bytes:
    return b"".join(
        _BLOCK_HEAD.pack(kind, _BLOCK_HEAD.size + len(body)) + body for kind, body in blocks.items()
    )


def _connect_data(head: bytes, user_data: bytes) -> bytes:
    body = head + per.encode_length(len(user_data)) + user_data
    return _CONNECT_DATA + per.encode_length(len(body)) + body
