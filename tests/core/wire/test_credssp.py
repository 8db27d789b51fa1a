"""TSRequest."""

import pytest
from hypothesis import given

from core.wire import credssp, der, ntlm
from core.wire.credssp import TsRequest
from core.wire.errors import WireError
from tests.support.recorded import hostile, recorded

SHADOW = recorded("freerdp-shadow-2.11.7-nla-ts-request")


def ts_request(*fields: tuple[int, bytes]) -> bytes:
    """A server's TSRequest from field numbers and what their explicit tags hold."""
    return der.encode(der.SEQUENCE, *(der.encode(der.explicit(number), inner) for number, inner in fields))


VERSION_6 = (0, der.encode_integer(6))


def test_negotiate_is_the_message_that_servers_answer() -> None:
    token = ntlm.negotiate()
    head = bytes.fromhex("30 37 a0 03 02 01 06 a1 30 30 2e 30 2c a0 2a 04 28")
    assert credssp.encode_negotiate(token) == head + token


def test_negotiate_of_an_older_version() -> None:
    assert credssp.parse(credssp.encode_negotiate(b"token", version=2)) == TsRequest(
        version=2, nego_tokens=(b"token",)
    )


def test_answer_of_freerdp() -> None:
    request = credssp.parse(SHADOW)
    assert request.version == 6
    assert [token[:8] for token in request.nego_tokens] == [ntlm.SIGNATURE]
    assert request.client_nonce is not None
    assert len(request.client_nonce) == 32
    assert (request.auth_info, request.pub_key_auth, request.error_code) == (None, None, None)


@pytest.mark.parametrize(
    ("integer", "code"),
    [
        ("02 04 c0 07 00 ea", 0xC00700EA),  # freerdp-shadow 2.11.7, to a token that it did not understand
        ("02 05 00 c0 00 04 18", 0xC0000418),
        ("02 04 80 09 03 08", 0x80090308),
        ("02 01 05", 5),
    ],
)
def test_error_code_is_unsigned_in_every_form(integer: str, code: int) -> None:
    assert credssp.parse(ts_request(VERSION_6, (4, bytes.fromhex(integer)))).error_code == code


def test_all_fields() -> None:
    token = der.encode(der.SEQUENCE, der.encode(der.explicit(0), der.encode(der.OCTET_STRING, b"one")))
    octets = [(number, der.encode(der.OCTET_STRING, b"%d" % number)) for number in (2, 3, 5)]
    data = ts_request(VERSION_6, (1, der.encode(der.SEQUENCE, token, token)), *octets, (9, b"unheard of"))
    assert credssp.parse(data) == TsRequest(
        version=6, nego_tokens=(b"one", b"one"), auth_info=b"2", pub_key_auth=b"3", client_nonce=b"5"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n",
        SHADOW[:-1],
        SHADOW + b"\0",
        ts_request(),
        ts_request((0, der.encode(der.OCTET_STRING, b"\x06"))),
        ts_request(VERSION_6, (1, der.encode(der.SEQUENCE, der.encode_integer(1)))),
        ts_request(VERSION_6, (1, der.encode(der.SEQUENCE, der.encode(der.SEQUENCE)))),
        ts_request(VERSION_6, (4, der.encode(der.INTEGER))),
        ts_request(VERSION_6, (3, der.encode_integer(1))),
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(WireError):
        credssp.parse(data)


def test_expected_length_while_an_answer_comes_in() -> None:
    assert [credssp.expected_length(SHADOW[:size]) for size in (0, 1, 2, 3, 100)] == [
        None,
        None,
        None,
        237,
        237,
    ]


@pytest.mark.parametrize(
    "data", [b"\x03\0\0\x09", b"HTTP", bytes.fromhex("3080"), bytes.fromhex("308400010000")]
)
def test_expected_length_of_what_cannot_become_a_ts_request(data: bytes) -> None:
    with pytest.raises(WireError):
        credssp.expected_length(data)


@given(hostile(SHADOW, ts_request(VERSION_6, (4, bytes.fromhex("0204c00700ea")))))
def test_strange_bytes_give_a_ts_request_or_a_wire_error(data: bytes) -> None:
    try:
        request = credssp.parse(data)
    except WireError:
        return
    assert credssp.expected_length(data) == len(data)
    assert sum(map(len, request.nego_tokens)) < len(data)
    assert request.error_code is None or 0 <= request.error_code < 1 << 32


@given(hostile(SHADOW))
def test_expected_length_is_bounded(data: bytes) -> None:
    try:
        length = credssp.expected_length(data)
    except WireError:
        return
    assert length is None or 2 <= length <= der.MAX_SIZE
