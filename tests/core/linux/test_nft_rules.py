"""The rules were written by hand (`tests/data/nft/*.nft`) and listed by nft 1.0.6; that what is expected here is what
the kernel does is tested in test_firewall.py.
"""

import json
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.linux.nft_match import Packet
from core.linux.nft_rules import Place, Ruling, judge
from core.ports import Block

DATA = Path(__file__).resolve().parents[2] / "data" / "nft"
PASSES, DROPPED, REJECTED, UNCLEAR = Block.PASSES, Block.DROPPED, Block.REJECTED, Block.UNCLEAR

# rules, address, port, interface, what happens, chain and handle of the rule that blocks or may block
CASES = [
    ("home", "203.0.113.1", 3389, "c0", PASSES, None),
    ("home", "2001:db8::1", 3389, None, PASSES, None),
    ("strict", "203.0.113.1", 443, "c0", PASSES, None),
    ("strict", "203.0.113.1", 3389, "c0", DROPPED, ("out", None)),
    ("strict", "203.0.113.1", 3389, "lo", PASSES, None),
    ("strict", "203.0.113.1", 3389, None, UNCLEAR, ("out", None)),
    ("strict", "203.0.113.8", 3389, "c0", PASSES, None),
    ("strict", "203.0.113.8", 22, "c0", PASSES, None),
    ("strict", "203.0.113.8", 8080, "c0", DROPPED, ("out", None)),
    ("strict", "198.51.100.127", 3389, "c0", PASSES, None),
    ("strict", "198.51.100.128", 3389, "c0", DROPPED, ("out", None)),
    ("strict", "2001:db8:1::7", 3389, "c0", PASSES, None),
    ("strict", "2001:db8:1::7", 5000, "c0", REJECTED, ("out", 18)),
    ("strict", "2001:db8:2::7", 5000, "c0", DROPPED, ("out", None)),
    ("kill_switch", "203.0.113.1", 3389, "c0", REJECTED, ("shut", 8)),
    ("kill_switch", "2001:db8::1", 3389, "c0", DROPPED, ("shut", 7)),
    ("kill_switch", "198.51.100.1", 3389, "wg0", PASSES, None),
    ("kill_switch", "127.0.0.1", 3389, "lo", PASSES, None),
    ("kill_switch", "203.0.113.1", 3389, None, UNCLEAR, ("shut", 8)),
    ("maps", "203.0.113.1", 22, "c0", PASSES, None),
    ("maps", "198.51.100.5", 3389, "wg0", DROPPED, ("remote", 7)),
    ("maps", "198.51.100.6", 3389, "wg0", PASSES, None),
    ("maps", "198.51.100.7", 3389, "wg0", DROPPED, ("remote", 11)),
    ("maps", "198.51.100.9", 3389, "wg0", REJECTED, ("remote", 8)),
    ("maps", "198.51.100.10", 3389, "wg0", PASSES, None),
    ("maps", "203.0.113.77", 3389, "c0", DROPPED, ("remote", 9)),
    ("maps", "198.51.100.200", 3389, "wg0", DROPPED, ("out", 13)),
    ("maps", "198.51.100.200", 443, "wg0", PASSES, None),
    ("maps", "2001:db8::1", 3389, "c0", PASSES, None),
    ("user", "203.0.113.1", 22, "c0", UNCLEAR, ("out", 2)),
    ("user", "203.0.113.1", 3389, "c0", DROPPED, ("out", 3)),
    ("user", "203.0.113.1", 443, "c0", UNCLEAR, ("out", 5)),
    ("user", "203.0.113.1", 80, "c0", UNCLEAR, ("out", 7)),
    ("user", "203.0.113.1", 8080, "c0", PASSES, None),
    ("order", "203.0.113.1", 3389, "c0", DROPPED, ("out", 3)),
    ("order", "203.0.113.1", 22, "c0", REJECTED, ("out", 4)),
    ("order", "203.0.113.1", 443, "c0", PASSES, None),
    ("order", "203.0.113.1", 80, "c0", DROPPED, ("out", 6)),
    ("nat", "203.0.113.1", 3389, "c0", UNCLEAR, ("out", 3)),
    ("nat", "203.0.113.1", 22, "c0", DROPPED, ("out", 3)),
    ("nat", "2001:db8::1", 3389, "c0", PASSES, None),
    ("asleep", "203.0.113.1", 3389, "c0", UNCLEAR, ("out", None)),
    ("iptables", "203.0.113.1", 3389, "c0", REJECTED, ("KILL", 7)),
    ("iptables", "198.51.100.1", 3389, "wg0", PASSES, None),
    ("iptables", "203.0.113.1", 22, "c0", UNCLEAR, ("KILL", 8)),
    ("iptables", "203.0.113.1", 443, "c0", PASSES, None),
    ("iptables", "203.0.113.1", 80, "c0", PASSES, None),
    ("iptables", "2001:db8::1", 3389, "c0", REJECTED, ("OUTPUT", 2)),
]


