from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from core.check import Context
from core.checks import names, reach
from core.checks.presence import CHECK, PresenceFact, Sign, judge
from core.model import Arg, Row, State
from core.ports import Echo, EchoOutcome, IcmpNotice, Neighbour, NeighbourState
from core.probes.dialer import Attempt, Connect
from tests.support import fakes
from tests.support.running import fact, reason, run_one

SILENT = Echo(outcome=EchoOutcome.SILENT, took_ms=700.0)
NEAR = Sign(
    address="192.0.2.5", echo=SILENT, interface="eth0", source="192.0.2.1", neighbour=NeighbourState.STALE
)
FAR = replace(NEAR, address="198.51.100.5", gateway="192.0.2.254", neighbour=NeighbourState.REACHABLE)


def echo(outcome: EchoOutcome, sender: str | None) -> Echo:
    return Echo(outcome=outcome, took_ms=12.34, sender=sender)


ALIVE = ("presence.alive", State.INFO)
ABSENT = ("presence.absent", State.PROBLEM)
NO_SIGN = ("presence.no-sign", State.UNKNOWN)
REPORTED = ("presence.unreachable-reported", State.INFO)
ROUTER = ("presence.router-silent", State.PROBLEM)


@pytest.mark.parametrize(
    ("signs", "finding", "args"),
    [
        (
            [replace(FAR, echo=echo(EchoOutcome.REPLY, "198.51.100.5"))],
            ALIVE,
            {"sign": "echo", "address": "198.51.100.5", "ms": 12.3},
        ),
        # The host itself forbids the echo: it is there.
        (
            [replace(FAR, echo=echo(EchoOutcome.PROHIBITED, "198.51.100.5"))],
            ALIVE,
            {"sign": "echo", "address": "198.51.100.5", "ms": 12.3},
        ),
        (
            [replace(NEAR, neighbour=NeighbourState.REACHABLE)],
            ALIVE,
            {"sign": "neighbour", "address": "192.0.2.5", "ms": None},
        ),
        (
            [replace(NEAR, echo=None, neighbour=NeighbourState.REACHABLE)],
            ALIVE,
            {"sign": "neighbour", "address": "192.0.2.5", "ms": None},
        ),
        (
            [replace(NEAR, neighbour=NeighbourState.FAILED)],
            ABSENT,
            {"address": "192.0.2.5", "interface": "eth0"},
        ),
        (
            [replace(NEAR, neighbour=NeighbourState.INCOMPLETE)],
            ABSENT,
            {"address": "192.0.2.5", "interface": "eth0"},
        ),
        # Our own system's word that nobody answers ARP is no report of a router.
        (
            [replace(NEAR, neighbour=NeighbourState.FAILED, echo=echo(EchoOutcome.UNREACHABLE, "192.0.2.1"))],
            ABSENT,
            {"address": "192.0.2.5", "interface": "eth0"},
        ),
        (
            [replace(FAR, neighbour=NeighbourState.FAILED)],
            ROUTER,
            {"gateway": "192.0.2.254", "interface": "eth0"},
        ),
        (
            [replace(FAR, echo=echo(EchoOutcome.UNREACHABLE, "203.0.113.9"))],
            REPORTED,
            {"sender": "203.0.113.9", "address": "198.51.100.5"},
        ),
        (
            [replace(FAR, unreachable_by="203.0.113.9")],
            REPORTED,
            {"sender": "203.0.113.9", "address": "198.51.100.5"},
        ),
        ([NEAR], NO_SIGN, None),
        # That the router lives says nothing of the host.
        ([FAR], NO_SIGN, None),
        ([replace(FAR, unreachable_by="192.0.2.1")], NO_SIGN, None),
        ([replace(FAR, echo=echo(EchoOutcome.UNREACHABLE, None))], NO_SIGN, None),
        ([replace(FAR, echo=echo(EchoOutcome.PROHIBITED, "203.0.113.9"))], NO_SIGN, None),
        ([replace(NEAR, neighbour=NeighbourState.PERMANENT)], NO_SIGN, None),
        ([replace(NEAR, neighbour=NeighbourState.NONE)], NO_SIGN, None),
        # Of several addresses, one that lives is enough, and one that is silent keeps the question open.
        (
            [
                replace(NEAR, neighbour=NeighbourState.FAILED),
                replace(FAR, echo=echo(EchoOutcome.REPLY, None)),
            ],
            ALIVE,
            None,
        ),
        ([replace(NEAR, neighbour=NeighbourState.FAILED), FAR], NO_SIGN, None),
        (
            [replace(NEAR, neighbour=NeighbourState.FAILED), replace(FAR, unreachable_by="203.0.113.9")],
            ABSENT,
            None,
        ),
    ],
)
def test_judge(signs: list[Sign], finding: tuple[str, State], args: dict[str, Arg] | None) -> None:
    (found,) = judge(PresenceFact(host="pc", signs=tuple(signs)))
    assert (found.id, found.state) == finding
    if args is not None:
        assert found.args == args


