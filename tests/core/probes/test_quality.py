import asyncio
import contextlib
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.demo.faults import FAULTS
from core.demo.server import ScriptedServer
from core.ports import Echo, EchoOutcome, TcpInfo
from core.probes import quality
from core.probes.quality import CONNECTS, ECHOES, Sample, connects, echoes, summary
from tests.support.fakes import FakeMachine, FakeNet
from tests.support.loopback import Peer, context, listening, run

HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "_CONNECT_EVERY", 0.001)
    monkeypatch.setattr(quality, "_ECHO_EVERY", 0.001)


# --- numbers


@pytest.mark.parametrize(
    ("times", "sample"),
    [
        ([], Sample(sent=10, lost=3)),
        ([7.0], Sample(sent=10, lost=3, median=7.0, lowest=7.0, highest=7.0, jitter=0.0)),
        ([1.0, 3.0, 2.0], Sample(sent=10, lost=3, median=2.0, lowest=1.0, highest=3.0, jitter=1.5)),
        ([5.0, 5.0, 5.0, 9.0], Sample(sent=10, lost=3, median=5.0, lowest=5.0, highest=9.0, jitter=1.33)),
    ],
)
def test_summary(times: list[float], sample: Sample) -> None:
    assert summary(times, 10, 3) == sample


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=40))
def test_the_median_lies_between_the_ends(times: list[float]) -> None:
    found = summary(times, len(times), 0)
    assert found.lowest is not None
    assert found.median is not None
    assert found.highest is not None
    assert found.jitter is not None
    assert found.lowest <= found.median <= found.highest
    assert 0 <= found.jitter <= found.highest


# --- connects


def measure(net: FakeNet | None = None, *, host: str = HERE, per_run: int = 39) -> tuple[Sample, int]:
    async def go() -> tuple[Sample, int]:
        machine = FakeMachine(net=net or FakeNet())
        async with (
            listening(Peer.silence, host=host) as server,
            context(server.port, host=host, machine=machine, per_run=per_run) as asking,
        ):
            found = await connects(asking, host, server.port)
            for _ in range(found.sent):
                assert (await server.ended.get()).received == b""
            return found, len(server.peers)

    return run(go())


@pytest.mark.parametrize("host", [HERE, "::1"])
def test_a_steady_way(host: str) -> None:
    found, came = measure(host=host)
    assert (found.sent, found.lost, came) == (CONNECTS, 0, CONNECTS)
    assert found.median is not None
    assert 0 < found.median < 1000


def test_a_second_syn_is_a_loss() -> None:
    found, _ = measure(FakeNet(tcp=TcpInfo(rtt_ms=0.2, syn_retransmits=1)))
    assert (found.sent, found.lost, found.median) == (CONNECTS, CONNECTS, None)


def test_a_kernel_that_tells_nothing_is_no_loss() -> None:
    found, _ = measure(FakeNet(tcp=None))
    assert (found.sent, found.lost) == (CONNECTS, 0)


@pytest.mark.parametrize("left", [0, 4])
def test_it_stops_where_the_run_has_no_connections_left(left: int) -> None:
    found, came = measure(per_run=left)
    assert (found.sent, found.lost, came) == (left, 0, left)


def test_a_refusal_is_an_answer_and_no_loss() -> None:
    async def go() -> Sample:
        async with ScriptedServer(FAULTS["port-closed"]) as server, context(server.port) as asking:
            return await connects(asking, HERE, server.port)

    assert run(go()) == Sample(sent=0, lost=0)


@pytest.mark.skipif(sys.platform == "win32", reason="a full queue refuses there")
def test_silence_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "_CONNECT_WAIT", 0.02)

    async def go() -> Sample:
        with socket.socket() as listener, contextlib.ExitStack() as stack:
            listener.bind((HERE, 0))
            listener.listen(0)
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, listener.getsockname())
            port = listener.getsockname()[1]
            async with context(port) as asking:
                return await connects(asking, HERE, port)

    assert run(go()) == Sample(sent=CONNECTS, lost=CONNECTS)


# --- echoes


def ping(net: FakeNet) -> Sample | None:
    async def go() -> Sample | None:
        async with context(3389, machine=FakeMachine(net=net)) as asking:
            return await echoes(asking, "192.0.2.5")

    return run(go())


def reply(outcome: EchoOutcome = EchoOutcome.REPLY) -> FakeNet:
    return FakeNet(echoes={"192.0.2.5": Echo(outcome=outcome, took_ms=12.0)})


def test_echoes_that_are_answered() -> None:
    assert ping(reply()) == Sample(sent=ECHOES, lost=0, median=12.0, lowest=12.0, highest=12.0, jitter=0.0)


@pytest.mark.parametrize(
    "net",
    [
        reply(EchoOutcome.SILENT),
        reply(EchoOutcome.PROHIBITED),
        FakeNet(denied=["echo"]),
        FakeNet(unsupported=["echo"]),
    ],
)
def test_without_a_first_answer_nothing_is_said(net: FakeNet) -> None:
    assert ping(net) is None


class FadingNet(FakeNet):
    """Answers the first pings only."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self._answers = answers

    async def echo(self, *_: object, **__: object) -> Echo:
        self._answers -= 1
        outcome = EchoOutcome.REPLY if self._answers >= 0 else EchoOutcome.SILENT
        return Echo(outcome=outcome, took_ms=5.0)


def test_echoes_that_are_lost() -> None:
    found = ping(FadingNet(answers=6))
    assert found is not None
    assert (found.sent, found.lost, found.median) == (ECHOES, ECHOES - 6, 5.0)
