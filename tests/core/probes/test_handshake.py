import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from core.demo import negotiation
from core.demo.faults import FAULTS, Script, Step
from core.demo.server import ScriptedServer
from core.probes import handshake, session_step
from core.probes.credssp_step import NlaFact
from core.probes.dialer import Attempt, BudgetSpent, Connect
from core.probes.handshake import Handshake
from core.probes.session_step import Reached, SessionFact
from core.probes.tls_step import TlsFact
from core.probes.x224_step import Answer, NegotiationFact
from core.wire import rdp_file, x224
from core.wire.rdp_file import RdpFile
from core.wire.x224 import Protocol
from tests.support.loopback import Peer, context, listening, run, says

NLA_STEPS = (Step.ACCEPTED, Step.REQUEST, Step.HELLO, Step.SECURED, Step.TOKEN)

Stages = tuple[NegotiationFact | Attempt, TlsFact | None, NlaFact | None, SessionFact | None]


async def stages(talk: Handshake) -> Stages:
    return (
        await asyncio.shield(talk.negotiation),
        await asyncio.shield(talk.tls),
        await asyncio.shield(talk.nla),
        await asyncio.shield(talk.session),
    )


def hold(script: Script, host: str = "127.0.0.1") -> tuple[Stages, Sequence[tuple[Step, ...]]]:
    """One conversation, asked for by several."""

    async def go() -> tuple[Stages, Sequence[tuple[Step, ...]]]:
        async with ScriptedServer(script, host=host) as server, context(server.port, host=host) as asking:
            first = handshake.of(asking, host)
            assert handshake.of(asking, host) is first
            seen = await stages(first)
        return seen, server.connections

    return run(go())


def negotiated(stages: Stages) -> NegotiationFact:
    assert isinstance(stages[0], NegotiationFact)
    return stages[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_one_connection_goes_all_the_way_with_nla(host: str) -> None:
    seen, connections = hold(FAULTS["healthy"], host)
    _, tls, nla, session = seen
    assert negotiated(seen).selected == Protocol.HYBRID_EX
    assert tls is not None
    assert (tls.ending, tls.version) == (None, "TLSv1.3")
    assert nla is not None
    assert (nla.ending, nla.computer) == (None, "PC-ANNA")
    assert session is None
    assert [steps[: len(NLA_STEPS)] for steps in connections] == [NLA_STEPS]
    assert Step.AUTHENTICATE not in connections[0]


def test_one_connection_goes_all_the_way_without_nla(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_step, "_AFTERWARDS", 0.05)
    seen, (steps,) = hold(FAULTS["healthy-tls"])
    _, tls, nla, session = seen
    assert negotiated(seen).selected == Protocol.SSL
    assert tls is not None
    assert nla is None
    assert session is not None
    assert (session.reached, session.ending) == (Reached.LICENSING, None)
    assert Step.INFO in steps


def test_standard_rdp_security_has_no_tls() -> None:
    seen, (steps,) = hold(FAULTS["server-security-layer-old"])
    _, tls, nla, session = seen
    assert (negotiated(seen).selected, negotiated(seen).negotiates) == (0, False)
    assert (tls, nla) == (None, None)
    assert session is not None
    assert session.encryption_method == 2
    assert Step.CONNECT in steps
    assert Step.JOIN not in steps


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("server-no-certificate", Answer.FAILURE),
        ("not-rdp", Answer.NOT_RDP),
        ("server-hangs-up-early", Answer.NONE),
    ],
)
def test_no_stage_follows_a_refusal(fault: str, answer: Answer) -> None:
    seen, connections = hold(FAULTS[fault])
    assert negotiated(seen).answer is answer
    assert seen[1:] == (None, None, None)
    assert len(connections) == 1


def test_no_stage_follows_a_failed_connect() -> None:
    (attempt, *later), _ = hold(FAULTS["port-closed"])
    assert isinstance(attempt, Attempt)
    assert attempt.outcome is Connect.REFUSED
    assert later == [None, None, None]


def test_no_stage_follows_broken_tls() -> None:
    _, tls, nla, session = hold(FAULTS["server-key-unusable"])[0]
    assert tls is not None
    assert tls.ending is not None
    assert (nla, session) == (None, None)


def test_a_stage_is_told_at_once_and_who_is_cancelled_takes_the_rest_along() -> None:
    talks: list[Handshake] = []

    async def ask(port: int) -> None:
        async with context(port) as asking:
            talks.append(handshake.of(asking, "127.0.0.1"))
            await asyncio.shield(talks[0].nla)

    async def go() -> None:
        async with ScriptedServer(FAULTS["nla-broken-silent"]) as server:
            task = asyncio.get_running_loop().create_task(ask(server.port), name="ask")
            while not talks:
                await asyncio.sleep(0)
            assert await asyncio.shield(talks[0].tls) is not None
            assert not talks[0].nla.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert talks[0].nla.cancelled()
            assert talks[0].session.cancelled()

    run(go())


