"""BER and DER of CredSSP, SPNEGO and MCS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire import der
from core.wire.errors import WireError
from tests.support.recorded import hostile, recorded

TS_REQUEST = recorded("freerdp-shadow-2.11.7-nla-ts-request")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "020100"),
        (6, "020106"),
        (127, "02017f"),
        (128, "02020080"),
        (0xFFFF, "020300ffff"),
        (0xC000006D, "020500c000006d"),
        (0xC000006D - (1 << 32), "0204c000006d"),
        (-1, "0201ff"),
        (-128, "020180"),
        (-129, "0202ff7f"),
    ],
)
def test_integers_are_signed_and_as_short_as_can_be(value: int, encoded: str) -> None:
    assert der.encode_integer(value).hex() == encoded
    assert der.integer(der.only(bytes.fromhex(encoded), der.INTEGER)) == value


@pytest.mark.parametrize("body", [b"", bytes(9)])
def test_integer_without_or_with_too_many_bytes(body: bytes) -> None:
    with pytest.raises(WireError):
        der.integer(body)


@pytest.mark.parametrize(
    ("size", "header"), [(0, "0400"), (127, "047f"), (128, "048180"), (255, "0481ff"), (256, "04820100")]
)
def test_lengths_take_the_shortest_form(size: int, header: str) -> None:
    encoded = der.encode(der.OCTET_STRING, bytes(size))
    assert encoded.hex() == header + "00" * size
    assert der.only(encoded, der.OCTET_STRING) == bytes(size)


def test_longer_lengths_than_needed_are_read() -> None:
    assert der.elements(bytes.fromhex("0482000105 048400000000")) == ((4, b"\x05"), (4, b""))


def test_tag_of_two_bytes() -> None:
    assert der.elements(bytes.fromhex("7f660105")) == ((0x7F66, b"\x05"),)
    assert der.encode(0x7F66, b"\x05").hex() == "7f660105"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("3080 0000", "indefinite length"),
        ("30ff", "reserved length"),
        ("3085 0000000001 00", "length of five bytes"),
        ("3084 00010000", "64 KB and a header"),
        ("7f8101 00", "tag of three bytes"),
        ("30", "no length"),
        ("7f", "half a tag"),
        ("3082 01", "half a length"),
        ("3003 0500", "contents cut off"),
    ],
)
def test_malformed(data: str, why: str) -> None:
    with pytest.raises(WireError):
        der.elements(bytes.fromhex(data))


def test_larger_than_any_answer() -> None:
    with pytest.raises(WireError):
        der.elements(bytes(der.MAX_SIZE + 2))


@pytest.mark.parametrize("data", ["", "0500", "30000500"])
def test_only_takes_exactly_one(data: str) -> None:
    with pytest.raises(WireError):
        der.only(bytes.fromhex(data), der.SEQUENCE)


def test_total_length_is_told_as_soon_as_the_header_is_there() -> None:
    assert [der.total_length(TS_REQUEST[:size]) for size in range(5)] == [None, None, None, 237, 237]
    assert der.total_length(TS_REQUEST + b"more") == 237


@pytest.mark.parametrize("data", ["3080", "3084ffffffff", "3083010000"])
def test_total_length_of_something_endless(data: str) -> None:
    with pytest.raises(WireError):
        der.total_length(bytes.fromhex(data))


@given(st.lists(st.tuples(st.sampled_from((0x02, 0x30, 0xA0, 0x7F65)), st.binary(max_size=300)), max_size=8))
def test_what_is_written_is_read_back(pairs: list[tuple[int, bytes]]) -> None:
    assert der.elements(b"".join(der.encode(tag, body) for tag, body in pairs)) == tuple(pairs)


@given(hostile(TS_REQUEST))
def test_strange_bytes_give_elements_inside_of_them_or_a_wire_error(data: bytes) -> None:
    try:
        found = der.elements(data)
    except WireError:
        return
    assert all(element.body in data for element in found)
    assert sum(len(element.body) + 2 for element in found) <= len(data)
