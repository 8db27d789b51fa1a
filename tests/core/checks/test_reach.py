import pytest

from core.checks import names
from core.checks.reach import CHECK, MOST_ADDRESSES, ReachFact, judge
from core.demo.faults import FAULTS
from core.model import Arg, Gateway, State
from core.ports import IcmpNotice, TcpInfo
from core.probes.dialer import Attempt, Connect
from tests.support.fakes import FakeMachine, FakeNames
from tests.support.running import fact, reason, run_one
from tests.support.scripted import serving

V4, V6 = "192.0.2.5", "2001:db8::5"
ROUTER = "203.0.113.9"


def attempt(
    outcome: Connect,
    address: str = V4,
    *,
    took_ms: float = 12.34,
    icmp_from: str | None = None,
    code: int = 1,
    error: int | None = None,
    info: TcpInfo | None = None,
) -> Attempt:
    notice = IcmpNotice(sender=icmp_from, type=3, code=code, prohibited=False) if icmp_from else None
    return Attempt(
        address=address, port=3389, outcome=outcome, took_ms=took_ms, error=error, info=info, icmp=notice
    )


def seen(*attempts: Attempt) -> ReachFact:
    return ReachFact(host="pc", port=3389, attempts=attempts)


@pytest.mark.parametrize(
    ("only", "finding", "args"),
    [
        (attempt(Connect.CONNECTED), "reach.ok", {"ms": 12.3}),
        (attempt(Connect.REFUSED), "reach.refused", {"ms": 12.3}),
        (attempt(Connect.REFUSED, icmp_from=V4, code=3), "reach.refused", {"ms": 12.3}),
        # "Port unreachable" by somebody else than the host.
        (attempt(Connect.REFUSED, icmp_from=ROUTER, code=3), "reach.prohibited", {"sender": ROUTER}),
        (attempt(Connect.SILENT, took_ms=3500.4), "reach.silent", {"seconds": 3.5}),
        # Without anyone else's word it is our own system's: nobody answered ARP.
        (attempt(Connect.UNREACHABLE), "reach.no-neighbour", {}),
        (attempt(Connect.UNREACHABLE, icmp_from=ROUTER), "reach.host-unreachable", {"sender": ROUTER}),
        (attempt(Connect.UNREACHABLE, icmp_from=ROUTER, code=0), "reach.unreachable", {"sender": ROUTER}),
        # A host that calls itself unreachable is there.
        (attempt(Connect.UNREACHABLE, icmp_from=V4), "reach.prohibited", {"sender": V4}),
        (attempt(Connect.PROHIBITED, icmp_from=ROUTER), "reach.prohibited", {"sender": ROUTER}),
        (attempt(Connect.PROHIBITED), "reach.prohibited", {"sender": ""}),
        (attempt(Connect.NO_ROUTE), "reach.no-route", {}),
        (attempt(Connect.BLOCKED_HERE), "reach.blocked-here", {}),
        (attempt(Connect.OTHER, error=107), "reach.failed", {"error": 107}),
    ],
)
def test_one_address(only: Attempt, finding: str, args: dict[str, Arg]) -> None:
    (found,) = judge(seen(only))
    assert found.id == finding
    assert found.state is (State.OK if finding == "reach.ok" else State.PROBLEM)
    assert found.args == {"host": "pc", "port": 3389, "address": V4, **args}


@pytest.mark.parametrize("outcome", Connect)
def test_every_outcome_has_a_word(outcome: Connect) -> None:
    assert judge(seen(attempt(outcome)))[0].id.startswith("reach.")


@pytest.mark.parametrize(
    ("attempts", "findings"),
    [
        ([attempt(Connect.CONNECTED), attempt(Connect.CONNECTED, V6)], ["reach.ok"]),
        (
            [attempt(Connect.SILENT, V6), attempt(Connect.CONNECTED)],
            ["reach.ok", "reach.ipv6-broken"],
        ),
        (
            [attempt(Connect.CONNECTED), attempt(Connect.UNREACHABLE, "192.0.2.6")],
            ["reach.ok", "reach.some-addresses-dead"],
        ),
        # A refusal came all the way: that way is open, only the listener is missing.
        (
            [attempt(Connect.REFUSED, V6), attempt(Connect.CONNECTED)],
            ["reach.ok", "reach.some-addresses-refuse"],
        ),
        # A client that tries IPv4 first is not held up by IPv6.
        (
            [attempt(Connect.CONNECTED), attempt(Connect.SILENT, V6)],
            ["reach.ok", "reach.some-addresses-dead"],
        ),
        (
            [attempt(Connect.SILENT, V6), attempt(Connect.CONNECTED, "2001:db8::6")],
            ["reach.ok", "reach.some-addresses-dead"],
        ),
        # The most telling answer counts, wherever it stands.
        ([attempt(Connect.SILENT), attempt(Connect.REFUSED, V6)], ["reach.refused"]),
        ([attempt(Connect.SILENT), attempt(Connect.PROHIBITED, V6)], ["reach.prohibited"]),
        ([attempt(Connect.NO_ROUTE, V6), attempt(Connect.SILENT)], ["reach.no-route"]),
        ([attempt(Connect.OTHER, V6), attempt(Connect.BLOCKED_HERE)], ["reach.blocked-here"]),
    ],
)
def test_several_addresses(attempts: list[Attempt], findings: list[str]) -> None:
    assert [found.id for found in judge(seen(*attempts))] == findings


