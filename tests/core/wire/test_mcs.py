"""MCS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire import der, gcc, mcs
from core.wire.errors import WireError
from core.wire.gcc import CertificateKind, EncryptionMethod, ServerCertificate
from core.wire.mcs import (
    AttachUserConfirm,
    ChannelJoinConfirm,
    ConnectResponse,
    DisconnectUltimatum,
    DomainPdu,
    Reason,
    Result,
    SendDataIndication,
)
from tests.support.recorded import hostile, recorded

RESPONSES = {
    "xrdp-0.9.21-tls-connect-response": ConnectResponse(
        server_version=0x00080004,
        requested_protocols=1,
        encryption_method=EncryptionMethod.NONE,
        encryption_level=0,
        io_channel=1003,
    ),
    "xrdp-0.9.21-rdp-connect-response": ConnectResponse(
        server_version=0x00080004,
        requested_protocols=0,
        encryption_method=EncryptionMethod.RC4_128,
        encryption_level=3,
        certificate=ServerCertificate(CertificateKind.PROPRIETARY, 2048),
        io_channel=1003,
    ),
    "freerdp-shadow-2.11.7-tls-connect-response": ConnectResponse(
        server_version=0x0008000C,
        requested_protocols=1,
        early_capabilities=0,
        encryption_method=EncryptionMethod.NONE,
        encryption_level=0,
        io_channel=1003,
    ),
    "windows-spec-rdp-connect-response": ConnectResponse(
        server_version=0x00080004,
        requested_protocols=0,
        encryption_method=EncryptionMethod.RC4_128,
        encryption_level=2,
        certificate=ServerCertificate(CertificateKind.PROPRIETARY, 512),
        io_channel=1003,
    ),
}

LICENSE = recorded("freerdp-shadow-2.11.7-tls-license-valid-client")

# Seen from xrdp 0.9.21 and freerdp-shadow 2.11.7, or made after MS-RDPBCGR 4.1.7, 4.1.8.
DOMAIN_PDUS: list[tuple[str, DomainPdu]] = [
    ("2e000003", AttachUserConfirm(0, 1004)),
    ("2e000006", AttachUserConfirm(0, 1007)),
    ("2dc0", AttachUserConfirm(Result.UNSPECIFIED_FAILURE, None)),
    ("2da0", AttachUserConfirm(Result.TOO_MANY_USERS, None)),
    ("3e00000303eb03eb", ChannelJoinConfirm(0, 1004, 1003)),
    ("3e00000603ef03ef", ChannelJoinConfirm(0, 1007, 1007)),
    ("3c60000603ef", ChannelJoinConfirm(Result.NO_SUCH_CHANNEL, 1007, None)),
    ("2180", DisconnectUltimatum(Reason.USER_REQUESTED)),
    ("2080", DisconnectUltimatum(Reason.PROVIDER_INITIATED)),
    ("2380", DisconnectUltimatum(7)),
    ("68000103eb70026869", SendDataIndication(1003, b"hi")),
    ("68000103eb7080026869", SendDataIndication(1003, b"hi")),
]


def test_connect_initial() -> None:
    user_data = gcc.conference_create_request(1)
    fields = der.elements(der.only(mcs.encode_connect_initial(1), 0x7F65))
    assert [field.tag for field in fields] == [4, 4, 1, 0x30, 0x30, 0x30, 4]
    assert fields[-1].body == user_data
    assert fields[2].body == b"\xff"
    assert [len(der.elements(field.body)) for field in fields[3:6]] == [8, 8, 8]


def test_connect_initial_tells_the_protocol_it_is_sent_under() -> None:
    assert mcs.encode_connect_initial(1) != mcs.encode_connect_initial(0)


@pytest.mark.parametrize("name", RESPONSES)
def test_connect_responses_of_real_servers(name: str) -> None:
    assert mcs.parse_connect_response(recorded(name)) == RESPONSES[name]


def test_refusal_without_settings() -> None:
    refusal = ConnectResponse(result=Result.TOO_MANY_USERS)
    assert mcs.parse_connect_response(bytes.fromhex("7f66030a010d")) == refusal
    assert mcs.parse_connect_response(mcs.encode_connect_response(refusal)) == refusal


def test_all_settings() -> None:
    response = ConnectResponse(
        server_version=0x00080011,
        requested_protocols=3,
        early_capabilities=7,
        encryption_method=EncryptionMethod.FIPS,
        encryption_level=4,
        io_channel=1003,
        message_channel=1008,
        multitransport=0x305,
    )
    assert mcs.parse_connect_response(mcs.encode_connect_response(response)) == response


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes.fromhex("2180"),
        bytes.fromhex("7f6500"),
        bytes.fromhex("7f6600"),
        bytes.fromhex("7f66020a00"),
        bytes.fromhex("7f66070a0100040200ff"),
        recorded("xrdp-0.9.21-tls-connect-response")[:-1],
    ],
)
def test_malformed_connect_response(data: bytes) -> None:
    with pytest.raises(WireError):
        mcs.parse_connect_response(data)


def test_requests_of_the_specification() -> None:
    assert mcs.ERECT_DOMAIN_REQUEST.hex() == "0401000100"
    assert mcs.ATTACH_USER_REQUEST.hex() == "28"
    assert mcs.encode_join_request(1007, 1003).hex() == "38000603eb"
    assert mcs.encode_send_data_request(1007, 1003, b"hi").hex() == "64000603eb70026869"
    assert mcs.encode_send_data_request(1007, 1003, bytes(300))[5:8].hex() == "70812c"


@pytest.mark.parametrize(("data", "pdu"), DOMAIN_PDUS)
def test_domain_pdus(data: str, pdu: DomainPdu) -> None:
    assert mcs.parse_domain_pdu(bytes.fromhex(data)) == pdu


@pytest.mark.parametrize(
    "name", ["xrdp-0.9.21-tls-license-request", "freerdp-shadow-2.11.7-tls-demand-active"]
)
def test_real_data_comes_on_the_io_channel_whole(name: str) -> None:
    data = recorded(name)
    pdu = mcs.parse_domain_pdu(data)
    assert isinstance(pdu, SendDataIndication)
    assert pdu.channel == 1003
    assert pdu.payload == data[8:]


@pytest.mark.parametrize(
    "data", ["", "20", "2e", "2e00", "2e0000", "3e00", "3e000006", "3e00000603ef", "68", "680001", "68000103eb70",
             "68000103eb7002ff", "68000103eb70c1", "28", "0401000100", "38000603eb", "64000603eb70026869", "ff"]
)  # fmt: skip
def test_malformed_or_not_of_a_server(data: str) -> None:
    with pytest.raises(WireError):
        mcs.parse_domain_pdu(bytes.fromhex(data))


def test_confirms_are_not_taken_for_each_other() -> None:
    with pytest.raises(WireError):
        mcs.parse_attach_confirm(bytes.fromhex("3e00000303eb03eb"))
    with pytest.raises(WireError):
        mcs.parse_join_confirm(bytes.fromhex("2180"))


uint32 = st.none() | st.integers(0, 0xFFFFFFFF)
uint16 = st.none() | st.integers(0, 0xFFFF)
users = st.integers(1001, 1001 + 0xFFFF)
results = st.integers(0, 15)


@given(st.integers(0, 40), st.integers(0, 0xFFFFFFFF), uint32, uint32, uint16, uint16, uint32)
def test_connect_response_is_read_back(
    result: int,
    version: int,
    protocols: int | None,
    security: int | None,
    io_channel: int | None,
    message_channel: int | None,
    multitransport: int | None,
) -> None:
    response = ConnectResponse(
        result=result,
        server_version=version,
        requested_protocols=protocols,
        encryption_method=security,
        encryption_level=security,
        io_channel=io_channel,
        message_channel=message_channel,
        multitransport=multitransport,
    )
    assert mcs.parse_connect_response(mcs.encode_connect_response(response)) == response


@given(results, st.none() | users, users, st.integers(0, 0xFFFF), st.booleans(), st.binary(max_size=400))
def test_server_pdus_are_read_back(
    result: int, attached: int | None, user: int, channel: int, joined: bool, payload: bytes
) -> None:
    attach = AttachUserConfirm(result, attached)
    join = ChannelJoinConfirm(result, user, channel if joined else None)
    leave = DisconnectUltimatum(result & 7)
    assert mcs.parse_domain_pdu(mcs.encode_attach_confirm(attach)) == attach
    assert mcs.parse_domain_pdu(mcs.encode_join_confirm(join, channel)) == join
    assert mcs.parse_domain_pdu(mcs.encode_disconnect_ultimatum(leave.reason)) == leave
    assert mcs.parse_domain_pdu(
        mcs.encode_send_data_indication(user, channel, payload)
    ) == SendDataIndication(channel, payload)


@given(hostile(*map(recorded, RESPONSES)))
def test_strange_bytes_give_a_connect_response_or_a_wire_error(data: bytes) -> None:
    try:
        response = mcs.parse_connect_response(data)
    except WireError:
        return
    assert response.io_channel is None or 0 <= response.io_channel <= 0xFFFF


@given(hostile(LICENSE, *(bytes.fromhex(data) for data, _ in DOMAIN_PDUS)))
def test_strange_bytes_give_a_domain_pdu_or_a_wire_error(data: bytes) -> None:
    try:
        pdu = mcs.parse_domain_pdu(data)
    except WireError:
        return
    assert not isinstance(pdu, SendDataIndication) or pdu.payload in data
