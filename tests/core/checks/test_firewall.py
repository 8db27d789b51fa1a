import pytest

from core.checks import names
from core.checks.firewall import CHECK, FirewallFact, Rule, judge
from core.model import Row, State
from core.ports import Block, OutgoingAnswer
from tests.support import fakes
from tests.support.running import fact, run_one

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


# --- probe


def row_of(firewall: fakes.FakeFirewall, *addresses: str) -> Row:
    machine = fakes.FakeMachine(names=fakes.FakeNames({"localhost": addresses}), firewall=firewall)
    # The one name about which no name server is asked.
    return run_one(machine, names.CHECK, CHECK, host="localhost", port=3390)


def test_probe_asks_for_every_address_and_the_port() -> None:
    answer = OutgoingAnswer(block=Block.DROPPED, rule="drop", place="output")
    row = row_of(fakes.FakeFirewall({("198.51.100.7", 3390): answer}), "192.0.2.7", "198.51.100.7")
    assert [finding.id for finding in row.findings] == ["firewall.blocks-some", "firewall.passes"]
    assert fact(row) == FirewallFact(
        port=3390,
        rules=(
            Rule(address="192.0.2.7", block=Block.PASSES),
            Rule(address="198.51.100.7", block=Block.DROPPED, rule="drop", place="output"),
        ),
    )


def test_an_address_without_a_route_is_left_out() -> None:
    answer = OutgoingAnswer(block=Block.DROPPED)
    firewall = fakes.FakeFirewall({("192.0.2.7", 3390): answer})
    assert [finding.id for finding in row_of(firewall, "2001:db8::7", "192.0.2.7").findings] == [
        "firewall.blocks"
    ]
    assert [finding.id for finding in row_of(firewall, "2001:db8::7").findings] == ["firewall.passes"]


@pytest.mark.parametrize(
    ("firewall", "state", "why", "settle"),
    [
        (fakes.FakeFirewall(denied=["outgoing_tcp"]), State.UNKNOWN, "denied", "run-as-admin"),
        (fakes.FakeFirewall(unsupported=["outgoing_tcp"]), State.SKIPPED, "unsupported", None),
    ],
)
def test_rules_that_cannot_be_read(
    firewall: fakes.FakeFirewall, state: State, why: str, settle: str | None
) -> None:
    row = row_of(firewall, "192.0.2.7")
    assert (row.state, row.findings[0].reason, row.findings[0].settle) == (state, why, settle)
