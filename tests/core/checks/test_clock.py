from datetime import UTC, datetime, timedelta

import pytest

from core.checks.clock import RELEASED, ClockFact, judge
from core.model import State

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
