"""How steady is the way? Repeated connects, the kernel's own numbers, and echoes where ICMP is to be had."""

import asyncio
import itertools
import statistics
from ipaddress import ip_address

import msgspec

from core.check import Context
from core.ports import Denied, EchoOutcome, Unsupported
from core.probes.dialer import Attempt, BudgetSpent, Connect, Connection

CONNECTS = 10
ECHOES = 20
_CONNECT_EVERY = 0.09  # seconds between two starts
_ECHO_EVERY = 0.045
_CONNECT_WAIT = 1.6  # seconds; a SYN that is sent again after 1 s still counts, as one loss
_ECHO_WAIT = 1.0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A series of round trips. `lost` of `sent` had no answer in time or needed a second SYN. Times in ms."""

    sent: int = 0
    lost: int = 0
    median: float | None = None
    lowest: float | None = None
    highest: float | None = None
    jitter: float | None = None


def summary(times: list[float], sent: int, lost: int) -> Sample:
    """Median, range and jitter (mean difference of neighbours, in the manner of RFC 3550 section 6.4.1)."""
    if not times:
        return Sample(sent=sent, lost=lost)
    steps = [abs(b - a) for a, b in itertools.pairwise(times)]
    return Sample(
        sent=sent,
        lost=lost,
        median=round(statistics.median(times), 2),
        lowest=round(min(times), 2),
        highest=round(max(times), 2),
        jitter=round(statistics.fmean(steps), 2) if steps else 0.0,
    )


async def connects(context: Context, address: str, port: int) -> Sample:
    """Open and close a connection CONNECTS times. Stops early where the run has no connections left."""

    async def one(number: int) -> Attempt | None:
        await asyncio.sleep(number * _CONNECT_EVERY)
        try:
            async with context.dialer.dial(address, port, timeout=_CONNECT_WAIT) as connection:
                return connection.attempt if isinstance(connection, Connection) else connection
        except BudgetSpent:
            return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(n), name=f"connect {n}") for n in range(CONNECTS)]
    # A refusal is an answer: it tells of a guard at the server, and of the way nothing.
    told = (Connect.CONNECTED, Connect.SILENT)
    attempts = [a for t in tasks if (a := t.result()) is not None and a.outcome in told]
    first_time = [
        a.took_ms
        for a in attempts
        if a.outcome is Connect.CONNECTED and not (a.info and a.info.syn_retransmits)
    ]
    return summary(first_time, sent=len(attempts), lost=len(attempts) - len(first_time))


async def echoes(context: Context, address: str) -> Sample | None:
    """ECHOES pings; None where this system or user cannot ping, or nobody answers any."""
    net = context.machine.net

    async def one(number: int) -> float | None:
        await asyncio.sleep(number * _ECHO_EVERY)
        try:
            echo = await net.echo(ip_address(address), timeout=_ECHO_WAIT)
        except (Denied, Unsupported):
            return None
        return echo.took_ms if echo.outcome is EchoOutcome.REPLY else None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(n), name=f"echo {n}") for n in range(ECHOES)]
    times = [t.result() for t in tasks]
    heard = [t for t in times if t is not None]
    # One answer shows that echoes are answered here, and the others were lost; none shows nothing.
    return summary(heard, sent=len(times), lost=len(times) - len(heard)) if heard else None
