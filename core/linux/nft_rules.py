"""What a set of nftables rules does with a new outgoing TCP connection. Pure.

Follows the packet through the base chains of the hook `output` (nft(8) "CHAINS", "VERDICT STATEMENT"). A rule that
hinges on something unknown here (a rate, a user, a mark set on the way) is followed both ways; the answer is
unclear only if the two ways end differently. Rules of other hooks are not looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from core.linux.nft_match import Fact, Named, Packet, facts_of, find, key_of, matches
from core.ports import Block

_DEEPEST = 16  # jumps inside jumps; the kernel's own limit (NFT_JUMP_STACK_SIZE)
_MOST_STEPS = 100_000  # rules looked at, again at each jump


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, or with no handle the policy of a base chain."""

    family: str
    table: str
    chain: str
    handle: int | None = None


class Ruling(msgspec.Struct, frozen=True):
    """The answer, and the rule that blocks or may block."""

    block: Block
    place: Place | None = None


class _End(Enum):
    """Where the way through a rule or a chain can end."""

    NEXT = "next"  # at the following rule
    LEAVE = "leave"  # at the caller; in a base chain, at its policy
    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"


_Ends = dict[_End, Place]  # every possible end, with the first rule that leads there
_BLOCKS = {_End.DROP: Block.DROPPED, _End.REJECT: Block.REJECTED}
_HARMLESS = frozenset(
    {"comment", "counter", "ct expectation", "ct helper", "ct timeout", "dup", "last", "log", "map", "set"}
)
_HARMLESS_TARGETS = frozenset({"CT", "DSCP", "LOG", "NFLOG", "TCPMSS", "TOS"})


@dataclass(slots=True, kw_only=True)
class _Chain:
    """`doubtful`: perhaps its whole table is switched off."""

    place: Place
    hook: object = None
    type: object = None
    priority: int = 0
    drops: bool = False
    doubtful: bool = False
    rules: list[tuple[Place, list[object]]] = field(default_factory=list)


class _TooMuch(Exception):  # noqa: N818 - ends the walk, never leaves this module
    """Deeper or longer than any real set of rules."""


def judge(listing: object, packet: Packet) -> Ruling:
    """Follow the packet through the rules.

    Args:
        listing: the output of `nft --json list ruleset`, decoded. What it does not say is taken as not there.
        packet: the first packet of the connection.
    """
    walk = _Walk(listing, packet)
    outcomes: dict[Block, Place | None] = {}
    try:
        for chain in walk.base_chains():
            ends = walk.through(chain)
            for end, block in _BLOCKS.items():
                if end in ends:
                    outcomes.setdefault(block, ends[end])
            if _End.ACCEPT not in ends:
                break
        else:
            outcomes[Block.PASSES] = None
    except _TooMuch:
        return Ruling(Block.UNCLEAR)
    if len(outcomes) == 1:
        return Ruling(*next(iter(outcomes.items())))
    return Ruling(Block.UNCLEAR, next(place for place in outcomes.values() if place))


