"""Runs a few checks against a machine and a target, as the engine runs all of them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from core.check import Check
from core.engine import Plan, run_checks
from core.model import Gateway, NotMeasured, Ok, Row, Target
from core.ports import Machine
from core.probes.dialer import Dialer


async def run(
    machine: Machine,
    checks: Sequence[Check[Any]],
    host: str | None,
    *,
    port: int = 3389,
    gateway: Gateway | None = None,
) -> dict[str, Row]:
    """The rows by id. Checks that are not in the list are no longer waited for, nor needed."""
    chosen = {check.id for check in checks}
    plan = Plan(
        checks=tuple(
            replace(
                check,
                needs=tuple(parent for parent in check.needs if parent in chosen),
                reads=tuple(parent for parent in check.reads if parent in chosen),
                after=tuple(parent for parent in check.after if parent in chosen),
            )
            for check in checks
        )
    )
    target = Target(typed=host or "", host=host, port=port, gateway=gateway)
    rows = await run_checks(plan, machine, target, lambda _: None, dialer=Dialer(machine.net))
    return {row.check: row for row in rows}


def run_one(
    machine: Machine, *checks: Check[Any], host: str | None, gateway: Gateway | None = None, port: int = 3389
) -> Row:
    """The row of the last of the checks."""
    return asyncio.run(run(machine, checks, host, port=port, gateway=gateway))[checks[-1].id]


def fact(row: Row) -> Any:
    """What was measured; anything else fails the test."""
    assert isinstance(row.measured, Ok), row
    return row.measured.fact


def reason(row: Row) -> str | None:
    """Why there is no measurement."""
    assert isinstance(row.measured, NotMeasured), row
    return row.measured.reason
