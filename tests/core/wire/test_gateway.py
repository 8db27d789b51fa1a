import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire.errors import WireError
from core.wire.gateway import (
    MAX_HEAD,
    GatewayAnswer,
    HeadReader,
    HttpAnswer,
    auth_schemes,
    classify,
    ntlm_challenge,
    rpc_request,
    websocket_request,
)

ID = UUID("12345678-9abc-def0-1234-56789abcdef0")
NEGOTIATE = b"NTLMSSP\0\x01\0\0\0" + bytes(28)
CHALLENGE = b"NTLMSSP\0\x02\0\0\0" + bytes(36)


def read(data: bytes) -> HttpAnswer:
    answer = HeadReader().feed(data)
    assert answer is not None
    return answer


def answer(status: int, *headers: tuple[str, str], body: bytes = b"") -> HttpAnswer:
    return HttpAnswer(status=status, reason="", headers=headers, body_start=body)


# --- Requests


def test_the_websocket_request():
    assert websocket_request("gw.example.com", connection_id=ID).decode().split("\r\n") == [
        "RDG_OUT_DATA /remoteDesktopGateway/ HTTP/1.1",
        "Cache-Control: no-cache",
        "Connection: Upgrade",
        "Pragma: no-cache",
        "Accept: */*",
        "User-Agent: MS-RDGateway/1.0",
        "Host: gw.example.com",
        "RDG-Connection-Id: {12345678-9abc-def0-1234-56789abcdef0}",
        "Upgrade: websocket",
        "Sec-Websocket-Version: 13",
        "Sec-Websocket-Key: EjRWeJq83vASNFZ4mrze8A==",
        "Content-Length: 0",
        "",
        "",
    ]


def test_the_rpc_request():
    assert rpc_request("gw", session_id=ID).decode().split("\r\n") == [
        "RPC_OUT_DATA /rpc/rpcproxy.dll?localhost:3388 HTTP/1.1",
        "Cache-Control: no-cache",
        "Connection: Keep-Alive",
        f"Pragma: ResourceTypeUuid=44e265dd-7daf-42cd-8560-3cdb6e7a2729, SessionId={ID}",
        "Accept: application/rpc",
        "User-Agent: MSRPC",
        "Host: gw",
        "Content-Length: 0",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            websocket_request("gw", connection_id=ID),
            websocket_request("gw", connection_id=ID, negotiate=NEGOTIATE),
        ),
        (rpc_request("gw", session_id=ID), rpc_request("gw", session_id=ID, negotiate=NEGOTIATE)),
    ],
    ids=["websocket", "rpc"],
)
def test_the_second_step_adds_the_negotiate_message_and_nothing_else(first, second):
    added = b"Authorization: NTLM " + base64.b64encode(NEGOTIATE) + b"\r\n"
    assert second == first[:-2] + added + b"\r\n"


@pytest.mark.parametrize(
    ("host", "port", "shown"),
    [("gw", 443, "gw"), ("gw", 8443, "gw:8443"), ("::1", 443, "[::1]"), ("::1", 444, "[::1]:444")],
)
def test_the_host_header(host, port, shown):
    lines = rpc_request(host, session_id=ID, port=port).decode().split("\r\n")
    assert f"Host: {shown}" in lines


@pytest.mark.parametrize("host", ["", "gw\r\nX: y", "gw x", "büro.example", "gw/x", "a" * 301, "gw\0"])
def test_a_host_that_could_change_the_request_is_refused(host):
    with pytest.raises(WireError):
        websocket_request(host, connection_id=ID)


# --- Heads


def test_a_head_and_what_follows_it():
    got = read(b"HTTP/1.1 401 Unauthorized\r\nServer: IIS\r\nwww-authenticate:NTLM\r\n\r\n<html>")
    assert (got.status, got.reason, got.body_start) == (401, "Unauthorized", b"<html>")
    assert got.headers == (("server", "IIS"), ("www-authenticate", "NTLM"))
    assert got.values("WWW-Authenticate") == ("NTLM",)
    assert got.values("Date") == ()


