from ipaddress import ip_address, ip_interface, ip_network

import pytest
from msgspec.structs import replace

from core.checks import names
from core.checks.route import CHECK, Covering, RouteFact, Way, judge
from core.model import Arg, State
from core.ports import Interface, LinkKind, Route
from tests.support import fakes
from tests.support.running import fact, run_one

DEFAULT = Covering(network="0.0.0.0/0", interface="eth0", gateway="192.168.1.1")
HALF = Covering(network="0.0.0.0/1", interface="tun0", vpn=True)
HOME = Covering(network="192.168.1.0/24", interface="eth0")
TUNNEL = Covering(network="192.168.1.0/24", interface="tun0", gateway="10.8.0.1", vpn=True)
WIDE_TUNNEL = Covering(network="192.168.0.0/16", interface="tun0", vpn=True)
HOST_TUNNEL = Covering(network="192.168.1.50/32", interface="tun0", vpn=True)

ROUTED = Way(address="10.5.0.7", interface="eth0", gateway="192.168.1.1", routes=(DEFAULT,))
NEAR = Way(address="192.168.1.50", interface="eth0", routes=(HOME, DEFAULT))
INSIDE = Way(address="192.168.1.50", interface="tun0", vpn=True, routes=(TUNNEL, DEFAULT))
NONE = Way(address="10.5.0.7", no_route=True)
NONE_V6 = Way(address="2001:db8::7", no_route=True, detail="Network is unreachable")
BLOCKED = Way(
    address="10.5.0.7",
    no_route=True,
    routes=(Covering(network="10.0.0.0/8", interface=None, blocked=True), DEFAULT),
)


@pytest.mark.parametrize(
    ("ways", "findings", "args"),
    [
        ([ROUTED], ["route.ok"], {"interface": "eth0", "gateway": "192.168.1.1", "address": "10.5.0.7"}),
        ([NEAR], ["route.on-link"], {"interface": "eth0", "address": "192.168.1.50"}),
        ([INSIDE], ["route.through-vpn"], {"interface": "tun0", "address": "192.168.1.50"}),
        ([replace(NEAR, own=True)], ["route.local"], {"address": "192.168.1.50"}),
        ([replace(NEAR, own=True, routes=(HOME, TUNNEL))], ["route.local"], {"address": "192.168.1.50"}),
        ([NONE], ["route.none"], {"address": "10.5.0.7"}),
        ([NONE, NONE_V6], ["route.none"], {"address": "10.5.0.7"}),
        ([BLOCKED], ["route.blocked"], {"address": "10.5.0.7", "network": "10.0.0.0/8"}),
        # The narrower of two routes wins: a blocked one beside it has blocked nothing.
        ([replace(BLOCKED, routes=(DEFAULT, BLOCKED.routes[0]))], ["route.none"], {"address": "10.5.0.7"}),
        (
            [NONE_V6, ROUTED],
            ["route.ok", "route.some-without"],
            {"interface": "eth0", "gateway": "192.168.1.1", "address": "10.5.0.7"},
        ),
    ],
)
def test_judge(ways: list[Way], findings: list[str], args: dict[str, Arg]) -> None:
    found = judge(RouteFact(ways=tuple(ways)))
    assert [finding.id for finding in found] == findings
    assert found[0].args == args


def test_states() -> None:
    assert [f.state for f in judge(RouteFact(ways=(NONE_V6, ROUTED)))] == [State.OK, State.INFO]
    assert [f.state for f in judge(RouteFact(ways=(NONE,)))] == [State.PROBLEM]
    assert [f.state for f in judge(RouteFact(ways=(BLOCKED,)))] == [State.PROBLEM]
    overlap = replace(NEAR, routes=(HOME, TUNNEL, DEFAULT))
    assert [f.state for f in judge(RouteFact(ways=(overlap,)))] == [State.WARN, State.OK]


def test_some_without_counts() -> None:
    _, some = judge(RouteFact(ways=(NONE_V6, ROUTED, replace(ROUTED, address="10.5.0.8"))))
    assert some.args == {"first": "2001:db8::7", "lost": 1, "count": 3}


