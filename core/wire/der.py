"""The corner of BER and DER that CredSSP, SPNEGO and the MCS connect phase speak.

Definite lengths only, tags of one or two bytes (X.690 8.1). Reading is flat: every nesting level is a call of the
caller's own, so a stranger's bytes cannot choose the depth. Lengths need not be minimal, because BER allows that and
MCS is BER.
"""

from typing import Final, NamedTuple

from core.wire.errors import WireError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30

MAX_SIZE: Final = 64 * 1024
"""Most bytes that one element may fill, header included; no answer of an RDP server comes near it."""

_MAX_INTEGER_SIZE: Final = 8


class Element(NamedTuple):
    """One tag and what it holds; a tag of two bytes is one big-endian number (0x7F66)."""

    tag: int
    body: bytes


def explicit(number: int) -> int:
    """The tag of a context-specific constructed field, written `[number]` in ASN.1."""
    return 0xA0 | number


def _header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Tag, start and end of the contents of the element at `at`; None while its header is incomplete."""
    head = data[at : at + 7]  # tag 2, length of length 1, length 4
    if not head:
        return None
    tag, used = head[0], 1
    if tag & 0x1F == 0x1F:
        if len(head) < 2:
            return None
        if head[1] & 0x80:
            raise WireError("tag of more than two bytes")
        tag, used = tag << 8 | head[1], 2
    if len(head) <= used:
        return None
    length = head[used]
    used += 1
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise WireError("length is indefinite or longer than four bytes")
        if len(head) < used + count:
            return None
        length = int.from_bytes(head[used : used + count])
        used += count
    if used + length > MAX_SIZE:
        raise WireError(f"element of {length} bytes is larger than {MAX_SIZE}")
    return tag, at + used, at + used + length


def total_length(data: bytes) -> int | None:
    """How many bytes the element at the start of `data` fills, header included; None while the header is incomplete.

    Raises:
        WireError: the header is malformed or promises more than MAX_SIZE bytes.
    """
    header = _header(data, 0)
    return header and header[2]


def elements(data: bytes) -> tuple[Element, ...]:
    """The elements that fill `data`, one after the other.

    Raises:
        WireError: an element is malformed, or reaches over the end of `data`.
    """
    if len(data) > MAX_SIZE:
        raise WireError(f"{len(data)} bytes are more than {MAX_SIZE}")
    found: list[Element] = []
    at = 0
    while at < len(data):
        header = _header(data, at)
        if header is None or header[2] > len(data):
            raise WireError(f"element at {at} reaches over the end")
        tag, start, at = header
        found.append(Element(tag, data[start:at]))
    return tuple(found)


def only(data: bytes, tag: int) -> bytes:
    """The contents of the single element that `data` must be.

    Raises:
        WireError: `data` is not exactly one element of that tag.
    """
    found = elements(data)
    if len(found) != 1 or found[0].tag != tag:
        raise WireError(f"not a single element of tag {tag:#x}")
    return found[0].body


def integer(body: bytes) -> int:
    """The value of an INTEGER or ENUMERATED, which is signed.

    Raises:
        WireError: it is empty or longer than eight bytes.
    """
    if not 1 <= len(body) <= _MAX_INTEGER_SIZE:
        raise WireError(f"integer of {len(body)} bytes")
    return int.from_bytes(body, signed=True)


def encode(tag: int, *parts: bytes) -> bytes:
    """One element with the shortest length form."""
    body = b"".join(parts)
    size = len(body)
    length = size.to_bytes((size.bit_length() + 7) // 8 or 1)
    if size >= 0x80:
        length = bytes((0x80 | len(length),)) + length
    return tag.to_bytes(2 if tag > 0xFF else 1) + length + body


def encode_integer(value: int, tag: int = INTEGER) -> bytes:
    """An INTEGER in as few bytes as its sign allows."""
    return encode(tag, value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, signed=True))
