"""Lengths of aligned PER."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire import per
from core.wire.errors import WireError


@pytest.mark.parametrize(
    ("length", "encoded"), [(0, "00"), (127, "7f"), (128, "8080"), (0x108, "8108"), (0x3FFF, "bfff")]
)
def test_known_lengths(length: int, encoded: str) -> None:
    assert per.encode_length(length).hex() == encoded
    assert per.read_open(bytes.fromhex(encoded) + bytes(length) + b"rest", 0) == bytes(length)


def test_a_length_that_would_need_fragments_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="16384"):
        per.encode_length(0x4000)


@pytest.mark.parametrize("data", ["", "80", "c1", "c100", "0203", "8003abcd"])
def test_missing_fragmented_or_too_long(data: str) -> None:
    with pytest.raises(WireError):
        per.read_open(bytes.fromhex(data), 0)


@given(st.binary(max_size=300), st.integers(0, 400))
def test_strange_bytes_give_a_piece_of_them_or_a_wire_error(data: bytes, at: int) -> None:
    try:
        piece = per.read_open(data, at)
    except WireError:
        return
    assert piece in data[at + 1 :]
