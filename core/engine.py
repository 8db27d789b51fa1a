"""Runs checks: order by need, a deadline each, one retry before red, events. A crash is a result.

Cancelling the task that awaits `run_checks` unwinds every check and every connection first; `RunDone` is the
last event in any case.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import msgspec
from msgspec.structs import replace

from core.check import Check, Context, Shared, Skip
from core.model import (
    CheckDone,
    CheckStarted,
    Event,
    Finding,
    Measured,
    NotMeasured,
    Ok,
    Row,
    RunDone,
    State,
    Target,
    Why,
)
from core.ports import Denied, Machine, Unsupported
from core.probes.dialer import BudgetSpent, Dialer

HARD_STOP = 30.0  # seconds, whatever happens: the promise on the first screen

Emit = Callable[[Event], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, in the fixed order of the panel. Raises ValueError for unknown or circular needs."""

    checks: tuple[Check[Any], ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for check in self.checks:
            if check.id in seen:
                raise ValueError(f"two checks are called {check.id}")
            if missing := set(check.parents) - seen:
                raise ValueError(
                    f"{check.id} needs {', '.join(sorted(missing))}, which no earlier check is called"
                )
            seen.add(check.id)


async def run_checks(
    plan: Plan,
    machine: Machine,
    target: Target,
    emit: Emit,
    *,
    dialer: Dialer,
    time_limit: float = HARD_STOP,
) -> tuple[Row, ...]:
    """Run the plan and return its rows in the order of the plan.

    Args:
        emit: gets every event, on the loop's thread; RunDone comes last and exactly once.
        time_limit: seconds for everything; checks that are unfinished then say "not checked: stopped".

    Raises:
        asyncio.CancelledError: when cancelled, after everything has unwound and RunDone was sent.
    """
    started = time.perf_counter()
    rows: dict[str, Row] = {}
    done = {check.id: asyncio.Event() for check in plan.checks}
    cancelled = False

    async def one(check: Check[Any], context: Context) -> None:
        for parent in check.parents:
            await done[parent].wait()
        blocker = next((p for p in check.needs if not _carries(rows[p])), None)
        if blocker is None:
            emit(CheckStarted(check.id))
            row = await _run_one(check, context, started)
        else:
            row = _blocked(check, rows[blocker], started)
        rows[check.id] = row
        done[check.id].set()
        emit(CheckDone(row))

    try:
        async with asyncio.timeout(time_limit), asyncio.TaskGroup() as measurements:
            shared = Shared(measurements)
            context = Context(machine=machine, target=target, dialer=dialer, shared=shared, rows=rows)
            async with asyncio.TaskGroup() as group:
                for check in plan.checks:
                    group.create_task(one(check, context), name=check.id)
            shared.end()
    except TimeoutError:
        pass
    except asyncio.CancelledError:
        cancelled = True
        raise
    finally:
        ordered = tuple(rows.get(check.id) or _stopped(check, started) for check in plan.checks)
        for row in ordered:
            if row.check not in rows:
                emit(CheckDone(row))
        emit(RunDone(ordered, cancelled=cancelled, connections=dialer.opened.total()))
    return ordered


def _carries(row: Row) -> bool:
    """Can a check that needs this one still measure something?"""
    return isinstance(row.measured, Ok) and row.state not in (State.PROBLEM, State.SKIPPED, State.UNKNOWN)


async def _run_one(check: Check[Any], context: Context, run_started: float) -> Row:
    began = time.perf_counter()
    tries = 1
    first_try: tuple[str, ...] = ()
    findings, measured = _judge(check, await _measure(check, context))
    if check.retry and any(f.state is State.PROBLEM for f in findings):
        tries = 2
        again, measured_again = _judge(check, await _measure(check, replace(context, attempt=2)))
        # A second try that could not be made proves nothing against the first.
        if isinstance(measured_again, Ok):
            first_try = tuple(f.id for f in findings)
            findings, measured = again, measured_again
            if first_try == tuple(f.id for f in findings):
                first_try = ()
    return Row(
        check=check.id,
        findings=findings,
        measured=measured,
        needs=check.needs,
        tries=tries,
        first_try=first_try,
        started_ms=_ms(began - run_started),
        duration_ms=_ms(time.perf_counter() - began),
    )


async def _measure(check: Check[Any], context: Context) -> Measured[Any]:
    try:
        async with asyncio.timeout(check.deadline) as net:
            return Ok(await check.probe(context))
    except asyncio.CancelledError as stray:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return _bug(stray)  # nobody cancelled this check: what it awaited has ended without a result
    except Exception as error:  # noqa: BLE001 - one broken check must not take the others with it
        if isinstance(error, TimeoutError) and net.expired():
            detail = f"no result within {check.deadline:g} s"
            return NotMeasured(why=Why.TIMEOUT, detail=detail, reason="timeout")
        return _not_measured(error)


def _not_measured(error: BaseException) -> NotMeasured:
    """What a probe raised, as a reason."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case BudgetSpent():
            return NotMeasured(why=Why.NOT_NEEDED, reason="connections-spent", settle="check-again")
        case Skip():
            return NotMeasured(why=Why.NOT_NEEDED, reason=error.reason, settle=error.settle)
        case Denied():
            return NotMeasured(why=Why.DENIED, detail=str(error), reason="denied", settle="run-as-admin")
        case Unsupported():
            return NotMeasured(why=Why.UNSUPPORTED, detail=str(error), reason="unsupported")
        case TimeoutError():
            return NotMeasured(why=Why.TIMEOUT, detail=_place(error), reason="timeout")
        case _:
            return _bug(error)


def _bug(crash: BaseException) -> NotMeasured:
    return NotMeasured(why=Why.BUG, detail=_place(crash), reason="bug", settle="send-report")


def _judge(check: Check[Any], measured: Measured[Any]) -> tuple[tuple[Finding, ...], Measured[Any]]:
    """The findings, and the measurement as it counts from here on: a fact that breaks its judge counts for nobody."""
    if isinstance(measured, Ok):
        try:
            findings = check.judge(measured.fact)
        except Exception as crash:  # noqa: BLE001 - as above
            measured = _bug(crash)
        else:
            if findings:
                return findings, measured
            measured = NotMeasured(why=Why.BUG, detail="the judge found nothing to say", reason="bug")
    skipped = measured.why in (Why.NOT_NEEDED, Why.UNSUPPORTED, Why.BLOCKED, Why.STOPPED)
    finding = Finding(
        id=f"{check.id}.not-checked" if skipped else f"{check.id}.unknown",
        state=State.SKIPPED if skipped else State.UNKNOWN,
        reason=measured.reason,
        settle=measured.settle,
    )
    return (finding,), measured


def _blocked(check: Check[Any], parent: Row, run_started: float) -> Row:
    """The row of a check that cannot run. It points at the check where the chain broke, not at its neighbour."""
    root = parent.check
    if isinstance(parent.measured, NotMeasured) and parent.measured.why is Why.BLOCKED:
        root = parent.measured.settle or root
    elif isinstance(parent.measured, NotMeasured) and parent.measured.why is Why.NOT_NEEDED:
        # What made the parent pointless makes the child pointless too, in the same words.
        measured = parent.measured
        return _unmeasured(check, measured, run_started)
    return _unmeasured(check, NotMeasured(why=Why.BLOCKED, reason=f"needs-{root}", settle=root), run_started)


def _stopped(check: Check[Any], run_started: float) -> Row:
    return _unmeasured(
        check, NotMeasured(why=Why.STOPPED, reason="stopped", settle="check-again"), run_started
    )


def _unmeasured(check: Check[Any], measured: NotMeasured, run_started: float) -> Row:
    return Row(
        check=check.id,
        findings=_judge(check, measured)[0],
        measured=measured,
        needs=check.needs,
        tries=0,
        started_ms=_ms(time.perf_counter() - run_started),
    )


def _place(crash: BaseException) -> str:
    """Where a check broke, for the report: type and innermost place, never the message, which may hold anything."""
    trace: TracebackType | None = crash.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(crash).__name__
    name = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{type(crash).__name__} at {name}:{trace.tb_lineno}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def select(checks: Sequence[Check[Any]], only: frozenset[str] | None) -> Plan:
    """The plan for some of the checks: those named and everything they need. None means all.

    Raises:
        KeyError: for an id that no check has.
    """
    by_id: Mapping[str, Check[Any]] = {check.id: check for check in checks}
    if only is None:
        return Plan(checks=tuple(checks))
    wanted: set[str] = set()
    queue = list(only)
    while queue:
        check = by_id[queue.pop()]
        if check.id not in wanted:
            wanted.add(check.id)
            queue.extend(check.needs + check.reads)
    chosen = tuple(c for c in checks if c.id in wanted)
    return Plan(checks=tuple(replace(c, after=tuple(a for a in c.after if a in wanted)) for c in chosen))
