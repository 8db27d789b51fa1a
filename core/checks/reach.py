"""Does anyone answer at the port? Every address of the name is tried, as a client would."""

import asyncio

import msgspec

from core.check import Check, Context, Group, Skip, info, ok, problem, warn
from core.checks import names
from core.model import Arg, Finding
from core.probes.dialer import Attempt, Connect, Connection
from core.probes.handshake import TCP_WAIT

MOST_ADDRESSES = 8  # of one name; a round robin of more adds nothing but connections
SECOND_SYN_MS = (
    950  # systems send a SYN again after 1 s, so an answer just after that means that one was lost
)

_HOST_UNREACHABLE = frozenset({(3, 1), (1, 3)})

# The most telling answer of several: an open port first, silence last.
_TELLING = (
    Connect.CONNECTED,
    Connect.REFUSED,
    Connect.BLOCKED_HERE,
    Connect.PROHIBITED,
    Connect.UNREACHABLE,
    Connect.NO_ROUTE,
    Connect.OTHER,
    Connect.SILENT,
)


class ReachFact(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt for each address, in the order in which a client tries them."""

    host: str
    port: int
    attempts: tuple[Attempt, ...]

    @property
    def address(self) -> str | None:
        """The first address that took the connection."""
        return next((a.address for a in self.attempts if a.outcome is Connect.CONNECTED), None)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(a.address for a in self.attempts)

    @property
    def answered(self) -> bool:
        """Someone is at one of the addresses: it took or refused the connection."""
        return any(a.outcome in (Connect.CONNECTED, Connect.REFUSED) for a in self.attempts)


async def probe(context: Context) -> ReachFact:
    if context.target.gateway is not None and context.target.gateway.always:
        raise Skip("goes-through-gateway")
    resolved = context.fact(names.CHECK)
    addresses = resolved.addresses[:MOST_ADDRESSES] if resolved else ()

    async def one(address: str) -> Attempt:
        async with context.dialer.dial(address, context.target.port, timeout=TCP_WAIT) as connection:
            return connection.attempt if isinstance(connection, Connection) else connection

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(a), name=f"reach {a}") for a in addresses]
    return ReachFact(host=context.host, port=context.target.port, attempts=tuple(t.result() for t in tasks))


def judge(fact: ReachFact) -> tuple[Finding, ...]:
    best = min(fact.attempts, key=lambda a: _TELLING.index(a.outcome))
    args: dict[str, Arg] = {"host": fact.host, "port": fact.port, "address": best.address}
    match best.outcome:
        case Connect.CONNECTED:
            return (ok("reach.ok", ms=round(best.took_ms, 1), **args), *_beside(fact, best))
        case Connect.REFUSED if best.icmp is not None and best.icmp.sender != best.address:
            # "Port unreachable" in the name of a host, from a machine that is not the host: a filter on the way.
            return (problem("reach.prohibited", sender=best.icmp.sender, **args),)
        case Connect.REFUSED:
            return (problem("reach.refused", ms=round(best.took_ms, 1), **args),)
        case Connect.SILENT:
            return (problem("reach.silent", seconds=round(best.took_ms / 1000, 1), **args),)
        case Connect.UNREACHABLE:
            sender = best.icmp.sender if best.icmp else None
            # Without anyone else's word it is this PC's own: the next hop, or the host, did not answer ARP.
            if sender is None:
                return (problem("reach.no-neighbour", **args),)
            if sender == best.address:
                # The host calls itself unreachable: its firewall refuses in this form.
                return (problem("reach.prohibited", sender=sender, **args),)
            if _last_hop(best):
                return (problem("reach.host-unreachable", sender=sender, **args),)
            return (problem("reach.unreachable", sender=sender, **args),)
        case Connect.PROHIBITED:
            return (problem("reach.prohibited", sender=best.icmp.sender if best.icmp else "", **args),)
        case Connect.NO_ROUTE:
            return (problem("reach.no-route", **args),)
        case Connect.BLOCKED_HERE:
            return (problem("reach.blocked-here", **args),)
        case Connect.OTHER:
            return (problem("reach.failed", error=best.error, **args),)


def _last_hop(attempt: Attempt) -> bool:
    """The router beside the host says that the host itself does not answer it, and not that it knows no way.

    Type 3 code 1 of ICMP (RFC 792, RFC 1812 5.2.7.1), type 1 code 3 of ICMPv6 (RFC 4443 3.1).
    """
    return attempt.icmp is not None and (attempt.icmp.type, attempt.icmp.code) in _HOST_UNREACHABLE


def _beside(fact: ReachFact, best: Attempt) -> tuple[Finding, ...]:
    """What is worth a word although a connection came about."""
    findings: list[Finding] = []
    # A refusal shows that the way is open: only the listener is missing at that address.
    refused = [a for a in fact.attempts if a.outcome is Connect.REFUSED]
    dead = [a for a in fact.attempts if a.outcome not in (Connect.CONNECTED, Connect.REFUSED)]
    dead_v6 = [a for a in dead if ":" in a.address]
    first = fact.attempts[0]
    if first in dead_v6 and ":" not in best.address:
        findings.append(warn("reach.ipv6-broken", address=first.address, other=best.address))
    elif dead:
        findings.append(
            warn("reach.some-addresses-dead", dead=len(dead), count=len(fact.attempts), first=dead[0].address)
        )
    if refused:
        findings.append(info("reach.some-addresses-refuse", first=refused[0].address, other=best.address))
    retransmits = best.info.syn_retransmits if best.info else 0
    if retransmits or best.took_ms >= SECOND_SYN_MS:
        findings.append(info("reach.syn-sent-again", ms=round(best.took_ms)))
    return tuple(findings)


def connected(context: Context) -> str:
    """The address that the remote checks talk to. Raises Skip if none took a connection."""
    fact = context.fact(CHECK)
    if fact is None or fact.address is None:
        raise Skip("needs-reach", settle="reach")
    return fact.address


CHECK = Check(
    id="reach",
    group=Group.REMOTE,
    probe=probe,
    judge=judge,
    needs=("names",),
    deadline=TCP_WAIT * 3 + 1,
)