# --- what is said to the server


def first_words(attempt: int = 1, rdp: RdpFile | None = None) -> tuple[NegotiationFact, bytes]:
    async def go() -> tuple[NegotiationFact, bytes]:
        async with listening(says(b"")) as server:
            async with context(server.port, attempt=attempt, rdp=rdp) as asking:
                fact = await asyncio.shield(handshake.of(asking, "127.0.0.1").negotiation)
            assert isinstance(fact, NegotiationFact)
            return fact, (await server.ended.get()).received

    return run(go())


def test_the_correlation_id_goes_along_on_the_first_try_only() -> None:
    fact, heard = first_words()
    assert fact.correlation is not None
    assert bytes.fromhex(fact.correlation) in heard
    fact, heard = first_words(attempt=2)
    assert fact.correlation is None
    assert heard == x224.connection_request(Protocol.SSL | Protocol.HYBRID | Protocol.HYBRID_EX)


def test_the_name_in_the_cookie_is_nobodys() -> None:
    assert b"Cookie: mstshash=checkup\r\n" in first_words()[1]


def file(*lines: str) -> RdpFile:
    return rdp_file.parse("\r\n".join(lines).encode())


def test_the_routing_token_of_the_file_is_sent() -> None:
    for token in ("tsv://Farm.1.Über", "x" * 202):
        _, heard = first_words(rdp=file(f"loadbalanceinfo:s:{token}"))
        assert f"{token}\r\n".encode() in heard
        assert b"mstshash" not in heard


@pytest.mark.parametrize("token", ["", "x" * 5000, "x" * 203, "ü" * 102, "a\nb"])
def test_a_token_that_no_request_can_carry_is_left_out(token: str) -> None:
    rdp = RdpFile(settings={"loadbalanceinfo": token}, problems=())
    for attempt in (1, 2):
        fact, heard = first_words(attempt, rdp)
        assert fact.answer is Answer.NONE
        assert b"mstshash=checkup" in heard


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("pc-anna", "pc-anna"),
        ("pc-anna.example.", "pc-anna.example"),
        ("10.0.0.5", None),
        ("fe80::1%eth0", None),
        ("::1", None),
    ],
)
def test_the_name_for_tls(host: str, name: str | None) -> None:
    async def go() -> str | None:
        async with context(3389, host=host) as asking:
            return handshake.server_name(asking)

    assert run(go()) == name


# --- second conversations


def pick(name: str) -> Callable[[Handshake], "asyncio.Future[Any]"]:
    return lambda talk: getattr(talk, name)


@pytest.mark.parametrize(
    ("fault", "stage", "reached", "conversations"),
    [
        ("healthy", "tls", True, 1),
        ("healthy", "nla", True, 1),
        ("healthy", "session", False, 2),
        ("server-key-unusable", "tls", True, 1),
        ("server-key-unusable", "nla", False, 2),
        ("server-hangs-up-early", "tls", False, 2),
    ],
)
def test_what_was_not_reached_is_tried_once_more(
    fault: str, stage: str, reached: bool, conversations: int
) -> None:
    async def go() -> None:
        async with ScriptedServer(FAULTS[fault]) as server:
            async with context(server.port) as asking:
                result = await handshake.reached(asking, "127.0.0.1", pick(stage))
                again = await handshake.reached(asking, "127.0.0.1", pick(stage))
            assert (result is not None) is reached
            assert again is result
            assert len(server.connections) == conversations

    run(go())


async def moody(peer: Peer) -> None:
    """Hangs up on everyone who brings a correlation id, as FreeRDP did before November 2022."""
    request = await peer.hear()
    if len(request) < 60:
        await peer.say(negotiation.confirm(Protocol.SSL))
        await peer.hear()
    await peer.finish()


def test_a_server_that_hangs_up_on_the_correlation_id_gets_another_chance() -> None:
    async def go() -> TlsFact | None:
        async with listening(moody) as server, context(server.port) as asking:
            return await handshake.reached(asking, "127.0.0.1", lambda talk: talk.tls)

    assert run(go()) is not None


def test_a_spent_budget_reaches_everyone_who_waits() -> None:
    async def go() -> None:
        async with ScriptedServer(FAULTS["healthy"]) as server, context(server.port, per_run=0) as asking:
            talk = handshake.of(asking, "127.0.0.1")
            for stage in (talk.negotiation, talk.tls, talk.nla, talk.session):
                with pytest.raises(BudgetSpent):
                    await asyncio.shield(stage)
        assert server.connections == []

    run(go())
