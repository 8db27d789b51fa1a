import contextlib

import pytest
from msgspec.structs import replace

from core.checks import names, negotiate, reach, tls
from core.checks.mtu import CHECK, MtuFact, judge
from core.demo import negotiation
from core.demo.faults import FAULTS, Script, Step, Stop, Then
from core.demo.stream import Gone, Stream
from core.model import Arg, Row, State
from core.ports import Echo, EchoOutcome, TcpInfo
from core.probes.ending import Ending, How
from core.probes.ending import Step as At
from core.probes.tls_versions import Heard, HelloFact
from core.wire.x224 import Protocol
from tests.support import openssl_flights, running
from tests.support.fakes import FakeMachine, FakeNet
from tests.support.loopback import Peer, Talk, hurry, listening, run
from tests.support.running import fact, reason, run_one
from tests.support.scripted import serving


def hello(heard: Heard, *, how: How | None = None, flight: int = 0) -> HelloFact:
    ending = Ending(step=At.TLS, how=how, after_ms=2000.0) if how else None
    return HelloFact(asked=0x303, heard=heard, took_ms=1.0, flight=flight, ending=ending)


RETRY, ALERT = hello(Heard.ANSWERED, flight=99), hello(Heard.ALERT, flight=7)
LOST = hello(Heard.ENDED, how=How.SILENCE)
WHOLE = MtuFact(whole_flight=1400, silent=False, padded=hello(Heard.ANSWERED, flight=1400))
DARK = MtuFact(whole_flight=0, silent=True)


def too_big(mtu: int | None) -> Echo:
    return Echo(outcome=EchoOutcome.TOO_BIG, took_ms=1.0, mtu=mtu)


@pytest.mark.parametrize(
    ("seen", "finding", "args"),
    [
        (WHOLE, "mtu.ok", {"size": 1400}),
        (replace(WHOLE, padded=None), "mtu.ok", {"size": 1400}),
        (replace(WHOLE, padded=hello(Heard.ALERT, flight=7)), "mtu.ok", {"size": 1400}),
        (replace(WHOLE, path_mtu=1500), "mtu.ok", {"size": 1400}),
        (replace(WHOLE, path_mtu=65_536), "mtu.ok", {"size": 1400}),
        (replace(WHOLE, path_mtu=1400), "mtu.ok-small", {"size": 1400, "mtu": 1400}),
        (replace(WHOLE, echo_full=too_big(1280)), "mtu.ok-small", {"size": 1400, "mtu": 1280}),
        (replace(WHOLE, echo_full=too_big(1280), path_mtu=1400), "mtu.ok-small", {"size": 1400, "mtu": 1280}),
        (replace(WHOLE, echo_full=too_big(None)), "mtu.ok", {"size": 1400}),
        # What an echo says is only of use where it says a size.
        (replace(WHOLE, echo_full=Echo(outcome=EchoOutcome.SILENT, took_ms=700.0)), "mtu.ok", {"size": 1400}),
        (replace(WHOLE, padded=LOST), "mtu.black-hole-up", {"size": 2800}),
        # A server that answers a long hello by hanging up has received it.
        (replace(WHOLE, padded=hello(Heard.ENDED, how=How.FIN)), "mtu.ok", {"size": 1400}),
        (replace(WHOLE, padded=hello(Heard.NO_X224)), "mtu.ok", {"size": 1400}),
        (replace(DARK, small=(ALERT, RETRY)), "mtu.black-hole", {"arrived": 99}),
        # A box that lets one kind of small answer through and not the other looks at more than sizes.
        (replace(DARK, small=(ALERT, LOST)), "mtu.small-lost-too", {}),
        (replace(DARK, small=(LOST, RETRY)), "mtu.small-lost-too", {}),
        (replace(DARK, small=(LOST, LOST)), "mtu.small-lost-too", {}),
        (replace(DARK, small=(LOST, hello(Heard.NO_X224))), "mtu.small-lost-too", {}),
        (replace(DARK, small=()), "mtu.small-lost-too", {}),
    ],
)
def test_judge(seen: MtuFact, finding: str, args: dict[str, Arg]) -> None:
    (found,) = judge(seen)
    assert (found.id, found.args) == (finding, args)
    if finding.startswith("mtu.ok"):
        assert found.state is State.OK
    else:
        assert found.state is (State.INFO if finding == "mtu.small-lost-too" else State.PROBLEM)


