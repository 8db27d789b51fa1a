"""Vectors: MS-RDPEUDP 4.1.1, 4.1.2, and an answer that a public scan of the internet recorded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire.errors import WireError
from core.wire.rdpudp import Flags, NotForUs, Version, parse_answer, parse_syn, syn, syn_ack

# The specification's correlation id goes on after these four bytes; nobody reads it here.
SPEC_SYN = bytes.fromhex("ffffffff 0400 0a01 00000042 04d0 04d0 d235ac43").ljust(1232, b"\0")
SPEC_SYN_ACK = bytes.fromhex("00000042 0400 0005 00000042 04d0 04d0").ljust(1232, b"\0")
SCANNED = bytes.fromhex("00000000 0040 0005 98aeca6a 04d0 04d0").ljust(1232, b"\0")

sequence_numbers = st.integers(0, 0xFFFFFFFF)


def test_our_syn_has_the_layout_of_the_specification():
    start = bytes.fromhex("ffffffff 0040 1001 01020304 04d0 04d0 0001 0002")
    assert syn(0x01020304) == start + bytes(1232 - len(start))


def test_a_smaller_mtu_is_offered_in_both_directions_and_the_size_stays():
    datagram = syn(1, mtu=1132)
    assert datagram[12:16] == bytes.fromhex("046c 046c")
    assert len(datagram) == 1232


def test_a_listener_reads_the_syn_of_the_specification_and_ours():
    assert parse_syn(SPEC_SYN) == 0x42
    assert parse_syn(syn(0xFFFFFFFF)) == 0xFFFFFFFF


def test_our_answer_is_the_one_of_the_specification():
    assert syn_ack(0x42, initial_sequence=0x42, receive_window=0x400, version=None) == SPEC_SYN_ACK


def test_the_answer_of_the_specification():
    answer = parse_answer(SPEC_SYN_ACK, 0x42)
    assert answer.flags == Flags.SYN | Flags.ACK
    assert (answer.initial_sequence, answer.receive_window) == (0x42, 0x400)
    assert (answer.upstream_mtu, answer.downstream_mtu) == (1232, 1232)
    assert answer.version is None


def test_an_answer_from_the_wild():
    assert parse_answer(SCANNED, 0).initial_sequence == 0x98AECA6A


@given(sequence_numbers, sequence_numbers, st.integers(1132, 1232), st.sampled_from([None, *Version]))
def test_an_answer_comes_back_as_it_was_made(ours, theirs, mtu, version):
    answer = parse_answer(syn_ack(ours, initial_sequence=theirs, mtu=mtu, version=version), ours)
    assert (answer.initial_sequence, answer.upstream_mtu, answer.downstream_mtu) == (theirs, mtu, mtu)
    assert answer.version == version


def test_the_version_stands_behind_a_correlation_id():
    datagram = bytes.fromhex("00000001 0040 1805 00000002 04d0 04d0") + bytes(32) + b"\0\x01\x01\x01"
    assert parse_answer(datagram, 1).version == Version.V3


def test_a_version_that_is_not_marked_valid_is_none():
    datagram = bytes.fromhex("00000001 0040 1005 00000002 04d0 04d0 0000 0002")
    assert parse_answer(datagram, 1).version is None


def test_a_version_of_the_future_is_kept_as_a_number():
    datagram = bytes.fromhex("00000001 0040 1005 00000002 04d0 04d0 0001 0203")
    assert parse_answer(datagram, 1).version == 0x0203


def test_an_answer_to_another_syn_is_told_apart():
    with pytest.raises(NotForUs, match="0x00000042"):
        parse_answer(SPEC_SYN_ACK, 0x43)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "too few"),
        (SPEC_SYN_ACK[:15], "too few"),
        (syn(0x42), "not an RDP-UDP SYN"),  # a port that echoes
        (bytes.fromhex("00000042 0400 0004 00000042 04d0 04d0"), "not an RDP-UDP SYN"),  # a bare ACK
        (bytes.fromhex("00000042 0400 1005 00000042 04d0 04d0 0001"), "before its version"),
    ],
)
def test_what_is_no_answer(data, message):
    with pytest.raises(WireError, match=message) as caught:
        parse_answer(data, 0x42)
    assert not isinstance(caught.value, NotForUs)


@pytest.mark.parametrize("data", [b"", SPEC_SYN_ACK, SPEC_SYN[:15], b"\0" + SPEC_SYN[1:]])
def test_what_is_no_syn(data):
    with pytest.raises(WireError):
        parse_syn(data)


@given(st.binary(max_size=80), sequence_numbers)
def test_any_bytes(data, ours):
    for read in (lambda: parse_answer(data, ours), lambda: parse_syn(data)):
        try:
            read()
        except WireError:
            pass
        else:
            assert len(data) >= 16
