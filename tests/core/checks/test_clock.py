from datetime import UTC, datetime, timedelta

import pytest

from core.checks.clock import CHECK, RELEASED, ClockFact, judge
from core.model import State
from tests.support.fakes import FakeClock, FakeMachine
from tests.support.running import fact, run_one

NOW = (RELEASED + timedelta(days=30)).isoformat()
OLD = (RELEASED - timedelta(seconds=1)).isoformat()


@pytest.mark.parametrize(
    ("now", "synchronised", "finding", "state"),
    [
        (NOW, True, "clock.ok", State.OK),
        (NOW, False, "clock.not-synchronised", State.WARN),
        (NOW, None, "clock.unknown", State.UNKNOWN),
        (OLD, True, "clock.before-release", State.PROBLEM),
        (OLD, None, "clock.before-release", State.PROBLEM),
        ("1601-01-01T00:00:00+00:00", False, "clock.before-release", State.PROBLEM),
        (RELEASED.isoformat(), True, "clock.ok", State.OK),
    ],
)
def test_judge(now: str, synchronised: bool | None, finding: str, state: State) -> None:
    (found,) = judge(ClockFact(now=now, synchronised=synchronised))
    assert (found.id, found.state, found.args["now"]) == (finding, state, now)
    assert (found.reason is not None) is (state is State.UNKNOWN)


def test_release_date_is_past() -> None:
    """A date in the future would call every clock wrong."""
    assert datetime.now(UTC) > RELEASED


def test_probe() -> None:
    machine = FakeMachine(clock=FakeClock(RELEASED, synchronised=False, estimated_error_ms=7.5))
    row = run_one(machine, CHECK, host=None)
    assert [finding.id for finding in row.findings] == ["clock.not-synchronised"]
    assert fact(row) == ClockFact(now="2026-11-01T00:00:00+00:00", synchronised=False, estimated_error_ms=7.5)


def test_a_system_that_does_not_tell() -> None:
    row = run_one(FakeMachine(clock=FakeClock(unsupported=["state"])), CHECK, host=None)
    assert (row.state, row.findings[0].reason) == (State.SKIPPED, "unsupported")