# --- the probe

CHECKS = (names.CHECK, reach.CHECK, negotiate.CHECK, tls.CHECK, CHECK)


def check(fault: str | Script, net: FakeNet | None = None) -> tuple[Row, list[tuple[Step, ...]]]:
    machine = FakeMachine(net=net or FakeNet())
    with serving(fault) as server:
        row = run_one(machine, *CHECKS, host="127.0.0.1", port=server.port)
    return row, server.connections


def check_at(talk: Talk) -> Row:
    async def go() -> Row:
        async with listening(talk) as server:
            rows = await running.run(FakeMachine(), CHECKS, "127.0.0.1", port=server.port)
            return rows["mtu"]

    return run(go())


def test_a_healthy_way() -> None:
    row, connections = check("healthy")
    assert (row.findings[0].id, row.tries) == ("mtu.ok", 1)
    assert fact(row).padded.heard is Heard.ANSWERED
    assert fact(row).path_mtu == 1500
    # reach, the conversation, four hellos, and one long hello
    assert len(connections) == 7


@pytest.mark.parametrize("question", ["denied", "unsupported"])
def test_a_system_that_cannot_ping_is_no_obstacle(question: str) -> None:
    net = FakeNet(denied=["echo"]) if question == "denied" else FakeNet(unsupported=["echo"])
    row, _ = check("healthy", net)
    assert (row.findings[0].id, fact(row).echo_full) == ("mtu.ok", None)


def test_what_the_kernel_knows_of_the_path() -> None:
    row, _ = check("healthy", FakeNet(tcp=TcpInfo(rtt_ms=1.0, path_mtu=1380)))
    assert row.findings[0].args["mtu"] == 1380


def test_a_server_that_says_nothing_is_asked_for_little(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    row, _ = check(replace(FAULTS["healthy"], stop=Stop(at=Step.HELLO, then=Then.SILENCE)))
    assert (row.findings[0].id, len(fact(row).small)) == ("mtu.small-lost-too", 2)


async def black_hole(peer: Peer) -> None:
    """Whatever the server answers, only what fits into a small packet comes through."""
    await peer.hear()
    await peer.say(negotiation.confirm(Protocol.SSL))
    said = openssl_flights.answer(openssl_flights.server(0x0304), await peer.hear())
    if len(said) < 300:
        await peer.say(said)
    await peer.silence()


def test_small_answers_come_and_large_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    row = check_at(black_hole)
    (found,) = row.findings
    assert (found.id, found.state, row.tries) == ("mtu.black-hole", State.PROBLEM, 2)
    assert 7 <= int(found.args["arrived"] or 0) < 300


async def black_hole_up(peer: Peer) -> None:
    """Whoever says more than fits into a small packet is not heard."""
    await peer.hear()
    await peer.say(negotiation.confirm(Protocol.SSL))
    hello = await peer.hear()
    if len(hello) < 1500:
        with contextlib.suppress(Gone):
            await Stream(peer.sock).secure(openssl_flights.server(), hello)
    await peer.silence()


def test_long_questions_do_not_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, 0.3)
    (found,) = check_at(black_hole_up).findings
    assert (found.id, found.state) == ("mtu.black-hole-up", State.PROBLEM)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("server-key-unusable", "tls-failed-otherwise"),
        ("tls-version-mismatch-alert", "tls-failed-otherwise"),
        ("server-security-layer-old", "needs-negotiate"),
    ],
)
def test_where_tls_failed_otherwise_size_is_not_the_reason(fault: str, why: str) -> None:
    row, _ = check(fault)
    assert (row.findings[0].state, reason(row)) == (State.SKIPPED, why)
