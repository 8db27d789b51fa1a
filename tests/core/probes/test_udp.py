import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from core.demo.faults import FAULTS
from core.probes import udp
from core.probes.udp import TRIES, UdpFact, UdpOutcome
from core.wire import rdpudp
from tests.support.loopback import run
from tests.support.scripted import serving

HERE = "127.0.0.1"


def ask(port: int, host: str = HERE, wait: float = 2.0) -> UdpFact:
    return run(udp.ask(host, port, wait=wait))


@contextlib.contextmanager
def answering(
    answer: Callable[[bytes, int], list[bytes]], host: str = HERE
) -> Iterator[tuple[int, list[bytes]]]:
    """A port, and what came to it. `answer` gets a datagram and how many came before it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    heard: list[bytes] = []

    def serve() -> None:
        while True:
            data, client = sock.recvfrom(4096)
            if data == b"stop":
                return
            for word in answer(data, len(heard)):
                sock.sendto(word, client)
            heard.append(data)

    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        worker = threading.Thread(target=serve)
        worker.start()
        try:
            yield sock.getsockname()[1], heard
        finally:
            with socket.socket(family, socket.SOCK_DGRAM) as last:
                last.sendto(b"stop", sock.getsockname())
            worker.join()


def syn_ack(data: bytes) -> bytes:
    return rdpudp.syn_ack(rdpudp.parse_syn(data), initial_sequence=7)


@pytest.mark.parametrize("host", [HERE, "::1"])
def test_a_server_that_speaks_rdp_udp(host: str) -> None:
    with serving("healthy", host=host, udp=True) as server:
        fact = ask(server.port, host)
    assert (fact.outcome, fact.sent, fact.error) == (UdpOutcome.OPEN, 1, None)
    assert fact.version == rdpudp.Version.V2
    assert 0 < fact.took_ms < 2000


@pytest.mark.parametrize("host", [HERE, "::1"])
def test_a_closed_port(host: str) -> None:
    with serving(FAULTS["healthy"], host=host) as server:
        fact = ask(server.port, host)
    assert (fact.outcome, fact.version) == (UdpOutcome.CLOSED, None)


def test_silence_after_every_try() -> None:
    with answering(lambda _data, _number: []) as (port, heard):
        fact = ask(port, wait=0.05)
    assert (fact.outcome, fact.sent, len(heard)) == (UdpOutcome.SILENT, TRIES, TRIES)
    assert len(set(heard)) == 1
    assert fact.took_ms >= TRIES * 49


def test_a_lost_datagram_is_sent_again() -> None:
    with answering(lambda data, number: [syn_ack(data)] if number == 2 else []) as (port, _):
        fact = ask(port, wait=0.1)
    assert (fact.outcome, fact.sent) == (UdpOutcome.OPEN, 3)


def test_strangers_words_before_the_answer_are_passed_over() -> None:
    with answering(lambda data, _number: [b"", b"hello", bytes(2000), syn_ack(data)]) as (port, _):
        assert ask(port).outcome is UdpOutcome.OPEN


def test_an_answer_to_another_syn_is_none() -> None:
    other = syn_ack(rdpudp.syn(0xDEAD))
    with answering(lambda _data, _number: [other]) as (port, _):
        assert ask(port, wait=0.05).outcome is UdpOutcome.SILENT


def test_strangers_words_do_not_buy_time() -> None:
    with answering(lambda _data, _number: [b"hello"] * 500) as (port, heard):
        fact = ask(port, wait=0.05)
    assert (fact.outcome, fact.sent, len(heard)) == (UdpOutcome.SILENT, TRIES, TRIES)


def test_our_datagram_fills_a_packet_and_names_nobody() -> None:
    with answering(lambda data, _number: [syn_ack(data)]) as (port, heard):
        ask(port)
    assert len(heard[0]) == rdpudp.DATAGRAM_SIZE
    assert len(heard) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux says of these addresses")
@pytest.mark.parametrize(
    ("host", "outcome", "error"),
    [
        # A broadcast without leave: no packet goes out, as with a firewall that says no.
        ("255.255.255.255", UdpOutcome.BLOCKED_HERE, 13),
        ("fe80::1", UdpOutcome.OTHER, 22),
        ("fe80::1%nowhere", UdpOutcome.OTHER, None),
    ],
)
def test_what_the_system_does_not_let_out(host: str, outcome: UdpOutcome, error: int | None) -> None:
    fact = ask(3389, host)
    assert (fact.outcome, fact.error, fact.sent) == (outcome, error, 0)
