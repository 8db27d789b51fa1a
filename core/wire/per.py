"""The corner of aligned PER that GCC and MCS need: how a length is written (X.691 11.9)."""

from typing import Final

from core.wire.errors import WireError

MAX_LENGTH: Final = 0x3FFF
"""Longer contents would have to be cut into fragments, which RDP does not do."""


def encode_length(length: int) -> bytes:
    """One byte below 128, two up to MAX_LENGTH."""
    if length > MAX_LENGTH:
        raise ValueError(f"{length} bytes do not fit into one PER length")
    return bytes((length,)) if length < 0x80 else (0x8000 | length).to_bytes(2)


def read_open(data: bytes, at: int) -> bytes:
    """The contents that follow the length at `at`; whatever comes after them is not looked at.

    Raises:
        WireError: the length is missing, fragmented, or promises more than there is.
    """
    head = data[at : at + 2]
    if not head:
        raise WireError("PER length is missing")
    length, used = head[0], 1
    if length & 0x80:
        if length & 0x40 or len(head) < 2:
            raise WireError("PER length is fragmented or cut off")
        length, used = int.from_bytes(head) & MAX_LENGTH, 2
    start = at + used
    if start + length > len(data):
        raise WireError(f"PER length promises {length} bytes, {len(data) - start} are there")
    return data[start : start + length]
