"""Echoes to the loopback, to a router and to what lies behind it."""

import asyncio
import os
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the adapters ask Linux", allow_module_level=True)

from core.linux.net import LinuxNet
from core.ports import Denied, Echo, EchoOutcome
from tests.support.namespace import in_namespace

ALLOWED = Path("/proc/sys/net/ipv4/ping_group_range")

# here - router - far, with a narrow link behind the router
ROUTER = """
ip netns add router
ip netns add far
# A router without a link-local address asks for no neighbours, and it has none until nobody objects to it.
for run in '' 'ip netns exec router' 'ip netns exec far'; do
    $run sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad'
done
ip link add here type veth peer name near netns router
ip link set here up
ip -n router link set near up
ip -n router link add beyond type veth peer name there netns far
ip -n router link set beyond up mtu 1300
ip -n far link set there up mtu 1300
ip -n far link set lo up
ip address add 192.0.2.50/24 dev here
ip address add 2001:db8::50/64 dev here nodad
ip -n router address add 192.0.2.1/24 dev near
ip -n router address add 2001:db8::1/64 dev near nodad
ip -n router address add 198.51.100.1/24 dev beyond
ip -n router address add 2001:db8:1::1/64 dev beyond nodad
ip -n far address add 198.51.100.7/24 dev there
ip -n far address add 2001:db8:1::7/64 dev there nodad
ip route add default via 192.0.2.1
ip route add default via 2001:db8::1
ip -n far route add default via 198.51.100.1
ip -n far route add default via 2001:db8:1::1
ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
ip netns exec router sh -c 'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit'
ip -n router route add unreachable 203.0.113.0/28
ip -n router route add prohibit 203.0.113.16/28
ip -n router route add blackhole 203.0.113.32/28
ip -n router route add unreachable 2001:db8:a::/48
ip -n router route add prohibit 2001:db8:b::/48
ip -n router route add blackhole 2001:db8:c::/48
ip route add unreachable 203.0.113.48/28
"""


def echo(address: str, *, payload: int = 32, dont_fragment: bool = False, ttl: int | None = None) -> Echo:
    question = LinuxNet().echo(
        ip_address(address), payload=payload, dont_fragment=dont_fragment, ttl=ttl, timeout=0.5
    )
    return asyncio.run(question)


def check_everything() -> None:
    for far, router, unreachable, prohibited, blackhole, headers in (
        ("198.51.100.7", "192.0.2.1", "203.0.113.1", "203.0.113.17", "203.0.113.33", 28),
        ("2001:db8:1::7", "2001:db8::1", "2001:db8:a::1", "2001:db8:b::1", "2001:db8:c::1", 48),
    ):
        for address, expected in {
            far: (EchoOutcome.REPLY, far),
            router: (EchoOutcome.REPLY, router),
            unreachable: (EchoOutcome.UNREACHABLE, router),
            prohibited: (EchoOutcome.PROHIBITED, router),
            blackhole: (EchoOutcome.SILENT, None),
        }.items():
            answer = echo(address)
            assert (answer.outcome, answer.sender) == expected, address
            assert answer.mtu is None

        expired = echo(far, ttl=1)
        assert (expired.outcome, expired.sender) == (EchoOutcome.TTL_EXPIRED, router)
        assert echo(far, ttl=2).outcome is EchoOutcome.REPLY

        assert echo(far, payload=1300 - headers, dont_fragment=True).outcome is EchoOutcome.REPLY
        for _ in range(2):  # what the kernel has learnt must not answer for the network
            big = echo(far, payload=1301 - headers, dont_fragment=True)
            assert (big.outcome, big.sender, big.mtu) == (EchoOutcome.TOO_BIG, router, 1300)
        here = echo(far, payload=1501 - headers, dont_fragment=True)
        assert (here.outcome, here.sender, here.mtu) == (EchoOutcome.TOO_BIG, None, 1500)
        assert echo(far, payload=3000).outcome is EchoOutcome.REPLY, "in fragments"

    forbidden_here = echo("203.0.113.49")
    assert (forbidden_here.outcome, forbidden_here.sender) == (EchoOutcome.UNREACHABLE, None)


@in_namespace(ROUTER)
def test_with_raw_sockets() -> None:
    assert ALLOWED.read_text().split() == ["1", "0"], "nobody: a new namespace"
    check_everything()


@in_namespace(ROUTER)
def test_with_datagram_sockets_of_a_plain_user() -> None:
    ALLOWED.write_text("65534 65534")
    os.setgid(65_534)
    os.setuid(65_534)
    check_everything()


@in_namespace()
def test_a_user_without_either_is_denied() -> None:
    os.setgid(65_534)
    os.setuid(65_534)
    with pytest.raises(Denied, match="ping_group_range"):
        echo("127.0.0.1")


@in_namespace("nft 'add table ip t; add chain ip t o { type filter hook output priority 0; policy drop; }'")
def test_our_own_firewall_is_not_taken_for_the_network() -> None:
    with pytest.raises(Denied, match="not permitted"):
        echo("127.0.0.1")


@in_namespace("ip link set lo down")
def test_without_a_network_it_is_unreachable_at_once() -> None:
    for address in ("192.0.2.7", "2001:db8::7"):
        answer = echo(address)
        assert (answer.outcome, answer.sender) == (EchoOutcome.UNREACHABLE, None)
        assert answer.took_ms < 500


@in_namespace()
def test_echoes_at_the_same_time_do_not_mix() -> None:
    async def main() -> set[EchoOutcome]:
        net = LinuxNet()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(net.echo(ip_address("127.0.0.1"), timeout=5)) for _ in range(50)]
        return {task.result().outcome for task in tasks}

    assert asyncio.run(main()) == {EchoOutcome.REPLY}
