import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire import x224
from core.wire.errors import WireError
from core.wire.stranger import Stranger
from core.wire.x224 import (
    ConnectionConfirm,
    Disconnect,
    FailureCode,
    NegotiationFailure,
    NotRdp,
    Protocol,
    ResponseFlag,
    TpktReader,
    connection_request,
    data_tpdu,
    new_correlation_id,
    parse_answer,
    unwrap_data,
)

NLA = Protocol.SSL | Protocol.HYBRID | Protocol.HYBRID_EX

# As seen on the wire: xrdp 0.9.21 and freerdp-shadow 2.11.7; the last two as MS-RDPBCGR draws them
XRDP_SSL = bytes.fromhex("03000013 0ed00000123400 0201080001000000")
SHADOW_HYBRID = bytes.fromhex("03000013 0ed00000000000 0203080002000000")
XRDP_WANTS_TLS = bytes.fromhex("03000013 0ed00000123400 0300080001000000")
XRDP_NO_CERTIFICATE = bytes.fromhex("03000013 0ed00000123400 0300080003000000")
XRDP_HANGS_UP = bytes.fromhex("03000009 02f080 2180")
NO_NEGOTIATION = bytes.fromhex("0300000b 06d00000123400")
UNKNOWN_PROTOCOL = bytes.fromhex("03000013 0ed00000123400 02ff080000010080")

ANSWERS = (
    (XRDP_SSL, ConnectionConfirm(Protocol.SSL, ResponseFlag.EXTENDED_CLIENT_DATA_SUPPORTED)),
    (
        SHADOW_HYBRID,
        ConnectionConfirm(
            Protocol.HYBRID,
            ResponseFlag.EXTENDED_CLIENT_DATA_SUPPORTED | ResponseFlag.DYNVC_GFX_PROTOCOL_SUPPORTED,
        ),
    ),
    (NO_NEGOTIATION, ConnectionConfirm(None, ResponseFlag(0))),
    (XRDP_WANTS_TLS, NegotiationFailure(FailureCode.SSL_REQUIRED_BY_SERVER)),
    (XRDP_NO_CERTIFICATE, NegotiationFailure(FailureCode.SSL_CERT_NOT_ON_SERVER)),
    (bytes.fromhex("03000013 0ed00000123400 03000800efbeadde"), NegotiationFailure(0xDEADBEEF)),
    (XRDP_HANGS_UP, Disconnect(3)),
    (bytes.fromhex("03000009 02f080 2080"), Disconnect(1)),
    (UNKNOWN_PROTOCOL, ConnectionConfirm(Protocol(0x80000100), ResponseFlag(0xFF))),
)

STRANGERS = (
    (b"HTTP/1.1 400 Bad Request\r\n", Stranger.HTTP),
    (b"<!DOCTYPE html><html>", Stranger.HTTP),
    (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Stranger.SSH),
    (bytes.fromhex("15030100020246"), Stranger.TLS),
    (bytes.fromhex("160303007a020000760303"), Stranger.TLS),
    (b"RFB 003.008\n", Stranger.VNC),
    (b"220 mail.example ESMTP\r\n", Stranger.MAIL_OR_FTP),
    (b"220-FTP\r\n", Stranger.MAIL_OR_FTP),
    (b"+OK POP3 ready\r\n", Stranger.MAIL_OR_FTP),
    (b"* OK IMAP4rev1 ready\r\n", Stranger.MAIL_OR_FTP),
    (b"what do you want?\r\n", Stranger.TEXT),
    (b"\x00\x01\x02", Stranger.BINARY),
    (b"J\x00\x00\x00\x0a8.0.36\x00", Stranger.BINARY),  # MySQL
    (b"\x15", Stranger.BINARY),
)

