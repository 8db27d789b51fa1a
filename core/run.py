"""One run from the target to the verdict: the door through which command line, window and report come in."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from core import derive as derived
from core import knowledge
from core.check import Check, Group
from core.checks import ALL, names
from core.diagnose import diagnose
from core.engine import HARD_STOP, Emit, run_checks, select
from core.model import Finding, Ok, Row, Run, Target
from core.ports import Machine
from core.probes.dialer import Dialer
from core.wire.error_text import PastedError


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `only` names checks; what they need runs with them."""

    only: frozenset[str] | None = None
    local_only: bool = False
    time_limit: float = HARD_STOP


def chosen(options: Options, target: Target) -> tuple[Check[Any], ...]:
    """The checks of a run. Without a host only this PC can be looked at.

    Raises:
        KeyError: `only` names a check that does not exist.
    """
    plan = select(ALL, options.only)
    if options.local_only or target.host is None:
        return tuple(c for c in plan.checks if c.group is Group.LOCAL)
    return plan.checks


async def check(
    machine: Machine,
    target: Target,
    emit: Emit,
    *,
    error: PastedError | None = None,
    options: Options | None = None,
) -> Run:
    """Measure and conclude. Events go to `emit` as they happen, the last one before this returns.

    Raises:
        KeyError: `options.only` names a check that does not exist.
        asyncio.CancelledError: when cancelled, after everything has unwound.
    """
    options = options or Options()
    started_at = machine.clock.now()
    started = time.perf_counter()
    checks = chosen(options, target)
    dialer = Dialer(machine.net)
    rows = await run_checks(
        select(checks, None),
        machine,
        target,
        emit,
        dialer=dialer,
        time_limit=options.time_limit,
    )
    return conclude(
        rows,
        target,
        error,
        run_id=new_id(),
        started=started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        duration_ms=round((time.perf_counter() - started) * 1000),
        connections=dialer.opened.total(),
    )


def conclude(
    rows: Sequence[Row],
    target: Target,
    error: PastedError | None,
    *,
    run_id: str,
    started: str,
    duration_ms: int,
    connections: int,
    cancelled: bool = False,
) -> Run:
    """From rows to a Run with its verdict. Pure; a cancelled run is concluded from what it has."""
    by_check = {row.check: row for row in rows}
    more = derived.derive(by_check, error)
    rows = tuple(_with(row, more) for row in rows)
    steering = tuple(f for f in more if f.check not in by_check)
    findings = tuple(f for row in rows for f in row.findings) + steering
    return Run(
        id=run_id,
        started=started,
        duration_ms=duration_ms,
        target=target,
        addresses=_addresses(by_check.get(names.CHECK.id)),
        error=error,
        rows=rows,
        steering=steering,
        verdict=diagnose(findings, knowledge.causes(), target),
        connections=connections,
        cancelled=cancelled,
    )


def _with(row: Row, derived: Sequence[Finding]) -> Row:
    own = tuple(f for f in derived if f.check == row.check)
    return replace(row, findings=row.findings + own) if own else row


def _addresses(row: Row | None) -> tuple[str, ...]:
    return row.measured.fact.addresses if row is not None and isinstance(row.measured, Ok) else ()


def new_id() -> str:
    """A name for a run that can be read out on the phone: `7F3A-21`. Random, tied to nobody."""
    text = secrets.token_hex(3).upper()
    return f"{text[:4]}-{text[4:]}"
