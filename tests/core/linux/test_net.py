"""Interfaces, routes and neighbours of networks that are made for the test."""

import asyncio
import subprocess
import sys
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the adapters ask Linux", allow_module_level=True)

from core.linux.link_kind import Link, kind_of
from core.linux.net import LinuxNet
from core.ports import BestRoute, LinkKind, Neighbour, NeighbourState, Route
from tests.support.namespace import in_namespace

OPEN_FILES = Path("/proc/self/fd")
CABLE = """
ip link add c0 type veth peer name far
ip link set c0 up
ip link set far up
ip address add 192.0.2.50/24 dev c0
ip address add 2001:db8::50/64 dev c0 nodad
"""


def best(address: str) -> BestRoute:
    return asyncio.run(LinuxNet().best_route(ip_address(address)))


def neighbour(address: str) -> Neighbour:
    return asyncio.run(LinuxNet().neighbour(ip_address(address)))


@in_namespace(
    CABLE
    + """
ip tuntap add tun0 mode tun
ip address add 198.51.100.2 peer 198.51.100.1 dev tun0
ip tuntap add tap0 mode tap
ip tuntap add tap1 mode tap
ip link add br0 type bridge
ip link set tap1 master br0
ip link add mv0 link c0 type macvlan
ip link add vx0 type vxlan id 7 dstport 4789 dev c0
ip link set c0 mtu 1400
"""
)
def test_interfaces_are_what_a_technician_calls_them() -> None:
    interfaces = {i.name: i for i in asyncio.run(LinuxNet().interfaces())}
    kinds = {name: interface.kind for name, interface in interfaces.items()}
    assert kinds == {
        "lo": LinkKind.LOOPBACK,
        "c0": LinkKind.CABLE,
        "far": LinkKind.CABLE,
        "tun0": LinkKind.VPN,
        "tap0": LinkKind.VPN,
        "tap1": LinkKind.VIRTUAL,
        "br0": LinkKind.VIRTUAL,
        "mv0": LinkKind.CABLE,
        "vx0": LinkKind.VIRTUAL,
    }
    cable, tunnel = interfaces["c0"], interfaces["tun0"]
    assert (cable.up, cable.mtu) == (True, 1400)
    assert {ip_interface("192.0.2.50/24"), ip_interface("2001:db8::50/64")} <= set(cable.addresses)
    assert not tunnel.up
    assert tunnel.addresses == (ip_interface("198.51.100.2/32"),)


@in_namespace(CABLE)
def test_up_is_switched_on_and_with_carrier() -> None:
    def up() -> bool:
        return next(i.up for i in asyncio.run(LinuxNet().interfaces()) if i.name == "c0")

    assert up()
    subprocess.run(["ip", "link", "set", "far", "down"], check=True)
    assert not up()


@in_namespace(
    CABLE
    + """
ip route add default via 192.0.2.1 metric 50
ip route add blackhole 203.0.113.0/28
ip route add prohibit 203.0.113.16/28
ip route add unreachable 203.0.113.32/28
ip route add throw 203.0.113.48/28
ip route add 203.0.113.64/28 nexthop via 192.0.2.3 nexthop via 192.0.2.4
ip route add 203.0.113.80/28 via inet6 2001:db8::6 dev c0
ip route add 203.0.113.96/28 via 192.0.2.5 mtu 1300
ip route add 203.0.113.97 via 192.0.2.6 table 77
ip rule add to 203.0.113.97 lookup 77
ip route add blackhole 2001:db8:1::/48
ip route add 2001:db8:2::/48 nexthop via 2001:db8::3 nexthop via 2001:db8::4
"""
)
def test_routes_are_those_of_the_kernel() -> None:
    def route(
        network: str,
        gateway: str | None = None,
        metric: int = 0,
        interface: str | None = "c0",
        blocked: bool = False,
    ) -> Route:
        return Route(
            destination=ip_network(network),
            interface=interface,
            gateway=ip_address(gateway) if gateway else None,
            metric=metric,
            blocked=blocked,
        )

    four = {r for r in asyncio.run(LinuxNet().routes()) if r.destination.version == 4}
    assert four == {
        route("192.0.2.0/24"),
        route("0.0.0.0/0", "192.0.2.1", 50),
        route("203.0.113.0/28", interface=None, blocked=True),
        route("203.0.113.16/28", interface=None, blocked=True),
        route("203.0.113.32/28", interface=None, blocked=True),
        route("203.0.113.64/28", "192.0.2.3"),
        route("203.0.113.64/28", "192.0.2.4"),
        route("203.0.113.80/28", "2001:db8::6"),
        route("203.0.113.96/28", "192.0.2.5"),
        route("203.0.113.97/32", "192.0.2.6"),
    }
    six = {r for r in asyncio.run(LinuxNet().routes()) if r.destination.version == 6}
    six = {r for r in six if not r.destination.is_link_local}
    assert six == {
        route("2001:db8::/64", metric=256),
        route("2001:db8:1::/48", metric=1024, interface=None, blocked=True),
        route("2001:db8:2::/48", "2001:db8::3", 1024),
        route("2001:db8:2::/48", "2001:db8::4", 1024),
    }

    source, mtu = ip_address("192.0.2.50"), 1500
    ways = {
        "192.0.2.9": (None, mtu),
        "198.51.100.1": ("192.0.2.1", mtu),
        "203.0.113.81": ("2001:db8::6", mtu),
        "203.0.113.98": ("192.0.2.5", 1300),
        "203.0.113.97": ("192.0.2.6", mtu),
    }
    for address, (gateway, expected_mtu) in ways.items():
        assert best(address) == BestRoute(
            address=ip_address(address),
            interface="c0",
            source=source,
            gateway=ip_address(gateway) if gateway else None,
            mtu=expected_mtu,
        )
    for address, detail in {
        "203.0.113.1": "blackhole route",
        "203.0.113.17": "prohibit route",
        "203.0.113.33": "unreachable route",
        "203.0.113.49": "no route",  # throw: none in this table
        "2001:db8:1::1": "blackhole route",
        "2001:db8:f::1": "no route",
    }.items():
        assert best(address) == BestRoute(address=ip_address(address), no_route=True, detail=detail)