DAMAGED = (
    ("", "empty"),
    ("03", "cut off"),
    ("03000013 0ed000", "cut off"),
    ("03000006 0ed0", "6 bytes"),
    ("03000007 02e080", "0xe0"),
    ("03000007 02d080", "wrong length"),
    ("0300000b 06e00000000000", "0xe0"),
    ("0300000b 07d00000123400", "does not fit"),
    ("03000013 06d00000123400 0201080001000000", "does not fit"),
    ("0300000f 0ad00000123400 02010800", "wrong length"),
    ("03000013 0ed00000123400 0201090001000000", "wrong length"),
    ("03000013 0ed00000123400 0701080001000000", "unknown type 7"),
    ("03000009 02f000 2180", "0xf0"),
    ("03000008 02f080 21", "MCS"),
    ("0300000b 02f080 2e00 0006", "AttachUserConfirm"),
)


def test_request_is_what_mstsc_sends_with_a_neutral_name():
    assert connection_request(NLA) == bytes.fromhex(
        "0300002d 28e00000000000"
        "436f6f6b69653a206d737473686173683d636865636b75700d0a"  # Cookie: mstshash=checkup
        "010008000b000000"
    )


def test_request_without_cookie_is_the_shortest():
    assert connection_request(Protocol.RDP, cookie=None) == bytes.fromhex(
        "03000013 0ee00000000000 0100080000000000"
    )


def test_routing_token_takes_the_place_of_the_cookie():
    request = connection_request(NLA, routing_token=b"tsv://MS Terminal Services Plugin.1.Farm")
    assert request[11:-8] == b"tsv://MS Terminal Services Plugin.1.Farm\r\n"


def test_correlation_id_follows_the_negotiation_request():
    identity = bytes(range(0x20, 0x30))
    request = connection_request(Protocol.SSL, correlation_id=identity)
    assert len(request) == int.from_bytes(request[2:4], "big") == 5 + request[4]
    assert request[-44:] == bytes.fromhex("0108080001000000 06002400") + identity + bytes(16)


@pytest.mark.parametrize(
    ("identity", "ok"),
    [
        (bytes(range(1, 13)) + bytes(4), True),
        (bytes(range(1, 16)), False),
        (bytes(range(1, 18)), False),
        (b"\x00" + bytes(range(1, 13)) + bytes(3), False),
        (b"\xf4" + bytes(15), False),
        (b"\x01\xf4" + bytes(14), True),
        (b"\x01" + bytes(14) + b"\x0d", False),
    ],
)
def test_rules_of_correlation_ids(identity, ok):
    if ok:
        assert identity in connection_request(NLA, correlation_id=identity)
    else:
        with pytest.raises(ValueError, match="correlation id"):
            connection_request(NLA, correlation_id=identity)


def test_new_correlation_ids_are_valid_and_differ():
    identities = {new_correlation_id() for _ in range(300)}
    assert len(identities) == 300
    for identity in identities:
        connection_request(NLA, correlation_id=identity)


@pytest.mark.parametrize("text", [b"", b"a\rb", b"a\nb", b"name\r\n", b"x" * 250])
def test_a_bad_line_is_not_sent(text):
    with pytest.raises(ValueError, match="cookie or routing token"):
        connection_request(NLA, cookie=text)
    with pytest.raises(ValueError, match="cookie or routing token"):
        connection_request(NLA, routing_token=text)


def test_longest_line_that_fits():
    # LI 254 = 6 of the header + the line with its end + 8 + 36
    request = connection_request(NLA, routing_token=b"x" * 202, correlation_id=new_correlation_id())
    assert request[4] == 254
    with pytest.raises(ValueError, match="too long"):
        connection_request(NLA, routing_token=b"x" * 203, correlation_id=new_correlation_id())


@pytest.mark.parametrize(("data", "answer"), ANSWERS)
def test_answers(data, answer):
    assert parse_answer(data) == answer
    assert parse_answer(data + b"\x03\x00") == answer


def test_confirm_for_plain_rdp_is_not_a_confirm_without_negotiation():
    confirm = parse_answer(bytes.fromhex("03000013 0ed00000123400 0200080000000000"))
    assert confirm == ConnectionConfirm(Protocol.RDP, ResponseFlag(0))
    assert confirm != parse_answer(NO_NEGOTIATION)


