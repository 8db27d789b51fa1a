import asyncio
from typing import Any

import pytest

from core.demo import negotiation
from core.probes import x224_step
from core.probes.ending import How, Step
from core.probes.x224_step import OFFER, Answer, NegotiationFact, negotiate
from core.wire import x224
from core.wire.x224 import FailureCode, Protocol
from tests.support.loopback import (
    MOST_BYTES,
    Listener,
    Peer,
    Talk,
    connected,
    floods,
    hurry,
    listening,
    run,
    says,
    trickles,
)

NLA = negotiation.confirm(Protocol.HYBRID)
HTTP = b"HTTP/1.1 400 Bad Request\r\n\r\n"


def ask(talk: Talk, host: str = "127.0.0.1", **request: Any) -> tuple[NegotiationFact, Listener]:
    async def go() -> tuple[NegotiationFact, Listener]:
        async with listening(talk, host=host) as server:
            async with connected(server.port, host) as connection:
                fact = await negotiate(connection, **request)
            await server.ended.get()
        return fact, server

    return run(go())


# --- answers


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (NLA, {"answer": Answer.CONFIRM, "selected": 2, "flags": 3, "negotiates": True}),
        (negotiation.confirm(Protocol.SSL), {"answer": Answer.CONFIRM, "selected": 1, "flags": 3}),
        (negotiation.confirm(Protocol.RDP), {"answer": Answer.CONFIRM, "selected": 0, "negotiates": True}),
        (negotiation.confirm(None), {"answer": Answer.CONFIRM, "selected": 0, "negotiates": False}),
        (
            negotiation.failure(FailureCode.SSL_CERT_NOT_ON_SERVER),
            {"answer": Answer.FAILURE, "failure": 3, "selected": None},
        ),
        (
            negotiation.failure(FailureCode.HYBRID_REQUIRED_BY_SERVER)[:-4] + b"\xef\xbe\xad\xde",
            {"answer": Answer.FAILURE, "failure": 0xDEADBEEF},
        ),
        (bytes.fromhex("0300000902f0802180"), {"answer": Answer.DISCONNECT, "reason": 3}),
        (HTTP, {"answer": Answer.NOT_RDP, "kind": "http", "banner": HTTP.hex()}),
        (b"SSH-2.0-x\r\n", {"answer": Answer.NOT_RDP, "kind": "ssh"}),
        (b"\x15\x03\x01\x00\x02\x02\x46", {"answer": Answer.NOT_RDP, "kind": "tls"}),
        (b"x" * 5000, {"answer": Answer.NOT_RDP, "kind": "text", "banner": (b"x" * 64).hex()}),
    ],
)
def test_answers(answer: bytes, known: dict[str, object]) -> None:
    fact, _ = ask(says(answer))
    assert {name: getattr(fact, name) for name in known} == known
    assert (fact.asked, fact.ending) == (int(OFFER), None)


def test_a_banner_that_comes_before_we_ask() -> None:
    fact, _ = ask(says(b"SSH-2.0-x\r\n", Peer.silence, first=True))
    assert (fact.answer, fact.kind) == (Answer.NOT_RDP, "ssh")


def test_an_answer_in_pieces() -> None:
    async def talk(peer: Peer) -> None:
        await peer.hear()
        for byte in NLA:
            await peer.say(bytes((byte,)))
            await asyncio.sleep(0)

    assert ask(talk)[0].selected == Protocol.HYBRID


def test_over_ipv6() -> None:
    assert ask(says(NLA), "::1")[0].selected == Protocol.HYBRID


@pytest.mark.parametrize(
    ("selected", "nla", "tls"),
    [
        (None, False, False),
        (Protocol.RDP, False, False),
        (Protocol.SSL, False, True),
        (Protocol.HYBRID, True, True),
        (Protocol.HYBRID_EX, True, True),
        (Protocol.RDSTLS, False, True),
    ],
)
def test_what_comes_next(selected: int | None, nla: bool, tls: bool) -> None:
    fact = NegotiationFact(asked=11, answer=Answer.CONFIRM, took_ms=1.0, selected=selected)
    assert (fact.nla, fact.tls) == (nla, tls)


