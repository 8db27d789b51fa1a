import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from core.demo.faults import FAULTS
from core.demo.server import ScriptedServer
from core.ports import IcmpNotice
from core.probes.dialer import (
    Attempt,
    BudgetSpent,
    Connect,
    Connection,
    Dialer,
    Hangup,
    HungUp,
    sockaddr,
)
from tests.support.fakes import TCP, FakeNet
from tests.support.loopback import (
    MOST_BYTES,
    Crowd,
    Peer,
    Talk,
    connected,
    floods,
    listening,
    run,
    says,
    trickles,
)
from tests.support.namespace import in_namespace

CLOSED = FAULTS["port-closed"]
ANSWERS_WITH_RST = pytest.mark.skipif(sys.platform == "win32", reason="a full backlog refuses there")


SEEN=[]


async def attempt(address: str, port: int, net: FakeNet | None = None, *, timeout: float = 5) -> Attempt:
    async with Dialer(net or FakeNet()).dial(address, port, timeout=timeout) as connection:
        return connection.attempt if isinstance(connection, Connection) else connection


# --- attempts


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_is_open_for_the_length_of_its_block(host: str) -> None:
    async def go() -> None:
        dialer = Dialer(FakeNet())
        async with listening(Peer.silence, host=host) as server:
            async with dialer.dial(host, server.port, timeout=5) as connection:
                assert isinstance(connection, Connection)
                seen = connection.attempt
                await connection.send(b"hello", until=asyncio.get_running_loop().time() + 5)
            while b"hello" not in server.peers[0].received:
                await asyncio.sleep(0)
            assert await server.peers[0].hear() == b""
        assert (seen.address, seen.port, seen.outcome) == (host, server.port, Connect.CONNECTED)
        assert (seen.error, seen.info, seen.icmp) == (None, TCP, None)
        assert dialer.opened == {host: 1}

    run(go())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_closed_port_refuses(host: str) -> None:
    async def go() -> Attempt:
        async with ScriptedServer(CLOSED, host=host) as server:
            return await attempt(host, server.port)

    seen = run(go())
    assert (seen.outcome, seen.info, seen.icmp) == (Connect.REFUSED, None, None)
    assert seen.error in {errno.ECONNREFUSED, 1225}
    assert 0 < seen.took_ms < 5000


@pytest.mark.parametrize(("prohibited", "outcome"), [(True, Connect.PROHIBITED), (False, Connect.REFUSED)])
def test_the_router_that_refused_is_named(prohibited: bool, outcome: Connect) -> None:
    notice = IcmpNotice(sender="192.0.2.1", type=3, code=13, prohibited=prohibited)

    async def go() -> Attempt:
        async with ScriptedServer(CLOSED) as server:
            return await attempt("127.0.0.1", server.port, FakeNet(notice=notice))

    seen = run(go())
    assert (seen.outcome, seen.icmp) == (outcome, notice)


@contextlib.asynccontextmanager
async def full() -> AsyncIterator[int]:
    """A port whose queue is full: Linux drops a further SYN, as a firewall would."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asyncio.get_running_loop().sock_connect(client, listener.getsockname())
        yield listener.getsockname()[1]


@ANSWERS_WITH_RST
def test_silence_ends_at_the_timeout() -> None:
    async def go() -> Attempt:
        async with full() as port:
            return await attempt("127.0.0.1", port, timeout=0.1)

    seen = run(go())
    assert (seen.outcome, seen.error, seen.info) == (Connect.SILENT, None, None)
    assert seen.took_ms >= 99


@pytest.mark.parametrize("address", ["fe80::1", "fe80::1%nowhere", "not an address"])
def test_an_address_that_the_system_does_not_take_is_an_outcome(address: str) -> None:
    seen = run(attempt(address, 3389))
    assert seen.outcome in {Connect.OTHER, Connect.NO_ROUTE}


# A router with one cable to us. What it says of the far network comes back as real ICMP.
ROUTER = """
ip netns add router
ip link add wire type veth peer name far netns router
ip address add 192.0.2.50/24 dev wire
ip link set wire up
ip -n router address add 192.0.2.1/24 dev far
ip -n router link set far up
ip netns exec router sysctl -q -w net.ipv4.ip_forward=1
ip ntable change name arp_cache dev wire retrans 10
ip route add 198.51.100.0/24 via 192.0.2.1
ip -n router route add unreachable 198.51.100.1
ip -n router route add prohibit 198.51.100.2
ip -n router route add blackhole 198.51.100.3
ip route add prohibit 198.51.100.4
nft add table inet t
nft add chain inet t out '{ type filter hook output priority 0; }'
nft add rule inet t out ip daddr 192.0.2.61 reject with icmp type admin-prohibited
nft add rule inet t out ip daddr 192.0.2.62 reject with tcp reset
nft add rule inet t out ip daddr 192.0.2.63 drop
"""


@in_namespace(ROUTER)
def test_what_linux_says_of_every_kind_of_way() -> None:
    from core.machine import this_machine

    async def go() -> None:
        dialer = Dialer(this_machine().net)
        for address in (
            "127.0.0.1",
            "192.0.2.1",
            "192.0.2.77",
            "198.51.100.1",
            "198.51.100.2",
            "198.51.100.3",
            "198.51.100.4",
            "192.0.2.61",
            "192.0.2.62",
            "192.0.2.63",
            "203.0.113.1",
            "2001:db8::1",
        ):
            async with dialer.dial(address, 3389, timeout=0.2) as answer:
                print(answer.address, answer.outcome, answer.icmp, SEEN[-1:])

    run(go())
    raise AssertionError