def test_what_is_told_of_dead_addresses() -> None:
    _, broken = judge(seen(attempt(Connect.SILENT, V6), attempt(Connect.CONNECTED)))
    assert (broken.state, broken.args) == (State.WARN, {"address": V6, "other": V4})
    dead = (attempt(Connect.CONNECTED), attempt(Connect.SILENT, "192.0.2.6"), attempt(Connect.REFUSED, V6))
    _, some, refusing = judge(seen(*dead))
    assert (some.state, some.args) == (State.WARN, {"dead": 1, "count": 3, "first": "192.0.2.6"})
    assert (refusing.state, refusing.args) == (State.INFO, {"first": V6, "other": V4})


@pytest.mark.parametrize(
    ("took_ms", "retransmits", "told"),
    [(12.0, 0, False), (12.0, 1, True), (949.0, None, False), (950.0, None, True), (1021.0, 0, True)],
)
def test_a_syn_that_was_sent_again(took_ms: float, retransmits: int | None, told: bool) -> None:
    info = None if retransmits is None else TcpInfo(rtt_ms=1.0, syn_retransmits=retransmits)
    findings = judge(seen(attempt(Connect.CONNECTED, took_ms=took_ms, info=info)))
    assert ("reach.syn-sent-again" in [found.id for found in findings]) is told
    assert findings[-1].state is (State.INFO if told else State.OK)


# --- the fact


def test_what_the_fact_tells_other_checks() -> None:
    some = seen(
        attempt(Connect.REFUSED, V6), attempt(Connect.CONNECTED), attempt(Connect.CONNECTED, "192.0.2.6")
    )
    assert (some.address, some.answered) == (V4, True)
    assert some.addresses == (V6, V4, "192.0.2.6")
    assert seen(attempt(Connect.REFUSED)).answered
    assert seen(attempt(Connect.REFUSED)).address is None
    assert not seen(attempt(Connect.SILENT), attempt(Connect.PROHIBITED, V6)).answered


# --- the probe


def test_every_address_of_the_name_is_tried() -> None:
    known = FakeMachine(names=FakeNames({"pc.example": ["::1", "127.0.0.1"]}))
    with serving("healthy") as server:
        row = run_one(known, names.CHECK, CHECK, host="pc.example", port=server.port)
    tried = fact(row)
    assert [(a.address, a.outcome) for a in tried.attempts] == [
        ("::1", Connect.REFUSED),
        ("127.0.0.1", Connect.CONNECTED),
    ]
    assert (tried.host, tried.port, tried.address) == ("pc.example", server.port, "127.0.0.1")
    assert [found.id for found in row.findings] == ["reach.ok", "reach.some-addresses-refuse"]


def test_of_very_many_addresses_some_are_enough() -> None:
    many = [f"127.0.1.{n}" for n in range(1, 2 * MOST_ADDRESSES)]
    machine = FakeMachine(names=FakeNames({"farm.example": many}))
    with serving(FAULTS["port-closed"]) as server:
        row = run_one(machine, names.CHECK, CHECK, host="farm.example", port=server.port)
    assert fact(row).addresses == tuple(many[:MOST_ADDRESSES])


def test_a_gateway_that_is_always_used_is_the_only_way() -> None:
    there = Gateway(host="gw.example", always=True)
    with serving("healthy") as server:
        row = run_one(FakeMachine(), CHECK, host="127.0.0.1", port=server.port, gateway=there)
    assert reason(row) == "goes-through-gateway"
    assert server.connections == []


def test_a_gateway_that_is_used_now_and_then_leaves_the_direct_way() -> None:
    there = Gateway(host="gw.example", always=False)
    with serving("healthy") as server:
        row = run_one(FakeMachine(), names.CHECK, CHECK, host="127.0.0.1", port=server.port, gateway=there)
    assert row.findings[0].id == "reach.ok"
