"""Nobody answered at the port: is anyone at that address at all?

Signs of life are looked for without touching another port: ICMP echo, and what the neighbour table has learnt from
the attempts to connect.
"""

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from core.check import Check, Context, Group, Skip, info, problem, unknown
from core.checks import names, reach
from core.model import Finding
from core.ports import Denied, Echo, EchoOutcome, NeighbourState, Net, Unsupported
from core.probes.dialer import Connect

MOST_ADDRESSES: Final = 4  # of one name
TRIES: Final = 3
ECHO_WAIT: Final = 0.7  # seconds for one try

_NOBODY: Final = (NeighbourState.FAILED, NeighbourState.INCOMPLETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What was heard of one address.

    Attributes:
        echo: the first try that was answered by anyone, else the last one; None where no echo could be sent.
        gateway: the next hop; None if the address lies on a network of this PC.
        source: this PC's own address on that way: what it reports is no news from outside.
        neighbour: did the next hop, or without one the address itself, answer ARP or Neighbour Discovery?
        unreachable_by: who reported to an attempt to connect that the address cannot be reached.
    """

    address: str
    echo: Echo | None = None
    interface: str | None = None
    gateway: str | None = None
    source: str | None = None
    neighbour: NeighbourState = NeighbourState.NONE
    unreachable_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceFact:
    """One sign for each address that a route leads to. `echo_refused`: why no echo could be sent, if so."""

    host: str
    signs: tuple[Sign, ...]
    echo_refused: str | None = None


async def probe(context: Context) -> PresenceFact:
    reached = context.fact(reach.CHECK)
    if reached is not None and reached.answered:
        raise Skip("answered-already")
    resolved = context.fact(names.CHECK)
    addresses = resolved.addresses[:MOST_ADDRESSES] if resolved else ()
    reports = _reports(reached)
    refusals: list[str] = []
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                _look(context.machine.net, address, reports.get(address), refusals), name=f"look {address}"
            )
            for address in addresses
        ]
    signs = tuple(sign for task in tasks if (sign := task.result()) is not None)
    if not signs:
        raise Skip("needs-route", settle="route")
    return PresenceFact(host=context.host, signs=signs, echo_refused=next(iter(refusals), None))


def _reports(reached: reach.ReachFact | None) -> dict[str, str]:
    """Senders of "host unreachable" by address, from the attempts to connect."""
    attempts = reached.attempts if reached else ()
    return {
        a.address: a.icmp.sender for a in attempts if a.outcome is Connect.UNREACHABLE and a.icmp is not None
    }


async def _look(net: Net, text: str, unreachable_by: str | None, refusals: list[str]) -> Sign | None:
    address = ip_address(text)
    way = await net.best_route(address)
    if way.no_route:
        return None
    echo: Echo | None = None
    try:
        for _ in range(TRIES):
            echo = await net.echo(address, timeout=ECHO_WAIT)
            if echo.outcome is not EchoOutcome.SILENT:
                break
    except (Denied, Unsupported) as refusal:
        refusals.append(str(refusal))
    # Read last: the attempts to connect and the echoes made the system look for its neighbour.
    neighbour = await net.neighbour(way.gateway or address)
    return Sign(
        address=text,
        echo=echo,
        interface=way.interface,
        gateway=None if way.gateway is None else str(way.gateway),
        source=None if way.source is None else str(way.source),
        neighbour=neighbour.state,
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
    if fact.echo_refused is not None:
        return (
            unknown(
                "presence.no-sign", reason="echo-not-possible", settle="ask-someone-there", host=fact.host
            ),
        )
    return (
        unknown("presence.no-sign", reason="echo-often-blocked", settle="ask-someone-there", host=fact.host),
    )


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
    after=("reach",),
    deadline=TRIES * ECHO_WAIT + 3,
)
