import pytest

from core.checks.firewall import FirewallFact, Rule, judge
from core.model import State
from core.ports import Block

PASS = Rule(address="192.0.2.5", block=Block.PASSES)
PASS_V6 = Rule(address="2001:db8::5", block=Block.PASSES)
DROP = Rule(address="192.0.2.5", block=Block.DROPPED, rule="tcp dport 3389 drop", place="inet filter output")
REJECT_V6 = Rule(address="2001:db8::5", block=Block.REJECTED)
UNCLEAR = Rule(
    address="192.0.2.5", block=Block.UNCLEAR, rule="meta cgroup 5 drop", place="inet filter output"
)


@pytest.mark.parametrize(
    ("rules", "findings"),
    [
        ((PASS,), [("firewall.passes", State.OK)]),
        ((PASS, PASS_V6), [("firewall.passes", State.OK)]),
        ((UNCLEAR, PASS_V6), [("firewall.passes", State.OK)]),
        ((DROP,), [("firewall.blocks", State.PROBLEM)]),
        ((DROP, REJECT_V6), [("firewall.blocks", State.PROBLEM)]),
        ((DROP, PASS_V6), [("firewall.blocks-some", State.WARN), ("firewall.passes", State.OK)]),
        ((UNCLEAR,), [("firewall.unclear", State.UNKNOWN)]),
        ((UNCLEAR, REJECT_V6), [("firewall.unclear", State.UNKNOWN), ("firewall.blocks-some", State.WARN)]),
    ],
)
def test_judge(rules: tuple[Rule, ...], findings: list[tuple[str, State]]) -> None:
    assert [(f.id, f.state) for f in judge(FirewallFact(port=3389, rules=rules))] == findings


def test_the_rule_is_named() -> None:
    (found,) = judge(FirewallFact(port=3390, rules=(DROP, REJECT_V6)))
    assert found.args == {
        "address": "192.0.2.5",
        "rule": "tcp dport 3389 drop",
        "place": "inet filter output",
        "port": 3390,
    }


def test_an_unclear_rule_says_what_would_settle_it() -> None:
    (found,) = judge(FirewallFact(port=3389, rules=(UNCLEAR,)))
    assert (found.reason, found.settle) == ("rules-unclear", "reach")
    assert found.args["rule"] == "meta cgroup 5 drop"