# --- no answer


@pytest.mark.parametrize(
    ("talk", "how", "received"),
    [
        (says(b""), How.FIN, 0),
        (says(b"", Peer.reset), How.RST, 0),
        (says(NLA[:5]), How.FIN, 5),
        (says(NLA[:11] + b"\x7f\xff\xff\xff" + bytes(4)), How.GARBAGE, 19),
        (says(b"\x03\x00\x00\x05"), How.GARBAGE, 4),
        (says(b"\x03\x00\x00\x07\x02\xe0\x80"), How.GARBAGE, 7),
    ],
)
def test_how_it_ended(talk: Talk, how: How, received: int) -> None:
    fact, _ = ask(talk)
    assert (fact.answer, fact.selected) == (Answer.NONE, None)
    ending = fact.ending
    assert ending is not None
    assert (ending.step, ending.how, ending.received) == (Step.X224, how, received)
    assert bool(ending.detail) is (how is How.GARBAGE)
    assert len(ending.sample) == 2 * received


@pytest.mark.parametrize(
    ("talk", "how"),
    [
        (says(b"", Peer.silence), How.SILENCE),
        (says(b"\x03\x00\xff\xff" + NLA[4:], Peer.silence), How.INCOMPLETE),
        (trickles(b"\x03\x00\xff\xff" + bytes(100)), How.INCOMPLETE),
    ],
)
def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch, talk: Talk, how: How) -> None:
    hurry(monkeypatch, 0.1)
    ending = ask(talk)[0].ending
    assert ending is not None
    assert ending.how is how
    assert ending.after_ms >= 1000 * x224_step.WAIT - 1


def test_a_flood_is_not_swallowed() -> None:
    fact, _ = ask(floods(b"\x03\x00\xff\xff" + bytes(0xFFFF - 4)))
    assert fact.ending is not None
    assert fact.ending.how is How.GARBAGE
    assert fact.ending.received <= MOST_BYTES
    assert len(fact.ending.sample) == 128


# --- the request


def test_the_cookie_names_nobody() -> None:
    _, server = ask(says(NLA))
    (peer,) = server.peers
    assert peer.received.count(b"\r\n") == 1
    assert b"\x00Cookie: mstshash=checkup\r\n\x01" in peer.received


def test_the_offer_is_that_of_mstsc_without_rdsaad() -> None:
    _, server = ask(says(NLA))
    assert server.peers[0].received.endswith(bytes((1, 0, 8, 0, 0x0B, 0, 0, 0)))
    fact, server = ask(says(NLA), offer=Protocol.SSL)
    assert server.peers[0].received.endswith(bytes((1, 0, 8, 0, 1, 0, 0, 0)))
    assert fact.asked == 1


@pytest.mark.parametrize("talk", [says(NLA), says(b""), says(b"\x03\x00\x00\x05")])
def test_the_correlation_id_is_sent_and_remembered(talk: Talk) -> None:
    number = x224.new_correlation_id()
    fact, server = ask(talk, correlation=number)
    assert fact.correlation == number.hex()
    assert server.peers[0].received == x224.connection_request(OFFER, correlation_id=number)
    fact, server = ask(talk)
    assert fact.correlation is None
    assert server.peers[0].received == x224.connection_request(OFFER)


def test_a_routing_token_takes_the_place_of_the_cookie() -> None:
    _, server = ask(says(NLA), routing_token=b"tsv://MS Terminal Services Plugin.1.Farm")
    assert b"mstshash" not in server.peers[0].received
    assert b"\x00tsv://MS Terminal Services Plugin.1.Farm\r\n\x01\x00\x08\x00" in server.peers[0].received


def test_what_follows_the_answer_is_left_for_the_next_step() -> None:
    """A real xrdp with a key that does not fit says goodbye right behind its confirm: that is heard in TLS, in plaintext."""
    goodbye = bytes.fromhex("03000009 02f080 2180")

    async def go() -> bytes:
        async with listening(says(NLA + goodbye)) as server, connected(server.port) as connection:
            await negotiate(connection)
            return await connection.receive(until=asyncio.get_running_loop().time() + 1)

    assert run(go()) == goodbye
