"""Answers of real servers, kept as hex, and what a stranger could make of them."""

from pathlib import Path

from hypothesis import strategies as st

_DATA = Path(__file__).parent.parent / "data" / "wire"


def recorded(name: str) -> bytes:
    """The bytes of tests/data/wire/<name>.hex; lines that begin with # say where they come from."""
    lines = (_DATA / f"{name}.hex").read_text(encoding="ascii").splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


@st.composite
def hostile(draw: st.DrawFn, *originals: bytes) -> bytes:
    """Any bytes at all, or one of the originals with up to four pieces replaced, removed or put in."""
    data = draw(st.sampled_from((b"", *originals)))
    if not data:
        return draw(st.binary(max_size=600))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from((0, 1, 1, 2, 8, len(data))))
        data = data[:at] + draw(st.binary(max_size=4)) + data[at + cut :]
    return data
