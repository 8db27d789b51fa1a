"""GCC Conference Create."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire import gcc
from core.wire.errors import WireError
from core.wire.gcc import Block, CertificateKind, ServerCertificate
from tests.support.recorded import hostile

OBJECT_ID = bytes.fromhex("00 05 00 14 7c 00 01")


def client_blocks(selected_protocol: int) -> dict[int, bytes]:
    """Requests are framed as responses are, but for the key."""
    request = gcc.conference_create_request(selected_protocol)
    assert request.startswith(OBJECT_ID)
    return gcc.server_blocks(request.replace(b"Duca", b"McDn"))


def test_request_holds_the_blocks_of_a_real_client() -> None:
    sizes = {kind: len(body) for kind, body in client_blocks(1).items()}
    assert sizes == {Block.CS_CORE: 212, Block.CS_CLUSTER: 8, Block.CS_SECURITY: 8, Block.CS_NET: 4}


@pytest.mark.parametrize("protocol", [0, 1, 2, 8])
def test_request_repeats_the_selected_protocol(protocol: int) -> None:
    assert struct.unpack("<I", client_blocks(protocol)[Block.CS_CORE][208:]) == (protocol,)


def test_request_asks_for_error_info_and_names_nobody() -> None:
    core = client_blocks(1)[Block.CS_CORE]
    assert struct.unpack_from("<H", core, 140) == (gcc.EarlyCapability.SUPPORT_ERRINFO_PDU,)
    assert core[20:52].decode("utf-16-le").rstrip("\0") == gcc.CLIENT_NAME
    assert client_blocks(1)[Block.CS_SECURITY] == bytes.fromhex("1b000000 00000000")
    assert client_blocks(1)[Block.CS_NET] == bytes(4)


def test_of_two_blocks_alike_the_first_counts() -> None:
    block = struct.pack("<HHH", Block.SC_NET, 6, 1003)
    data = OBJECT_ID + b"\x2aMcDn\x0c" + block + struct.pack("<HHH", Block.SC_NET, 6, 7)
    assert gcc.server_blocks(data) == {Block.SC_NET: struct.pack("<H", 1003)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"McDn\x00",
        OBJECT_ID,
        OBJECT_ID + b"McDn",
        OBJECT_ID + b"McDn\x05\x01\x0c\x04\x00",
        OBJECT_ID + b"McDn\x03\x01\x0c\x04",
        OBJECT_ID + b"McDn\x04\x01\x0c\x03\x00",
        OBJECT_ID + b"McDn\x04\x01\x0c\x05\x00",
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(WireError):
        gcc.server_blocks(data)


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        (
            struct.pack("<IIIHH4sIII", 1, 1, 1, 6, 92, b"RSA1", 72, 512, 63),
            ServerCertificate(CertificateKind.PROPRIETARY, 512),
        ),
        (
            struct.pack("<IIIHH4sI", 1, 1, 1, 6, 92, b"RSA1", 72),
            ServerCertificate(CertificateKind.PROPRIETARY),
        ),
        (struct.pack("<III", 0x80000002, 2, 700), ServerCertificate(CertificateKind.X509)),
        (struct.pack("<I", 9), ServerCertificate(9)),
        (b"\1\0", None),
    ],
)
def test_certificates(certificate: bytes, expected: ServerCertificate | None) -> None:
    head = struct.pack("<IIII", gcc.EncryptionMethod.RC4_128, 2, 32, len(certificate))
    assert gcc.server_certificate(head + bytes(32) + certificate) == expected


def test_no_certificate_under_tls() -> None:
    assert gcc.server_certificate(bytes(8)) is None


@given(st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=100), max_size=6))
def test_what_is_written_is_read_back(blocks: dict[int, bytes]) -> None:
    assert gcc.server_blocks(gcc.conference_create_response(blocks)) == blocks


@given(hostile(gcc.conference_create_response({Block.SC_CORE: bytes(12), Block.SC_NET: bytes(4)})))
def test_strange_bytes_give_blocks_or_a_wire_error(data: bytes) -> None:
    try:
        blocks = gcc.server_blocks(data)
    except WireError:
        return
    assert sum(len(body) + 4 for body in blocks.values()) < len(data)


@given(st.binary(max_size=120))
def test_strange_security_blocks_give_a_certificate_or_none(security: bytes) -> None:
    certificate = gcc.server_certificate(security)
    assert certificate is None or len(security) >= 20
