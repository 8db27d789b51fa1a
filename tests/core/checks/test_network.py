from ipaddress import ip_interface, ip_network

import pytest
from msgspec.structs import replace

from core.checks.network import CHECK, Link, NetworkFact, judge
from core.model import State
from core.ports import Interface, LinkKind, Route
from tests.support import fakes
from tests.support.running import fact, run_one

LO = Link(name="lo", kind=LinkKind.LOOPBACK, up=True, addresses=("127.0.0.1", "::1"))
CABLE = Link(
    name="eth0", kind=LinkKind.CABLE, up=True, addresses=("192.0.2.5", "fe80::1", "2001:db8::5"), default=100
)
WIFI = Link(name="wlan0", kind=LinkKind.WIFI, up=True, addresses=("192.0.2.6",), default=600)
VPN = Link(name="tun0", kind=LinkKind.VPN, up=True, addresses=("10.8.0.2",), default=0)
DOCKER = Link(name="docker0", kind=LinkKind.VIRTUAL, up=True, addresses=("172.17.0.1",))
UNPLUGGED = Link(name="eth0", kind=LinkKind.CABLE, up=False, addresses=("192.0.2.5",))
NO_LEASE = Link(name="eth0", kind=LinkKind.CABLE, up=True, addresses=("169.254.7.7", "fe80::1"))
ONLY_HERE = Link(name="eth0", kind=LinkKind.CABLE, up=True, addresses=("192.0.2.5",))
NAKED = Link(name="eth0", kind=LinkKind.CABLE, up=True)


@pytest.mark.parametrize(
    ("links", "finding", "state", "args"),
    [
        ((LO, CABLE), "network.ok", State.OK, {"interface": "eth0", "kind": "cable", "address": "192.0.2.5"}),
        ((LO, WIFI), "network.ok", State.OK, {"interface": "wlan0", "kind": "wifi", "address": "192.0.2.6"}),
        (
            (LO, VPN, CABLE),
            "network.ok",
            State.OK,
            {"interface": "eth0", "kind": "cable", "address": "192.0.2.5"},
        ),
        (
            (DOCKER, WIFI),
            "network.ok",
            State.OK,
            {"interface": "wlan0", "kind": "wifi", "address": "192.0.2.6"},
        ),
        (
            (NO_LEASE, WIFI),
            "network.ok",
            State.OK,
            {"interface": "wlan0", "kind": "wifi", "address": "192.0.2.6"},
        ),
        (
            (LO, UNPLUGGED, VPN),
            "network.ok",
            State.OK,
            {"interface": "tun0", "kind": "vpn", "address": "10.8.0.2"},
        ),
        ((), "network.none", State.PROBLEM, {}),
        ((LO,), "network.none", State.PROBLEM, {}),
        ((LO, UNPLUGGED), "network.none", State.PROBLEM, {}),
        ((LO, NAKED), "network.none", State.PROBLEM, {}),
        (
            (LO, NO_LEASE),
            "network.self-assigned",
            State.PROBLEM,
            {"interface": "eth0", "address": "169.254.7.7"},
        ),
        (
            (LO, ONLY_HERE),
            "network.no-default-route",
            State.WARN,
            {"interface": "eth0", "address": "192.0.2.5"},
        ),
        (
            (DOCKER, ONLY_HERE),
            "network.no-default-route",
            State.WARN,
            {"interface": "eth0", "address": "192.0.2.5"},
        ),
    ],
)
def test_judge(links: tuple[Link, ...], finding: str, state: State, args: dict[str, str]) -> None:
    (found,) = judge(NetworkFact(links=links))
    assert (found.id, found.state, found.args) == (finding, state, args)


@pytest.mark.parametrize("links", [(), (LO,), (NO_LEASE,), (CABLE,)])
def test_this_pc_itself_needs_no_network(links: tuple[Link, ...]) -> None:
    (found,) = judge(NetworkFact(links=links, loopback_target=True))
    assert (found.id, found.state) == ("network.not-needed", State.INFO)


# --- probe

V6_FIRST = replace(
    fakes.CABLE, addresses=tuple(ip_interface(a) for a in ("fe80::1/64", "2001:db8::5/64", "192.0.2.50/24"))
)
TUNNEL = Interface(name="tun0", index=3, kind=LinkKind.VPN, up=True, addresses=(ip_interface("10.8.0.2/24"),))


def probed(net: fakes.FakeNet, host: str | None = "pc.example") -> NetworkFact:
    found = fact(run_one(fakes.FakeMachine(net=net), CHECK, host=host))
    assert isinstance(found, NetworkFact)
    return found


def test_a_healthy_pc() -> None:
    row = run_one(fakes.FakeMachine(), CHECK, host="pc.example")
    assert row.findings[0].id == "network.ok"
    assert [(link.name, link.kind, link.default) for link in fact(row).links] == [
        ("lo", LinkKind.LOOPBACK, None),
        ("eth0", LinkKind.CABLE, 100),
    ]


def test_ipv4_comes_first() -> None:
    (link,) = probed(fakes.FakeNet(interfaces=[V6_FIRST])).links
    assert link.addresses == ("192.0.2.50", "fe80::1", "2001:db8::5")


def test_the_better_default_route_counts() -> None:
    routes = [*fakes.ROUTES, Route(destination=ip_network("::/0"), interface="eth0", metric=50)]
    assert [link.default for link in probed(fakes.FakeNet(routes=routes)).links] == [None, 50]


def test_two_halves_are_a_default_route_and_a_blocked_one_is_none() -> None:
    routes = [
        Route(destination=ip_network("0.0.0.0/1"), interface="tun0"),
        Route(destination=ip_network("128.0.0.0/1"), interface="tun0"),
        Route(destination=ip_network("::/0"), interface="eth0", blocked=True),
        Route(destination=ip_network("10.0.0.0/8"), interface="eth0"),
    ]
    net = fakes.FakeNet(interfaces=[fakes.LOOPBACK, fakes.CABLE, TUNNEL], routes=routes)
    assert [link.default for link in probed(net).links] == [None, None, 0]


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("192.0.2.50", False), (None, False)],
)
def test_the_target_is_this_pc(host: str | None, here: bool) -> None:
    assert probed(fakes.FakeNet(), host).loopback_target is here
