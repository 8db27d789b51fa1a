"""Does a rule's expression match the SYN of a new connection? Yes, no, or: it takes more than is known here.

The expressions are those of libnftables-json(5). Whatever this module does not know makes the answer None, never
wrong. Pure.
"""

import ipaddress
import operator
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import msgspec

from core.ports import IpAddress


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """A TCP SYN on its way out. `interface` is None where it is not known through which one it leaves."""

    address: IpAddress
    port: int
    interface: str | None


Fact: TypeAlias = IpAddress | int | str
Named: TypeAlias = Callable[[str], object]  # the elements of a named set or map, or None

# Of tcp flags and of ct state: nft(8) "TCP HEADER EXPRESSION", "CONNTRACK EXPRESSIONS". No name is in both.
_BITS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
_BITS |= {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
_PROTOCOL_NUMBERS = {"tcp": 6}
_NOT_TCP = frozenset(
    {"udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "esp", "ah", "comp", "gre", "arp"}
)
_ORDER: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_DEEPEST = 8  # a set element wraps a value, which may be a concatenation of ranges: 3 in real rules


class _Absent:
    """The packet has no such header, so the rule ends there, whatever it asks about it."""


_ABSENT: Final = _Absent()
_Read: TypeAlias = Fact | _Absent | None


def facts_of(packet: Packet) -> dict[str, Fact]:
    """What every rule may know about the packet, by the name that nft gives it."""
    six = packet.address.version == 6
    address = type(packet.address)(int(packet.address))  # without a zone, which no rule has
    facts: dict[str, Fact] = {
        "meta nfproto": "ipv6" if six else "ipv4",
        "meta protocol": "ip6" if six else "ip",
        "meta l4proto": "tcp",
        "meta iifname": "",
        "meta iif": "0",
        "meta mark": 0,
        "ct mark": 0,
        "ct state": _BITS["new"],
        "ct direction": "original",
        "tcp dport": packet.port,
        "th dport": packet.port,
        "tcp flags": _BITS["syn"],
    }
    facts |= {"ip6 daddr": address, "ip6 nexthdr": "tcp", "ip6 version": 6} if six else {}
    facts |= {"ip daddr": address, "ip protocol": "tcp", "ip version": 4} if not six else {}
    if packet.interface is not None:
        facts |= {
            "meta oif": packet.interface,
            "meta oifname": packet.interface,
            "fib daddr type": "local" if packet.interface == "lo" else "unicast",
        }
    return facts


def key_of(expression: object) -> str | None:
    """The name of what an expression reads or sets, if it is a plain field."""
    match expression:
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            return f"{protocol} {field}"
        case {"meta": {"key": str(key)}}:
            return f"meta {key}"
        case {"ct": {"key": str(key)}}:
            return f"ct {key}"
        case {"fib": {"result": "type", "flags": ["daddr"] | "daddr"}}:
            return "fib daddr type"
    return None


def matches(
    operation: object, left: object, right: object, facts: dict[str, Fact], named: Named
) -> bool | None:
    """The answer of a `match` statement."""
    read = _read(left, facts)
    if _is_absent(read):
        return False
    match operation:
        case "==":
            return _is_in(read, right, named)
        case "!=":
            return _not(_is_in(read, right, named))
        case "in" | "!":
            mask = _number(right)
            if not isinstance(read, int) or mask is None:
                return None
            return bool(read & mask) == (operation == "in")
        case "<" | ">" | "<=" | ">=":
            return _compare(read, operation, right)
    return None


def find(
    key: object, entries: object, facts: dict[str, Fact], named: Named
) -> list[tuple[object, bool | None]] | None:
    """The values that a map may hold for this packet, each with whether that is certain. None: no such map."""
    if isinstance(entries, str):
        entries = named(entries.removeprefix("@"))
    elif isinstance(entries, dict):
        entries = entries.get("set")
    if not isinstance(entries, list):
        return None
    read = _read(key, facts)
    if _is_absent(read):
        return []
    found: list[tuple[object, bool | None]] = []
    # The catch-all entry counts only if no other one does.
    for entry in sorted(entries, key=lambda entry: isinstance(entry, list) and entry[:1] == ["*"]):
        match entry:
            case [wanted, value]:
                hit = _is_in(read, wanted, named)
                if hit is not False:
                    found.append((value, hit))
                if hit:
                    break
    return found


def _read(expression: object, facts: dict[str, Fact]) -> _Read | tuple[_Read, ...]:
    match expression:
        case {"concat": list(parts)}:
            return tuple(_read_one(part, facts) for part in parts)
    return _read_one(expression, facts)


def _read_one(expression: object, facts: dict[str, Fact]) -> _Read:
    match expression:
        case {"payload": {"protocol": "ip", "field": _}} if facts.get("meta nfproto") == "ipv6":
            return _ABSENT
        case {"payload": {"protocol": "ip6", "field": _}} if facts.get("meta nfproto") == "ipv4":
            return _ABSENT
        case {"payload": {"protocol": str(protocol)}} if protocol in _NOT_TCP:
            return _ABSENT
        case {"&": [field, mask]}:
            value, bits = facts.get(key_of(field) or ""), _number(mask)
            return value & bits if isinstance(value, int) and bits is not None else None
    return facts.get(key_of(expression) or "")


def _is_absent(read: _Read | tuple[_Read, ...]) -> bool:
    return _ABSENT in read if isinstance(read, tuple) else read is _ABSENT


def _is_in(value: _Read | tuple[_Read, ...], wanted: object, named: Named, depth: int = 0) -> bool | None:
    """Is the value the wanted one, or one of them?"""
    if depth > _DEEPEST:
        return None
    match wanted:
        case "*":
            return True
        case str() if wanted.startswith("@"):
            elements = named(wanted[1:])
            return (
                _any(_is_in(value, e, named, depth + 1) for e in elements)
                if isinstance(elements, list)
                else None
            )
        case {"set": list(elements)}:
            return _any(_is_in(value, e, named, depth + 1) for e in elements)
        case {"elem": {"val": inner}}:
            return _is_in(value, inner, named, depth + 1)
        case {"concat": list(parts)} if isinstance(value, tuple) and len(parts) == len(value):
            pairs = zip(value, parts, strict=True)
            return _not(_any(_not(_is_in(v, part, named, depth + 1)) for v, part in pairs))
        case {"range": [low, high]} if not isinstance(value, tuple):
            return _not(_any((_compare(value, "<", low), _compare(value, ">", high))))
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return _in_prefix(value, address, length)
    return None if isinstance(value, tuple) else _equal(value, wanted)


def _equal(value: _Read, wanted: object) -> bool | None:
    if isinstance(value, str):
        if isinstance(wanted, str):
            return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted
        number = _PROTOCOL_NUMBERS.get(value)
        return None if number is None or not isinstance(wanted, int) else number == wanted
    other = _like(value, wanted)
    return None if other is None else value == other


def _compare(value: object, operation: str, wanted: object) -> bool | None:
    other = _like(value, wanted)
    if other is None or not isinstance(value, int | IpAddress):
        return None
    return _ORDER[operation](int(value), int(other))  # addresses of one family are ordered like their numbers


def _like(value: object, wanted: object) -> int | IpAddress | None:
    """`wanted` as the same kind of thing as `value`, if both are numbers or addresses of one family."""
    if isinstance(value, int):
        return _number(wanted)
    if isinstance(value, IpAddress) and isinstance(wanted, str):
        try:
            return type(value)(wanted)
        except ValueError:
            return None
    return None


def _in_prefix(value: object, address: str, length: int) -> bool | None:
    if not isinstance(value, IpAddress):
        return None
    try:
        return value in ipaddress.ip_network((address, length), strict=False)
    except ValueError:
        return None


def _number(wanted: object, depth: int = 0) -> int | None:
    """A number, the name of a bit, or several of them joined (a list, or nested pairs under "|")."""
    match wanted:
        case int():
            return wanted
        case str():
            return _BITS.get(wanted)
        case list(parts) | {"|": list(parts)} if depth <= _DEEPEST:
            total = 0
            for part in parts:
                bits = _number(part, depth + 1)
                if bits is None:
                    return None
                total |= bits
            return total
    return None


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _any(answers: Iterable[bool | None]) -> bool | None:
    result: bool | None = False
    for answer in answers:
        if answer:
            return True
        if answer is None:
            result = None
    return result