@in_namespace(CABLE)
def test_a_link_local_address_is_reached_through_its_zone() -> None:
    for zone in ("c0", "far"):
        assert best(f"fe80::7%{zone}").interface == zone
    assert best("fe80::7%nowhere").no_route


@in_namespace()
def test_an_address_without_any_network_has_no_route() -> None:
    assert best("192.0.2.7") == BestRoute(address=ip_address("192.0.2.7"), no_route=True, detail="no route")
    assert asyncio.run(LinuxNet().routes()) == ()


@in_namespace(
    CABLE
    + """
ip link add other type veth peer name other-far
ip link set other up
ip link set other-far up
ip neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev c0 nud reachable
ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev c0 nud stale
ip neighbour add 192.0.2.3 dev c0 nud failed
ip neighbour add 192.0.2.4 lladdr 02:00:00:00:00:04 dev c0 nud permanent
ip neighbour add 192.0.2.5 dev c0 nud incomplete
ip neighbour add 192.0.2.1 dev other nud failed
ip neighbour add 192.0.2.3 lladdr 02:00:00:00:00:03 dev other nud permanent
ip neighbour add 2001:db8::1 lladdr 02:00:00:00:00:06 dev c0 nud stale
"""
)
def test_neighbours_are_told_as_the_kernel_sees_them() -> None:
    states = NeighbourState
    for address, state, mac in (
        ("192.0.2.1", states.REACHABLE, "02:00:00:00:00:01"),
        ("192.0.2.2", states.STALE, "02:00:00:00:00:02"),
        ("192.0.2.3", states.FAILED, None),
        ("192.0.2.4", states.PERMANENT, "02:00:00:00:00:04"),
        ("192.0.2.5", states.INCOMPLETE, None),
        ("2001:db8::1", states.STALE, "02:00:00:00:00:06"),
    ):
        assert neighbour(address) == Neighbour(
            address=ip_address(address), state=state, interface="c0", mac=mac
        )
    assert neighbour("192.0.2.99").state is states.NONE


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        (Link(name="eth0", driver=None, hardware=1), LinkKind.CABLE),
        (Link(name="wlp3s0", driver=None, hardware=1, wireless=True), LinkKind.WIFI),
        (Link(name="wg0", driver="wireguard", hardware=0xFFFE), LinkKind.VPN),
        (Link(name="office", driver="wireguard", hardware=0xFFFE), LinkKind.VPN),
        (Link(name="ppp0", driver="ppp", hardware=512), LinkKind.VPN),
        (Link(name="ppp0", driver=None, hardware=512), LinkKind.VPN),
        (Link(name="tunl0", driver="ipip", hardware=768), LinkKind.VIRTUAL),
        (Link(name="bond0", driver="bond", hardware=1), LinkKind.CABLE),
        (Link(name="eth0.7", driver="vlan", hardware=1), LinkKind.CABLE),
        (Link(name="br0", driver="bridge", hardware=1, has_hardware=True), LinkKind.CABLE),
        (Link(name="docker0", driver="bridge", hardware=1), LinkKind.VIRTUAL),
        (Link(name="vnet0", driver="tun", hardware=1, port=True), LinkKind.VIRTUAL),
        (Link(name="wwan0", driver="wwan", hardware=0xFFFE), LinkKind.OTHER),
        (Link(name="wwp0s20", driver=None, hardware=0xFFFE), LinkKind.OTHER),
    ],
)
def test_kinds(link, kind):
    assert kind_of(link) is kind


def test_everything_works_in_a_running_loop_at_the_same_time():
    async def main() -> int:
        net = LinuxNet()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(net.best_route(ip_address("127.0.0.1"))) for _ in range(8)]
            others = [group.create_task(net.interfaces()), group.create_task(net.routes())]
        assert all(task.result() for task in others[:1])
        return sum(task.result().interface == "lo" for task in tasks)

    before = sorted(OPEN_FILES.iterdir())
    assert asyncio.run(main()) == 8
    assert sorted(OPEN_FILES.iterdir()) == before