@pytest.mark.parametrize(("rules", "address", "port", "interface", "block", "where"), CASES)
def test_rules_as_nft_lists_them(rules, address, port, interface, block, where):
    listing = json.loads((DATA / f"{rules}.json").read_text(encoding="utf-8"))
    ruling = judge(listing, Packet(address=ip_address(address), port=port, interface=interface))
    assert ruling.block is block
    assert (ruling.place and (ruling.place.chain, ruling.place.handle)) == where


# --- single rules, in the words of libnftables-json(5)

DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
DADDR = {"payload": {"protocol": "ip", "field": "daddr"}}
DADDR6 = {"payload": {"protocol": "ip6", "field": "daddr"}}
OIFNAME = {"meta": {"key": "oifname"}}
FLAGS = {"payload": {"protocol": "tcp", "field": "flags"}}
STATE = {"ct": {"key": "state"}}
TYPICAL = Packet(address=ip_address("203.0.113.5"), port=3389, interface="eth0")


def listing(*rules: object, policy: str = "accept", more: Sequence[object] = ()) -> dict[str, list[object]]:
    table = {"family": "inet", "table": "t"}
    chain = {**table, "name": "out", "type": "filter", "hook": "output", "prio": 0, "policy": policy}
    lines = [
        {"rule": {**table, "chain": "out", "handle": number, "expr": expr}}
        for number, expr in enumerate(rules)
    ]
    return {"nftables": [{"chain": chain}, *more, *lines]}