class _Walk:
    """One packet on its way through one set of rules. What a rule may have changed is a fact no more."""

    def __init__(self, listing: object, packet: Packet) -> None:
        self._families = {"inet", "ip6" if packet.address.version == 6 else "ip"}
        self._facts: dict[str, Fact] = facts_of(packet)
        self._chains: dict[tuple[str, str, str], _Chain] = {}
        self._elements: dict[tuple[str, str, str], object] = {}
        self._steps = 0
        objects = listing.get("nftables") if isinstance(listing, dict) else None
        if isinstance(objects, list):
            self._load(objects)

    def _load(self, objects: list[object]) -> None:
        flags: dict[tuple[str, str], object] = {}
        for item in objects:
            match item:
                case {"table": {"family": str(family), "name": str(name), "flags": given}}:
                    flags[family, name] = given
                case {"set": {"family": str(family), "table": str(table), "name": str(name), **rest}} | {
                    "map": {"family": str(family), "table": str(table), "name": str(name), **rest}
                }:
                    self._elements[family, table, name] = rest.get("elem", [])
                case {"chain": {"family": str(family), "table": str(table), "name": str(name), **rest}}:
                    place = Place(family=family, table=table, chain=name)
                    self._chains[family, table, name] = _chain(place, rest, flags.get((family, table)))
                case {
                    "rule": {
                        "family": str(family),
                        "table": str(table),
                        "chain": str(name),
                        "expr": list(expr),
                        **rest,
                    }
                }:
                    handle = rest.get("handle")
                    place = Place(
                        family=family,
                        table=table,
                        chain=name,
                        handle=handle if isinstance(handle, int) else None,
                    )
                    if (chain := self._chains.get((family, table, name))) is not None:
                        chain.rules.append((place, expr))

    def base_chains(self) -> Iterator[_Chain]:
        """The chains of the hook `output` that see this packet, in their order."""
        mine = (c for c in self._chains.values() if c.hook == "output" and c.place.family in self._families)
        yield from sorted(mine, key=lambda chain: chain.priority)

    def through(self, chain: _Chain) -> _Ends:
        """The possible ends of a base chain: ACCEPT, DROP, REJECT."""
        known = len(self._facts)
        ends = self._follow(chain, 0)
        if ends.pop(_End.LEAVE, None):
            ends.setdefault(_End.DROP if chain.drops else _End.ACCEPT, chain.place)
        if chain.doubtful:
            ends.setdefault(_End.ACCEPT, chain.place)
        if chain.type != "filter" and len(self._facts) < known:
            # Chains of the types `nat` and `route` have the packet routed again if they changed it.
            self._forget("meta oif", "meta oifname", "fib daddr type")
        return ends

    def _follow(self, chain: _Chain, depth: int) -> _Ends:
        ends: _Ends = {}
        for place, statements in chain.rules:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise _TooMuch
            possible = self._rule(place, statements, depth)
            further = possible.pop(_End.NEXT, None)
            ends = possible | ends
            if further is None:
                return ends
        return ends | {_End.LEAVE: chain.place}

    def _rule(self, place: Place, statements: list[object], depth: int) -> _Ends:
        ends: _Ends = {}
        for statement in statements:
            effect = self._statement(statement, place, depth)
            if effect is None:
                ends.setdefault(_End.NEXT, place)
            elif effect is False:
                break
            elif effect is not True:
                ends = effect | ends
                if _End.NEXT not in effect:
                    return ends
        return ends | {_End.NEXT: place}

    def _statement(self, statement: object, place: Place, depth: int) -> _Ends | bool | None:
        """What a statement does: an end, or as a condition yes, no or unknown. Yes goes on within the rule."""
        match statement:
            case {"match": {"op": operation, "left": left, "right": right}}:
                return matches(operation, left, right, self._facts, self._named(place))
            case {"xt": {"type": "match", "name": name}}:  # a module of iptables; its arguments are not told
                return True if name == "comment" else None
            case {"limit": _} | {"quota": _} | {"ct count": _} | {"meter": _}:
                return None
            case {"set": {"stmt": _}} | {"map": {"stmt": _}}:  # a limit for each element
                return None
            case {"vmap": {"key": key, "data": data}}:
                return self._verdict_map(key, data, place, depth)
            case {"xt": {"type": "target", "name": "REJECT"}}:
                return {_End.REJECT: place}
            case {"xt": {"type": "target", "name": "MARK" | "CONNMARK"}}:
                return self._forget("meta mark", "ct mark")
            case {"xt": {"type": "target", "name": str(name)}} if name in _HARMLESS_TARGETS:
                return True
            case {"mangle": {"key": key}}:
                return self._forget(key_of(key))
            case {"notrack": _}:
                return self._forget("ct state")
            case {"dnat": _} | {"redirect": _}:
                self._forget("ip daddr", "ip6 daddr", "tcp dport", "th dport")
                return {_End.ACCEPT: place}
            case dict() if not _HARMLESS.isdisjoint(statement):
                return True
        return self._verdict(statement, place, depth)

    def _verdict(self, verdict: object, place: Place, depth: int) -> _Ends:
        match verdict:
            case {"accept": _}:
                return {_End.ACCEPT: place}
            case {"drop": _}:
                return {_End.DROP: place}
            case {"reject": _}:
                return {_End.REJECT: place}
            case {"return": _}:
                return {_End.LEAVE: place}
            case {"continue": _}:
                return {_End.NEXT: place}
            case {"goto": {"target": str(name)}}:
                return self._enter(name, place, depth)
            case {"jump": {"target": str(name)}}:
                ends = self._enter(name, place, depth)
                if ends.pop(_End.LEAVE, None):
                    ends[_End.NEXT] = place
                return ends
        # Nothing that is known here, so it may end in any way.
        return dict.fromkeys((_End.NEXT, _End.ACCEPT, _End.DROP, _End.REJECT), place)

    def _verdict_map(self, key: object, data: object, place: Place, depth: int) -> _Ends:
        found = find(key, data, self._facts, self._named(place))
        if found is None:
            return self._verdict(None, place, depth)
        ends: _Ends = {}
        for verdict, _ in found:
            ends = self._verdict(verdict, place, depth) | ends
        if not any(certain for _, certain in found):
            ends.setdefault(_End.NEXT, place)
        return ends

    def _enter(self, name: str, place: Place, depth: int) -> _Ends:
        chain = self._chains.get((place.family, place.table, name))
        if chain is None or depth >= _DEEPEST:
            raise _TooMuch
        return self._follow(chain, depth + 1)

    def _named(self, place: Place) -> Named:
        return lambda name: self._elements.get((place.family, place.table, name))

    def _forget(self, *names: str | None) -> bool:
        for name in names:
            self._facts.pop(name or "", None)
        return True


def _chain(place: Place, rest: dict[object, object], flags: object) -> _Chain:
    # nft 1.0.6 writes a stray word where the flags should be; later ones write a word or a list of words.
    words = flags if isinstance(flags, list) else [] if flags is None else [flags]
    priority = rest.get("prio")
    return _Chain(
        place=place,
        hook=None if "dormant" in words else rest.get("hook"),
        type=rest.get("type"),
        priority=priority if isinstance(priority, int) else 0,
        drops=rest.get("policy") == "drop",
        doubtful=any(word not in {"owner", "persist"} for word in map(str, words)),
    )