@pytest.mark.parametrize(
    ("way", "overlaps"),
    [
        # The same network here and behind the VPN: whoever wins, the other one is out of reach.
        (replace(NEAR, routes=(HOME, TUNNEL, DEFAULT)), True),
        (replace(INSIDE, routes=(TUNNEL, HOME, DEFAULT)), True),
        # The VPN covers it with a wider network, and the network here wins.
        (replace(NEAR, routes=(HOME, WIDE_TUNNEL, DEFAULT)), True),
        # The VPN's administrator has seen to it.
        (replace(INSIDE, routes=(HOST_TUNNEL, HOME, DEFAULT)), False),
        # A VPN for everything leaves the network here alone: that is its setting, not a clash.
        (replace(NEAR, routes=(HOME, HALF, DEFAULT)), False),
        (replace(NEAR, routes=(HOME, replace(HALF, network="0.0.0.0/0"), DEFAULT)), False),
        # A route through a router is no network of this PC.
        (replace(INSIDE, routes=(TUNNEL, replace(HOME, gateway="192.168.1.1"))), False),
        (replace(INSIDE, routes=(TUNNEL, replace(HOME, blocked=True))), False),
        (NEAR, False),
        (INSIDE, False),
    ],
)
def test_overlap(way: Way, overlaps: bool) -> None:
    found = judge(RouteFact(ways=(way,)))
    assert (found[0].id == "route.overlap") is overlaps
    if overlaps:
        assert found[0].args == {"network": "192.168.1.0/24", "interface": "eth0", "other": "tun0"}
        assert found[1].state is State.OK


# --- probe

TUN = Interface(name="tun0", index=3, kind=LinkKind.VPN, up=True, addresses=(ip_interface("10.8.0.2/24"),))
WITH_VPN = (
    *fakes.ROUTES,
    Route(destination=ip_network("10.8.0.0/24"), interface="tun0"),
    Route(destination=ip_network("10.5.0.0/16"), interface="tun0", gateway=ip_address("10.8.0.1")),
    Route(
        destination=ip_network("192.0.2.0/24"), interface="tun0", gateway=ip_address("10.8.0.1"), metric=500
    ),
    Route(destination=ip_network("203.0.113.0/24"), interface=None, blocked=True),
)


def probed(*addresses: str, routes: tuple[Route, ...] = WITH_VPN) -> RouteFact:
    machine = fakes.FakeMachine(
        names=fakes.FakeNames({"localhost": addresses}),
        net=fakes.FakeNet(interfaces=[fakes.LOOPBACK, fakes.CABLE, TUN], routes=routes),
    )
    # The one name about which no name server is asked.
    found = fact(run_one(machine, names.CHECK, CHECK, host="localhost"))
    assert isinstance(found, RouteFact)
    return found


@pytest.mark.parametrize(
    ("address", "findings"),
    [
        ("198.51.100.7", ["route.ok"]),
        ("192.0.2.7", ["route.overlap", "route.on-link"]),
        ("192.0.2.50", ["route.local"]),
        ("127.0.0.1", ["route.local"]),
        ("0.0.0.0", ["route.local"]),
        ("10.5.0.7", ["route.through-vpn"]),
        ("10.8.0.1", ["route.through-vpn"]),
        ("203.0.113.7", ["route.blocked"]),
        ("2001:db8::7", ["route.none"]),
    ],
)
def test_probe_and_judge(address: str, findings: list[str]) -> None:
    assert [finding.id for finding in judge(probed(address))] == findings


def test_probe_keeps_what_a_technician_asks_for() -> None:
    (way,) = probed("10.5.0.7").ways
    assert way == Way(
        address="10.5.0.7",
        interface="tun0",
        gateway="10.8.0.1",
        source="10.8.0.2",
        vpn=True,
        routes=(
            Covering(network="10.5.0.0/16", interface="tun0", gateway="10.8.0.1", vpn=True),
            Covering(network="0.0.0.0/0", interface="eth0", gateway="192.0.2.1"),
        ),
    )


def test_probe_looks_at_each_address_in_order() -> None:
    ways = probed("2001:db8::7", "192.0.2.7").ways
    assert [(way.address, way.no_route) for way in ways] == [("2001:db8::7", True), ("192.0.2.7", False)]
    assert len(probed(*(f"198.51.100.{n}" for n in range(100))).ways) == 8


def test_an_address_with_a_zone() -> None:
    routes = (*fakes.ROUTES, Route(destination=ip_network("fe80::/64"), interface="eth0"))
    (way,) = probed("fe80::5%eth0", routes=routes).ways
    assert (way.address, way.interface, judge(RouteFact(ways=(way,)))[0].id) == (
        "fe80::5%eth0",
        "eth0",
        "route.on-link",
    )