def match(left: object, right: object, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": left, "right": right}}


DROP = {"drop": None}
ACCEPT = {"accept": None}


@pytest.mark.parametrize(
    ("condition", "hit"),
    [
        (match(DPORT, 3389), True),
        (match(DPORT, 22), False),
        (match(DPORT, 22, "!="), True),
        (match(DPORT, 3389, ">"), False),
        (match(DPORT, 3389, "<="), True),
        (match(DPORT, {"range": [3389, 3390]}), True),
        (match(DPORT, {"set": [1, {"range": [2, 9]}]}, "!="), True),
        (match(DPORT, "@unknown"), None),
        (match(DPORT, "ms-wbt-server"), None),
        (match(DADDR, "203.0.113.5"), True),
        (match(DADDR, {"prefix": {"addr": "203.0.113.0", "len": 29}}, "!="), False),
        (match(DADDR, {"prefix": {"addr": "203.0.113.0", "len": 99}}), None),
        (match(DADDR, "203.0.113.4", ">"), True),
        (match(DADDR, "nonsense"), None),
        (match(DADDR6, "::1"), False),
        (match(DADDR6, "::1", "!="), False),  # there is no such header to differ
        (match({"payload": {"protocol": "udp", "field": "dport"}}, 3389), False),
        (match({"payload": {"protocol": "ip", "field": "ttl"}}, 64), None),
        (match({"&": [DADDR, "255.0.255.0"]}, "203.0.113.0"), None),
        (match({"meta": {"key": "l4proto"}}, "tcp"), True),
        (match({"meta": {"key": "l4proto"}}, 6), True),
        (match({"meta": {"key": "l4proto"}}, {"set": ["udp", "tcp"]}), True),
        (match({"meta": {"key": "nfproto"}}, "ipv6"), False),
        (match({"meta": {"key": "mark"}}, 0), True),
        (match({"&": [{"meta": {"key": "mark"}}, 255]}, 1, "!="), True),
        (match({"meta": {"key": "skuid"}}, 0), None),
        (match(OIFNAME, "eth0"), True),
        (match(OIFNAME, "et*"), True),
        (match(OIFNAME, {"set": ["wg*", "tun0"]}), False),
        (match({"meta": {"key": "iifname"}}, "lo"), False),
        (match({"meta": {"key": "iifname"}}, "lo", "!="), True),
        (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), False),
        (match(STATE, "new", "in"), True),
        (match(STATE, ["established", "related"], "in"), False),
        (match(STATE, {"|": ["established", "related"]}, "!="), True),
        (match(STATE, {"set": ["new", "untracked"]}), True),
        (match(FLAGS, "syn", "in"), True),
        (match(FLAGS, ["syn", "ack"], "!"), False),
        (match(FLAGS, 18), False),
        (match({"&": [FLAGS, ["fin", "syn", "rst", "ack"]]}, "syn"), True),
        (match({"&": [FLAGS, {"|": [{"|": ["fin", "rst"]}, "ack"]}]}, 0), True),
        (match({"concat": [DADDR, DPORT]}, {"set": [{"concat": ["203.0.113.5", 3389]}]}), True),
        (match({"concat": [DADDR, {"meta": {"key": "skuid"}}]}, {"concat": ["203.0.113.5", 0]}), None),
        (match({"concat": [DADDR, {"meta": {"key": "skuid"}}]}, {"concat": ["203.0.113.6", 0]}), False),
        (match({"concat": [DADDR6, DPORT]}, {"concat": ["::1", 3389]}, "!="), False),
        (match({"numgen": {"mode": "random", "mod": 100}}, 20, "<"), None),
        ({"limit": {"rate": 5, "per": "second"}}, None),
        ({"ct count": {"val": 20}}, None),
        ({"xt": {"type": "match", "name": "owner"}}, None),
        ({"counter": {"packets": 7, "bytes": 300}}, True),
        ({"something new": 1}, None),
    ],
)
def test_a_condition_is_yes_no_or_unknown(condition, hit):
    expected = {True: Block.DROPPED, False: Block.PASSES, None: Block.UNCLEAR}[hit]
    assert judge(listing([condition, DROP]), TYPICAL).block is expected


@pytest.mark.parametrize("unknown", [{"limit": {}}, match({"meta": {"key": "skuid"}}, 0)])
def test_the_unknown_does_not_matter_where_both_ways_end_alike(unknown):
    assert judge(listing([unknown, ACCEPT]), TYPICAL) == Ruling(Block.PASSES)
    assert judge(listing([unknown, DROP], [DROP]), TYPICAL).block is Block.DROPPED
    assert judge(listing([match(DPORT, 22), unknown, DROP]), TYPICAL) == Ruling(Block.PASSES)
    assert judge(listing([ACCEPT], [unknown, DROP]), TYPICAL) == Ruling(Block.PASSES)


def test_an_empty_set_holds_nothing():
    empty = {"set": {"family": "inet", "table": "t", "name": "nobody", "type": "ipv4_addr"}}
    assert judge(listing([match(DADDR, "@nobody"), DROP], more=[empty]), TYPICAL) == Ruling(Block.PASSES)


def test_a_policy_that_drops_is_a_place_without_a_handle():
    ruling = judge(listing(policy="drop"), TYPICAL)
    assert ruling == Ruling(Block.DROPPED, Place(family="inet", table="t", chain="out"))


