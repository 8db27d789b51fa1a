import pytest

from core.checks import names, reach
from core.checks.quality import CHECK, QualityFact, judge
from core.model import Arg, Row, State
from core.ports import Echo, EchoOutcome
from core.probes import quality
from core.probes.quality import CONNECTS, ECHOES, Sample
from tests.support import running
from tests.support.fakes import FakeMachine, FakeNet
from tests.support.loopback import Peer, listening, run
from tests.support.running import fact


def sample(sent: int, lost: int = 0, median: float | None = 20.0, jitter: float | None = 1.0) -> Sample:
    return Sample(sent=sent, lost=lost, median=median, lowest=median, highest=median, jitter=jitter)


NONE = Sample(sent=10, lost=10)
TEN, TWENTY = sample(10), sample(20, median=18.0)


@pytest.mark.parametrize(
    ("connects", "echoes", "finding", "args"),
    [
        (TEN, None, "quality.ok", {"ms": 20.0, "jitter": 1.0, "lost": 0, "sent": 10}),
        (TEN, TWENTY, "quality.ok", {"ms": 20.0, "jitter": 1.0, "lost": 0, "sent": 30}),
        # Three of thirty are chance.
        (sample(10, 3), TWENTY, "quality.ok", {"ms": 20.0, "jitter": 1.0, "lost": 3, "sent": 30}),
        (
            sample(10, 2),
            sample(20, 2),
            "quality.lossy",
            {"ms": 20.0, "jitter": 1.0, "lost": 4, "sent": 30, "percent": 13},
        ),
        (NONE, None, "quality.lossy", {"ms": None, "jitter": None, "lost": 10, "sent": 10, "percent": 100}),
        (
            NONE,
            sample(20, 0),
            "quality.lossy",
            {"ms": 20.0, "jitter": 1.0, "lost": 10, "sent": 30, "percent": 33},
        ),
        # Much was sent, and little of it lost.
        (sample(100, 4), None, "quality.ok", {"ms": 20.0, "jitter": 1.0, "lost": 4, "sent": 100}),
        (sample(10, median=299.9), None, "quality.ok", None),
        (
            sample(10, median=300.0),
            None,
            "quality.slow",
            {"ms": 300.0, "jitter": 1.0, "lost": 0, "sent": 10},
        ),
        (sample(10, jitter=99.9), None, "quality.ok", None),
        (
            sample(10, jitter=100.0),
            None,
            "quality.unsteady",
            {"ms": 20.0, "jitter": 100.0, "lost": 0, "sent": 10},
        ),
        (sample(10, median=400.0, jitter=200.0), None, "quality.slow", None),
        (sample(10, 5, median=400.0), None, "quality.lossy", None),
        # Where connects tell nothing, echoes do; where neither does, nobody knows.
        (Sample(), sample(20, median=350.0), "quality.slow", None),
        (Sample(), None, "quality.unknown", {}),
        (Sample(sent=3, lost=3), None, "quality.unknown", {}),
        (Sample(), Sample(sent=3, lost=3), "quality.unknown", {}),
    ],
)
def test_judge(connects: Sample, echoes: Sample | None, finding: str, args: dict[str, Arg] | None) -> None:
    (found,) = judge(QualityFact(connects=connects, echoes=echoes))
    assert found.id == finding
    states = {"quality.ok": State.OK, "quality.unknown": State.UNKNOWN}
    assert found.state is states.get(finding, State.WARN)
    if args is not None:
        assert found.args == args


# --- the probe


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "_CONNECT_EVERY", 0.001)
    monkeypatch.setattr(quality, "_ECHO_EVERY", 0.001)


def check(net: FakeNet) -> tuple[Row, int]:
    async def go() -> tuple[Row, int]:
        async with listening(Peer.silence) as server:
            checks = (names.CHECK, reach.CHECK, CHECK)
            rows = await running.run(FakeMachine(net=net), checks, "127.0.0.1", port=server.port)
            for _ in range(CONNECTS + 1):
                await server.ended.get()
            return rows["quality"], len(server.peers)

    return run(go())


def test_both_series() -> None:
    row, connections = check(FakeNet(echoes={"127.0.0.1": Echo(outcome=EchoOutcome.REPLY, took_ms=3.0)}))
    assert [found.id for found in row.findings] == ["quality.ok"]
    assert fact(row).connects.sent == CONNECTS
    assert fact(row).echoes == sample(ECHOES, median=3.0, jitter=0.0)
    # and one of reach
    assert connections == CONNECTS + 1


def test_without_ping() -> None:
    row, _ = check(FakeNet(unsupported=["echo"]))
    assert (row.findings[0].id, fact(row).echoes) == ("quality.ok", None)
