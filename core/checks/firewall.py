"""Does this PC's own firewall let the connection out? Rules are read, not tried."""

from ipaddress import ip_address
from typing import Final

import msgspec

from core.check import Check, Context, Group, ok, problem, unknown, warn
from core.checks import names
from core.model import Finding
from core.ports import Block

MOST_ADDRESSES: Final = 8  # of one name


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What the firewall does with a connection to one address, and the rule that says so, as the system writes it."""

    address: str
    block: Block
    rule: str | None = None
    place: str | None = None

    @property
    def blocks(self) -> bool:
        return self.block in (Block.DROPPED, Block.REJECTED)


class FirewallFact(msgspec.Struct, frozen=True, kw_only=True):
    """One answer for each address, in the order in which a client tries them."""

    port: int
    rules: tuple[Rule, ...]


async def probe(context: Context) -> FirewallFact:
    machine, port = context.machine, context.target.port
    resolved = context.fact(names.CHECK)
    ways = [await machine.net.best_route(ip_address(text)) for text in resolved.addresses] if resolved else []
    # An address without a route is not tried by anyone, whatever the rules say of it.
    ways = [way for way in ways if not way.no_route] or ways
    rules: list[Rule] = []
    for way in ways[:MOST_ADDRESSES]:
        answer = await machine.firewall.outgoing_tcp(way.address, port, interface=way.interface)
        rules.append(Rule(address=str(way.address), block=answer.block, rule=answer.rule, place=answer.place))
    return FirewallFact(port=port, rules=tuple(rules))


def judge(fact: FirewallFact) -> tuple[Finding, ...]:
    blocking = [rule for rule in fact.rules if rule.blocks]
    if len(blocking) == len(fact.rules):
        return (problem("firewall.blocks", **_named(blocking[0]), port=fact.port),)
    # A client goes on to the next address: one that is let out is enough.
    beside = tuple(warn("firewall.blocks-some", **_named(rule), port=fact.port) for rule in blocking[:1])
    if any(rule.block is Block.PASSES for rule in fact.rules):
        return (*beside, ok("firewall.passes", port=fact.port))
    unclear = next(rule for rule in fact.rules if rule.block is Block.UNCLEAR)
    return (
        unknown(
            "firewall.unclear", reason="rules-unclear", settle="reach", port=fact.port, rule=unclear.rule
        ),
        *beside,
    )


def _named(rule: Rule) -> dict[str, str | None]:
    return {"address": rule.address, "rule": rule.rule, "place": rule.place}


CHECK = Check(
    id="firewall", group=Group.LOCAL, probe=probe, judge=judge, needs=("names",), deadline=5.0, retry=False
)
