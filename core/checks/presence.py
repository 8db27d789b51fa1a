"""Nobody answered at the port: is anyone at that address at all?

Signs of life are looked for without touching another port: ICMP echo, and what the neighbour table has learnt from
the attempts to connect.
"""

import asyncio
from ipaddress import ip_address
from typing import Final

import msgspec

from core.check import Check, Context, Group, Skip, info, problem, unknown
from core.checks import names, reach
from core.model import Finding
from core.ports import BestRoute, Denied, Echo, EchoOutcome, IpAddress, NeighbourState, Net, Unsupported
from core.probes.dialer import Connect

MOST_ADDRESSES: Final = 4  # of one name
TRIES: Final = 3
ECHO_WAIT: Final = 0.7  # seconds for one try

_NOBODY: Final = (NeighbourState.FAILED, NeighbourState.INCOMPLETE)


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """What was heard of one address.

    Attributes:
        echo: the first try that was answered by anyone, else the last one; None if this PC could send none, and
            `echo_refused` says why.
        gateway: the next hop; None if the address lies on a network of this PC.
        source: this PC's own address on that way: what it reports is no news from outside.
        neighbour: did the next hop, or without one the address itself, answer ARP or Neighbour Discovery?
        unreachable_by: who reported to an attempt to connect that the address cannot be reached.
    """

    address: str
    echo: Echo | None = None
    echo_refused: str | None = None
    interface: str | None = None
    gateway: str | None = None
    source: str | None = None
    neighbour: NeighbourState = NeighbourState.NONE
    unreachable_by: str | None = None


class PresenceFact(msgspec.Struct, frozen=True, kw_only=True):
    """One sign for each address that a route leads to."""

    host: str
    signs: tuple[Sign, ...]


async def probe(context: Context) -> PresenceFact:
    reached = context.fact(reach.CHECK)
    if reached is not None and reached.answered:
        raise Skip("answered-already")
    resolved = context.fact(names.CHECK)
    net = context.machine.net
    ways = [
        await net.best_route(ip_address(address))
        for address in (resolved.addresses[:MOST_ADDRESSES] if resolved else ())
    ]
    ways = [way for way in ways if not way.no_route]
    if not ways:
        raise Skip("needs-route", settle="route")
    async with asyncio.TaskGroup() as group:
        echoes = [group.create_task(_echo(net, way.address), name=f"echo {way.address}") for way in ways]
    reports = _reports(reached)
    signs: list[Sign] = []
    for way, echo in zip(ways, echoes, strict=True):
        # Read last: the attempts to connect and the echoes made the system look for its neighbour.
        neighbour = await net.neighbour(way.gateway or way.address)
        signs.append(_sign(way, echo.result(), neighbour.state, reports.get(str(way.address))))
    return PresenceFact(host=context.host, signs=tuple(signs))


def _reports(reached: reach.ReachFact | None) -> dict[str, str]:
    """Senders of "host unreachable" by address, from the attempts to connect."""
    attempts = reached.attempts if reached else ()
    return {
        a.address: a.icmp.sender for a in attempts if a.outcome is Connect.UNREACHABLE and a.icmp is not None
    }


async def _echo(net: Net, address: IpAddress) -> Echo | str:
    """The first try that anyone answers, else the last; or why this PC may not try."""
    try:
        for _ in range(TRIES):
            echo = await net.echo(address, timeout=ECHO_WAIT)
            if echo.outcome is not EchoOutcome.SILENT:
                break
    except (Denied, Unsupported) as refusal:
        return str(refusal)
    return echo


def _sign(way: BestRoute, echo: Echo | str, neighbour: NeighbourState, unreachable_by: str | None) -> Sign:
    return Sign(
        address=str(way.address),
        echo=echo if isinstance(echo, Echo) else None,
        echo_refused=echo if isinstance(echo, str) else None,
        interface=way.interface,
        gateway=None if way.gateway is None else str(way.gateway),
        source=None if way.source is None else str(way.source),
        neighbour=neighbour,
        unreachable_by=unreachable_by,
    )


def judge(fact: PresenceFact) -> tuple[Finding, ...]:
    for sign in fact.signs:
        alive = _alive(sign)
        if alive is not None:
            return (alive,)
    # One address that keeps its secret keeps it for all: the host may be there.
    gone = [_gone(sign) for sign in fact.signs]
    if gone[0] is not None and all(gone):
        return (gone[0],)
    heard = any(sign.echo is not None for sign in fact.signs)
    reason = "echo-often-blocked" if heard else "echo-not-possible"
    return (unknown("presence.no-sign", reason=reason, settle="ask-someone-there", host=fact.host),)


def _alive(sign: Sign) -> Finding | None:
    echo = sign.echo
    # An ICMP error from the host itself is as good as a reply.
    if echo is not None and (echo.outcome is EchoOutcome.REPLY or echo.sender == sign.address != sign.source):
        return info("presence.alive", sign="echo", address=sign.address, ms=round(echo.took_ms, 1))
    if sign.gateway is None and sign.neighbour is NeighbourState.REACHABLE:
        return info("presence.alive", sign="neighbour", address=sign.address, ms=None)
    return None


def _gone(sign: Sign) -> Finding | None:
    if sign.neighbour in _NOBODY:
        if sign.gateway is None:
            return problem("presence.absent", address=sign.address, interface=sign.interface)
        return problem("presence.router-silent", gateway=sign.gateway, interface=sign.interface)
    senders = [sign.unreachable_by]
    if sign.echo is not None and sign.echo.outcome is EchoOutcome.UNREACHABLE:
        senders.append(sign.echo.sender)
    sender = next((sender for sender in senders if sender not in (None, sign.address, sign.source)), None)
    return (
        None if sender is None else info("presence.unreachable-reported", sender=sender, address=sign.address)
    )


CHECK = Check(
    id="presence",
    group=Group.REMOTE,
    probe=probe,
    judge=judge,
    needs=("names",),
    reads=("reach",),
    deadline=TRIES * ECHO_WAIT + 3,
)
