"""Licensing and Set Error Info."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire import mcs, session
from core.wire.errors import WireError
from core.wire.session import (
    DemandActive,
    Indication,
    LicenseError,
    LicenseErrorCode,
    LicenseMessage,
    LicenseRequest,
    LicenseTransition,
    NewLicense,
    PlatformChallenge,
    SetErrorInfo,
    Unknown,
)
from tests.support.recorded import hostile, recorded

IO_CHANNEL = 1003
VALID_CLIENT = LicenseError(LicenseErrorCode.STATUS_VALID_CLIENT, LicenseTransition.NO_TRANSITION)


def payload(name: str) -> bytes:
    pdu = mcs.parse_domain_pdu(recorded(name))
    assert isinstance(pdu, mcs.SendDataIndication)
    return pdu.payload


REAL = {
    "xrdp-0.9.21-tls-license-request": LicenseRequest(),
    "freerdp-shadow-2.11.7-tls-license-valid-client": VALID_CLIENT,
    "freerdp-shadow-2.11.7-tls-demand-active": DemandActive(),
}


def licensing(
    kind: int, body: bytes = b"", *, flags: int = 0x80, high: int = 0, size: int | None = None
) -> bytes:
    """A licensing message with its security header."""
    return struct.pack("<HHBBH", flags, high, kind, 3, 4 + len(body) if size is None else size) + body


def share_data(kind: int, body: bytes, compression: int = 0) -> bytes:
    """A data PDU with its share control and share data headers."""
    head = struct.pack(
        "<HHHIxBHBBH", 18 + len(body), 0x17, 1002, 0x103EA, 1, 4 + len(body), kind, compression, 0
    )
    return head + body


def test_client_info_names_nobody_and_asks_for_no_log_on() -> None:
    info = session.client_info()
    header, code_page, flags = struct.unpack_from("<I4xI", info)[0], *struct.unpack_from("<II", info, 4)
    assert (header, code_page) == (0x40, 0)
    assert flags & 0x33 == 0x33  # what xrdp insists on
    assert not flags & 0x08  # AUTOLOGON
    assert info[12:22] == bytes(10)  # sizes of domain, user, password, shell, folder
    assert info[22:32] == bytes(10)  # five empty strings
    assert struct.unpack_from("<HHHHH", info, 32) == (2, 2, 0, 2, 0)  # address family, address, folder
    assert len(info) == 42 + 172 + 4 + 4 + 2


@pytest.mark.parametrize("name", REAL)
def test_real_servers(name: str) -> None:
    assert session.parse_indication(payload(name), IO_CHANNEL, IO_CHANNEL) == REAL[name]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (licensing(0x01, bytes(50)), LicenseRequest()),
        (licensing(0x02), PlatformChallenge()),
        (licensing(0x03), NewLicense()),
        (licensing(0x04), NewLicense()),
        (licensing(0xFF, struct.pack("<II", 6, 1)), LicenseError(6, 1)),
        (licensing(0xFF, struct.pack("<II", 99, 98)), LicenseError(99, 98)),
        # xrdp puts the size of the message where nothing is defined: here it looks like a type of share control header.
        (licensing(0xFF, struct.pack("<IIHHx", 7, 2, 4, 0), flags=0x280, high=0x11), VALID_CLIENT),
        (licensing(0xFF, struct.pack("<IIHH", 7, 2, 4, 0), flags=0x280, high=0x10), VALID_CLIENT),
        (licensing(0x02) + b"behind the end", PlatformChallenge()),
    ],
)
def test_licensing(data: bytes, message: LicenseMessage) -> None:
    assert session.parse_license(data) == message
    assert session.parse_indication(data, IO_CHANNEL, IO_CHANNEL) == message


@pytest.mark.parametrize(
    ("code", "valid"),
    [
        (LicenseErrorCode.STATUS_VALID_CLIENT, True),
        (LicenseErrorCode.NO_LICENSE_SERVER, False),
        (LicenseErrorCode.NO_LICENSE, False),
        (0, False),
    ],
)
def test_only_one_licensing_error_is_good_news(code: int, valid: bool) -> None:
    assert LicenseError(code, LicenseTransition.TOTAL_ABORT).valid_client is valid


@pytest.mark.parametrize(
    "data",
    [
        b"",
        licensing(0x01)[:7],
        licensing(0x01, size=5),
        licensing(0x01, size=3),
        licensing(0x12),
        licensing(0x01, flags=0x40),
        licensing(0x01, flags=0x88),
        licensing(0xFF, bytes(7)),
        licensing(0xFF, bytes(8), size=11),
    ],
)
def test_malformed_licensing(data: bytes) -> None:
    with pytest.raises(WireError):
        session.parse_license(data)


@pytest.mark.parametrize(
    ("data", "indication"),
    [
        (share_data(47, struct.pack("<I", 7)), SetErrorInfo(7)),
        (share_data(47, struct.pack("<I", 0x10A)), SetErrorInfo(0x10A)),
        (share_data(47, struct.pack("<I", 7)) + b"another one", SetErrorInfo(7)),
        (struct.pack("<HHH", 6, 0x11, 1002), DemandActive()),
        (share_data(47, struct.pack("<I", 7), compression=0x21), Unknown(share_data(47, bytes(4), 0x21)[:16])),
        (share_data(31, bytes(4)), Unknown(share_data(31, b"1234")[:16])),
        (struct.pack("<HHH", 6, 0x16, 1002), Unknown(bytes.fromhex("06001600ea03"))),
        (b"", Unknown(b"")),
        (b"\x80", Unknown(b"\x80")),
        (bytes(100), Unknown(bytes(16))),
        # MS-RDPBCGR 4.1.11: a licensing message that RDP itself has encrypted
        (bytes.fromhex("880202038d439aabd52a3139624dc1ec0d9988e6daab2c02724d4990"),
         Unknown(bytes.fromhex("880202038d439aabd52a3139624dc1ec"))),
    ],
)  # fmt: skip
def test_other_indications(data: bytes, indication: Indication) -> None:
    assert session.parse_indication(data, IO_CHANNEL, IO_CHANNEL) == indication


@pytest.mark.parametrize("data", [licensing(0x12), licensing(0x01, size=9), share_data(47, bytes(3))])
def test_malformed_indications(data: bytes) -> None:
    with pytest.raises(WireError):
        session.parse_indication(data, IO_CHANNEL, IO_CHANNEL)


def test_other_channels_are_not_understood() -> None:
    data = share_data(47, struct.pack("<I", 7))
    assert session.parse_indication(data, 1004, IO_CHANNEL) == Unknown(data[:16])


def test_license_error_is_written_as_real_servers_write_it() -> None:
    assert session.encode_license_error(VALID_CLIENT) == payload(
        "freerdp-shadow-2.11.7-tls-license-valid-client"
    )


def test_set_error_info_has_the_length_that_windows_counts() -> None:
    # MS-RDPBCGR 4.1.13 counts eight bytes for four of contents: from the type on.
    assert session.encode_set_error_info(SetErrorInfo(7)).hex(" ", 2) == (
        "1600 1700 ea03 0000 0000 0001 0800 2f00 0000 0700 0000"
    )


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_what_is_written_is_read_back(first: int, second: int) -> None:
    error, info = LicenseError(first, second), SetErrorInfo(first)
    assert session.parse_indication(session.encode_license_error(error), IO_CHANNEL, IO_CHANNEL) == error
    assert session.parse_indication(session.encode_set_error_info(info), IO_CHANNEL, IO_CHANNEL) == info


@given(hostile(*map(payload, REAL), session.encode_set_error_info(SetErrorInfo(7))))
def test_strange_bytes_give_an_indication_or_a_wire_error(data: bytes) -> None:
    try:
        found = session.parse_indication(data, IO_CHANNEL, IO_CHANNEL)
    except WireError:
        return
    assert not isinstance(found, Unknown) or found.head == data[:16] or len(found.head) < 16
    assert not isinstance(found, SetErrorInfo) or 0 <= found.code <= 0xFFFFFFFF


@given(hostile(*map(payload, REAL)))
def test_strange_bytes_give_a_licensing_message_or_a_wire_error(data: bytes) -> None:
    try:
        message = session.parse_license(data)
    except WireError:
        return
    assert data[0] & 0x80
    assert isinstance(message, LicenseMessage)