@pytest.mark.parametrize(("tried", "reason"), [(SILENT, "echo-often-blocked"), (None, "echo-not-possible")])
def test_no_sign_says_why(tried: Echo | None, reason: str) -> None:
    (found,) = judge(PresenceFact(host="pc", signs=(replace(FAR, echo=tried),)))
    assert (found.id, found.reason, found.settle) == ("presence.no-sign", reason, "ask-someone-there")


# --- probe


def row_of(
    net: fakes.FakeNet, *addresses: str, outcome: Connect = Connect.SILENT, icmp: IcmpNotice | None = None
) -> Row:
    """The row after attempts to connect that all ended with `outcome`; those would leave this PC."""

    async def tried(context: Context) -> reach.ReachFact:
        attempts = tuple(
            Attempt(address=address, port=3389, outcome=outcome, took_ms=3000.0, icmp=icmp)
            for address in addresses
        )
        return reach.ReachFact(host=context.host, port=3389, attempts=attempts)

    machine = fakes.FakeMachine(names=fakes.FakeNames({"localhost": addresses}), net=net)
    # The one name about which no name server is asked.
    return run_one(machine, names.CHECK, replace(reach.CHECK, probe=tried), CHECK, host="localhost")


def neighbour(address: str, state: NeighbourState) -> Neighbour:
    return Neighbour(address=ip_address(address), state=state, interface="eth0")


@pytest.mark.parametrize("outcome", [Connect.CONNECTED, Connect.REFUSED])
def test_who_answered_already_is_left_in_peace(outcome: Connect) -> None:
    row = row_of(fakes.FakeNet(), "192.0.2.7", outcome=outcome)
    assert (row.state, reason(row)) == (State.SKIPPED, "answered-already")


def test_echo_from_afar() -> None:
    net = fakes.FakeNet(echoes={"198.51.100.7": echo(EchoOutcome.REPLY, "198.51.100.7")})
    row = row_of(net, "192.0.2.7", "198.51.100.7")
    assert [finding.id for finding in row.findings] == ["presence.alive"]
    near, far = fact(row).signs
    assert (near.gateway, near.neighbour, near.echo.outcome) == (
        None,
        NeighbourState.NONE,
        EchoOutcome.SILENT,
    )
    assert (far.gateway, far.neighbour, far.source) == ("192.0.2.1", NeighbourState.REACHABLE, "192.0.2.50")
    assert row.tries == 1


def test_nobody_in_the_neighbour_table_is_measured_twice() -> None:
    row = row_of(fakes.FakeNet(neighbours=[neighbour("192.0.2.7", NeighbourState.FAILED)]), "192.0.2.7")
    assert [finding.id for finding in row.findings] == ["presence.absent"]
    assert row.tries == 2


def test_silent_router() -> None:
    row = row_of(
        fakes.FakeNet(neighbours=[neighbour("192.0.2.1", NeighbourState.INCOMPLETE)]), "198.51.100.7"
    )
    assert [finding.id for finding in row.findings] == ["presence.router-silent"]


@pytest.mark.parametrize(
    ("outcome", "finding"),
    [(Connect.UNREACHABLE, "presence.unreachable-reported"), (Connect.PROHIBITED, "presence.no-sign")],
)
def test_a_report_from_the_way(outcome: Connect, finding: str) -> None:
    icmp = IcmpNotice(sender="203.0.113.9", type=3, code=1, prohibited=False)
    row = row_of(fakes.FakeNet(), "198.51.100.7", outcome=outcome, icmp=icmp)
    assert [found.id for found in row.findings] == [finding]


def test_no_way_to_send_an_echo() -> None:
    for net in (fakes.FakeNet(denied=["echo"]), fakes.FakeNet(unsupported=["echo"])):
        row = row_of(net, "198.51.100.7")
        assert (row.findings[0].id, row.findings[0].reason) == ("presence.no-sign", "echo-not-possible")
        assert "echo:" in fact(row).signs[0].echo_refused


def test_addresses_without_a_route() -> None:
    row = row_of(fakes.FakeNet(), "2001:db8::7", "198.51.100.7")
    assert [sign.address for sign in fact(row).signs] == ["198.51.100.7"]
    assert reason(row_of(fakes.FakeNet(), "2001:db8::7")) == "needs-route"


def test_a_system_that_hides_its_neighbours() -> None:
    row = row_of(fakes.FakeNet(denied=["neighbour"]), "192.0.2.7")
    assert (row.state, reason(row)) == (State.UNKNOWN, "denied")