@pytest.mark.parametrize(("data", "kind"), STRANGERS)
def test_strangers(data, kind):
    assert parse_answer(data) == NotRdp(kind, data)


def test_a_stranger_leaves_a_sample_of_64_bytes():
    assert parse_answer(b"HTTP/1.1 200 OK\r\n" + b"x" * 1000) == NotRdp(
        Stranger.HTTP, b"HTTP/1.1 200 OK\r\n" + b"x" * 47
    )


@pytest.mark.parametrize(("data", "message"), DAMAGED)
def test_damaged_answers(data, message):
    with pytest.raises(WireError, match=message):
        parse_answer(bytes.fromhex(data))


@pytest.mark.parametrize(("data", "answer"), ANSWERS)
def test_an_answer_cut_off_anywhere_is_damaged(data, answer):
    for end in range(len(data)):
        with pytest.raises(WireError):
            parse_answer(data[:end])


answers = st.sampled_from([data for data, _ in ANSWERS])


@st.composite
def mutated(draw):
    data = bytearray(draw(answers))
    for at in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=3)):
        data[at] = draw(st.integers(0, 255))
    return bytes(data)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda rest: b"\x03\x00" + rest) | mutated())
def test_any_bytes_are_an_answer_or_a_wire_error(data):
    try:
        answer = parse_answer(data)
    except WireError:
        return
    assert isinstance(answer, x224.Answer)
    assert isinstance(answer, NotRdp) == (data[0] != 3)


@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_reader_gives_back_what_was_sent_however_it_is_split(payloads, data):
    stream = b"".join(data_tpdu(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = TpktReader()
    received = [
        unwrap_data(tpdu)
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for tpdu in reader.feed(stream[start:end])
    ]
    assert received == payloads
    assert reader.need == 4


def test_reading_just_what_is_needed_never_takes_a_byte_too_many():
    stream = XRDP_SSL + b"\x16\x03\x01"
    reader, at = TpktReader(), 0
    while True:
        need = reader.need
        tpdus = reader.feed(stream[at : at + need])
        at += need
        if tpdus:
            break
    assert tpdus == (XRDP_SSL[4:],)
    assert at == len(XRDP_SSL)


@pytest.mark.parametrize("damage", [b"\x16", b"HTTP/1.1", b"\x03\x00\x00\x06", b"\x03\x00\x00\x00"])
def test_reader_gives_what_stands_in_front_of_the_damage(damage):
    reader = TpktReader()
    assert reader.feed(XRDP_HANGS_UP + damage) == (XRDP_HANGS_UP[4:],)
    with pytest.raises(WireError):
        reader.feed(b"")
    with pytest.raises(WireError):
        _ = reader.need


def test_the_longest_packet():
    payload = bytes(65535 - 7)
    (tpdu,) = TpktReader().feed(data_tpdu(payload))
    assert unwrap_data(tpdu) == payload
    with pytest.raises(ValueError, match="too long"):
        data_tpdu(payload + b"\0")


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_reader_survives_any_stream(chunks):
    reader = TpktReader()
    fed = 0
    try:
        for chunk in chunks:
            fed += sum(len(tpdu) + 4 for tpdu in reader.feed(chunk))
            assert 1 <= reader.need <= 65535
    except WireError:
        return
    assert fed <= sum(map(len, chunks))


@pytest.mark.parametrize("tpdu", [b"", b"\x02\xf0", b"\x02\xf0\x00x", XRDP_SSL[4:]])
def test_only_data_tpdus_are_unwrapped(tpdu):
    with pytest.raises(WireError, match=r"no X\.224 Data TPDU"):
        unwrap_data(tpdu)


def test_an_x224_disconnect_request_is_a_no() -> None:
    """LI 6, DR, two references, reason 128 + 0: normal disconnect (X.224 13.5)."""
    assert parse_answer(bytes.fromhex("0300000b 06 80 0000 1234 80")) == Disconnect(0x80)