def test_repeated_names_keep_their_order():
    got = read(b"HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate\r\nX: 1\r\nWWW-AUTHENTICATE: NTLM\r\n\r\n")
    assert got.values("www-authenticate") == ("Negotiate", "NTLM")


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.1 200", 200, ""),
        (b"HTTP/1.0 503 Service Unavailable", 503, "Service Unavailable"),
        (b"HTTP/1.1 404 Nicht gefunden \xfc", 404, "Nicht gefunden ü"),
        (b"HTTP/1.1 999 ?", 999, "?"),
    ],
)
def test_status_lines(line, status, reason):
    got = read(line + b"\r\n\r\n")
    assert (got.status, got.reason) == (status, reason)


def test_bare_line_feeds_and_folded_lines_are_read():
    got = read(b"HTTP/1.1 200 OK\nA: 1,\n\t 2\nB: 3\n\n")
    assert got.headers == (("a", "1, 2"), ("b", "3"))


def test_lines_that_are_no_headers_are_left_out():
    got = read(b"HTTP/1.1 200 OK\r\nno colon\r\n: no name\r\nA b: c\r\nA : c\r\nOk: yes\r\n\r\n")
    assert got.headers == (("ok", "yes"),)


def test_control_characters_split_no_lines():
    got = read(b"HTTP/1.1 200 OK\r\nA: 1\x0b\x0c\x1e\x85B: 2\x00\r\n\r\n")
    assert [name for name, _ in got.headers] == ["a"]


def test_interim_answers_are_read_over_and_101_is_final():
    reader = HeadReader()
    assert reader.feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTT") is None
    got = reader.feed(b"P/1.1 101 Switching Protocols\r\n\r\nrest")
    assert got is not None
    assert (got.status, got.headers, got.body_start) == (101, (), b"rest")


@pytest.mark.parametrize("data", [b"SSH-2.0-x\r\n", b"h", b"HTTX", b"\r\nHTTP/1.1 200 OK\r\n\r\n", b"\x03"])
def test_other_protocols_are_refused_with_their_first_bytes(data):
    with pytest.raises(WireError, match="not an HTTP answer"):
        HeadReader().feed(data)


@pytest.mark.parametrize(
    "line", [b"HTTP/2 200", b"HTTP/1.1 20", b"HTTP/1.1 2000", b"HTTP/1.1  200", b"HTTP/"]
)
def test_status_lines_that_are_none(line):
    with pytest.raises(WireError, match="status line"):
        HeadReader().feed(line + b"\r\n\r\n")


def test_a_head_without_end_is_given_up():
    reader = HeadReader()
    head = b"HTTP/1.1 200 OK\r\n"
    assert reader.feed(head + b"x" * (MAX_HEAD - len(head))) is None
    with pytest.raises(WireError, match="longer than"):
        reader.feed(b"x")