@pytest.mark.parametrize(
    ("flags", "block"),
    [
        ("dormant", Block.PASSES),
        (["dormant"], Block.PASSES),
        ("owner", Block.DROPPED),
        (["owner", "persist"], Block.DROPPED),
        ("t", Block.UNCLEAR),  # nft 1.0.6 writes a stray word, whatever the flags are
        ([{"odd": 1}], Block.UNCLEAR),
    ],
)
def test_a_table_may_be_switched_off(flags, block):
    table = {"table": {"family": "inet", "name": "t", "flags": flags}}
    rules = listing(policy="drop")
    assert judge({"nftables": [table, *rules["nftables"]]}, TYPICAL).block is block


def test_the_catch_all_of_a_map_counts_last():
    data = {"set": [["*", DROP], [{"range": [3000, 4000]}, ACCEPT]]}
    rules = listing([{"vmap": {"key": DPORT, "data": data}}])
    assert judge(rules, TYPICAL).block is Block.PASSES
    other = Packet(address=TYPICAL.address, port=22, interface=None)
    assert judge(rules, other).block is Block.DROPPED


def test_chains_that_call_each_other_come_to_an_end():
    table = {"family": "inet", "table": "t"}
    chains = [{"chain": {**table, "name": f"c{n}"}} for n in range(2)]
    calls = [
        {"rule": {**table, "chain": f"c{n}", "expr": [{"jump": {"target": f"c{1 - n}"}}] * 2}}
        for n in range(2)
    ]
    rules = listing([{"jump": {"target": "c0"}}], more=[*chains, *calls])
    assert judge(rules, TYPICAL) == Ruling(Block.UNCLEAR)


def test_chains_that_multiply_come_to_an_end():
    """15 chains, each of which calls the next one ten times: 10**15 rules to look at."""
    table = {"family": "inet", "table": "t"}
    chains = [{"chain": {**table, "name": f"c{n}"}} for n in range(16)]
    calls = [
        {"rule": {**table, "chain": f"c{n}", "expr": [{"jump": {"target": f"c{n + 1}"}}]}}
        for n in range(15)
        for _ in range(10)
    ]
    rules = listing([{"jump": {"target": "c0"}}], more=[*chains, *calls])
    assert judge(rules, TYPICAL) == Ruling(Block.UNCLEAR)


# --- any JSON

WORDS = [
    *(
        "nftables",
        "table",
        "chain",
        "rule",
        "set",
        "map",
        "elem",
        "family",
        "name",
        "expr",
        "handle",
        "flags",
    ),
    *(
        "hook",
        "type",
        "prio",
        "policy",
        "match",
        "op",
        "left",
        "right",
        "payload",
        "protocol",
        "field",
        "meta",
    ),
    *(
        "key",
        "ct",
        "fib",
        "vmap",
        "data",
        "jump",
        "goto",
        "target",
        "drop",
        "accept",
        "xt",
        "mangle",
        "concat",
    ),
    *(
        "prefix",
        "addr",
        "len",
        "range",
        "val",
        "&",
        "|",
        "==",
        "!=",
        "in",
        "<",
        "inet",
        "ip",
        "output",
        "daddr",
    ),
]
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5)
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(ANYTHING)
def test_any_json_is_judged(document):
    assert isinstance(judge(document, TYPICAL).block, Block)


@given(st.lists(ANYTHING, max_size=5))
def test_any_objects_are_judged(objects):
    assert isinstance(judge({"nftables": objects}, TYPICAL).block, Block)


@given(st.lists(st.lists(ANYTHING, max_size=3), max_size=3), st.booleans())
def test_any_rules_are_judged(rules, drops):
    ruling = judge(listing(*rules, policy="drop" if drops else "accept"), TYPICAL)
    assert isinstance(ruling.block, Block)


@given(ANYTHING, ANYTHING, st.sampled_from(["==", "!=", "in", "!", "<", ">="]))
def test_any_match_is_judged(left, right, operation):
    for side in (left, DPORT, DADDR, OIFNAME, STATE, {"concat": [DADDR, DPORT]}):
        rules = listing([match(side, right, operation), DROP], [{"vmap": {"key": side, "data": right}}])
        assert isinstance(judge(rules, TYPICAL).block, Block)
