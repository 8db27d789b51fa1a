"""Is this PC's clock right? A wrong one makes good certificates look bad, and Kerberos refuse the log-on."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from core.check import Check, Context, Group, ok, problem, unknown, warn
from core.model import Finding

# The day on which this release was made, set with every release: no clock that is right shows a time before it.
RELEASED: Final = datetime(2026, 11, 1, tzinfo=UTC)


class ClockFact(msgspec.Struct, frozen=True, kw_only=True):
    """The wall clock in ISO 8601, and what the system says of it."""

    now: str
    synchronised: bool | None
    estimated_error_ms: float | None = None
    detail: str = ""


async def probe(context: Context) -> ClockFact:
    clock = context.machine.clock
    state = clock.state()
    return ClockFact(
        now=clock.now().isoformat(timespec="seconds"),
        synchronised=state.synchronised,
        estimated_error_ms=state.estimated_error_ms,
        detail=state.detail,
    )


def judge(fact: ClockFact) -> tuple[Finding, ...]:
    if datetime.fromisoformat(fact.now) < RELEASED:
        return (problem("clock.before-release", now=fact.now, released=RELEASED.date().isoformat()),)
    if fact.synchronised is None:
        return (unknown("clock.unknown", reason="clock-sync-unknown", settle="compare-clock", now=fact.now),)
    if not fact.synchronised:
        return (warn("clock.not-synchronised", now=fact.now),)
    return (ok("clock.ok", now=fact.now),)


CHECK = Check(id="clock", group=Group.LOCAL, probe=probe, judge=judge, deadline=3.0, retry=False)