def test_interim_answers_without_end_are_given_up():
    reader = HeadReader()
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    for _ in range(MAX_HEAD // len(interim)):
        assert reader.feed(interim) is None
    with pytest.raises(WireError, match="longer than"):
        reader.feed(interim)


def test_the_longest_head_passes_in_one_piece_and_one_byte_more_does_not():
    start, end = b"HTTP/1.1 200 OK\r\nA: ", b"\r\n\r\n"
    longest = start + b"x" * (MAX_HEAD - len(start) - len(end)) + end
    assert read(longest + b"body").body_start == b"body"
    with pytest.raises(WireError, match="longer than"):
        HeadReader().feed(start + b"x" + longest[len(start) :])


pieces = st.lists(
    st.sampled_from(
        [b"HTTP/1.1 200 OK", b"HTTP/1.1 100", b"\r\n", b"\n", b"\r", b" ", b":", b"A: b", b"NTLM", b'"', b","]
    )
    | st.binary(max_size=8),
    max_size=20,
).map(b"".join)


@given(st.binary(max_size=200) | pieces | pieces.map(lambda data: b"HTTP/1.1 401 x\r\n" + data + b"\r\n\r\n"))
def test_any_bytes_and_the_same_head_however_they_arrive(data):
    def outcome(chunks: list[bytes]) -> object:
        reader = HeadReader()
        fed = 0
        try:
            for chunk in chunks:
                fed += len(chunk)
                if (got := reader.feed(chunk)) is not None:
                    assert data.endswith(got.body_start + data[fed:])
                    classify(got)
                    auth_schemes(got)
                    return got.status, got.reason, got.headers
        except WireError as error:
            return str(error)
        return None

    assert outcome([data]) == outcome([data[i : i + 1] for i in range(len(data))])


# --- Meaning


@pytest.mark.parametrize(
    ("got", "meaning"),
    [
        (answer(401, ("www-authenticate", "Negotiate"), ("www-authenticate", "NTLM")), "alive-auth"),
        (answer(401, ("www-authenticate", 'Basic realm="x", ntlm')), "alive-auth"),
        (answer(401, ("www-authenticate", 'Basic realm="Negotiate, NTLM"')), "other"),
        (answer(401), "other"),
        (answer(101, ("upgrade", "websocket")), "alive-token"),
        (answer(200, ("date", "x"), body=b"\xab\xcd" * 5), "alive-token"),
        (answer(200, ("content-type", "text/html; charset=utf-8")), "web-portal"),
        (answer(200, ("content-type", "text/plain"), body=b" \r\n<!DOCTYPE html>"), "web-portal"),
        (answer(200, ("content-type", "text/plain"), body=b"ok"), "other"),
        (answer(200, ("content-length", "0")), "other"),
        (answer(302, ("location", "https://sso.example/")), "web-portal"),
        (answer(304), "other"),
        (answer(404), "not-a-gateway"),
        (answer(403), "not-a-gateway"),
        (answer(410), "not-a-gateway"),
        (answer(405), "verb-blocked"),
        (answer(501), "verb-blocked"),
        (answer(400), "verb-blocked"),
        (answer(503), "stopped"),
        (answer(500), "other"),
        (answer(407, ("proxy-authenticate", "NTLM")), "other"),
    ],
)
def test_what_an_answer_means(got, meaning):
    assert classify(got) == GatewayAnswer(meaning)


@pytest.mark.parametrize(
    ("values", "schemes"),
    [
        (["Negotiate", "NTLM", 'Basic realm="a"'], ("negotiate", "ntlm", "basic")),
        (
            ['Negotiate, NTLM , Digest realm="a, Basic", qop = "auth", nonce=x'],
            ("negotiate", "ntlm", "digest"),
        ),
        (["NTLM", "ntlm"], ("ntlm",)),
        (['Digest realm="open, NTLM'], ("digest",)),
        (["", ",,", "=", '"x"'], ()),
    ],
)
def test_the_schemes_offered(values, schemes):
    assert auth_schemes(answer(401, *(("www-authenticate", value) for value in values))) == schemes


def test_the_challenge_is_found_beside_other_schemes():
    token = base64.b64encode(CHALLENGE).decode()
    got = answer(401, ("www-authenticate", "Negotiate"), ("www-authenticate", f"NTLM {token}"))
    assert ntlm_challenge(got) == CHALLENGE
    assert classify(got) is GatewayAnswer.ALIVE_AUTH


def test_an_offer_is_no_challenge():
    assert ntlm_challenge(answer(401, ("www-authenticate", "NTLM"))) is None
    assert ntlm_challenge(answer(401, ("www-authenticate", "Negotiate oYG2MIGz"))) is None


@pytest.mark.parametrize("token", ["?", "abc", "ü", base64.b64encode(NEGOTIATE).decode(), "TlRMTVNTUA=="])
def test_a_token_that_is_no_challenge(token):
    with pytest.raises(WireError):
        ntlm_challenge(answer(401, ("www-authenticate", f"NTLM {token}")))


@given(st.lists(st.text(max_size=60) | pieces.map(lambda data: data.decode("latin-1")), max_size=4))
def test_any_challenge(values):
    got = answer(401, *(("www-authenticate", value) for value in values))
    assert all(scheme == scheme.lower() and " " not in scheme for scheme in auth_schemes(got))
    try:
        token = ntlm_challenge(got)
    except WireError:
        return
    assert token is None or token.startswith(b"NTLMSSP\0\x02")


@pytest.mark.parametrize("value", ['"\\' * 8000, '"' * 16000, "," * 16000, " " * 16000, "a=" * 8000])
def test_hostile_challenges_take_linear_time(value):
    assert auth_schemes(answer(401, ("www-authenticate", value))) == ()
