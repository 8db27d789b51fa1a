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


async def attempt(address: str, port: int, net: FakeNet | None = None, *, timeout: float = 5) -> Attempt:
    async with Dialer(net or FakeNet()).dial(address, port, timeout=timeout) as connection:
        return connection.attempt if isinstance(connection, Connection) else connection


def soon(seconds: float = 5) -> float:
    return asyncio.get_running_loop().time() + seconds


# --- attempts


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_is_open_for_the_length_of_its_block(host: str) -> None:
    async def go() -> None:
        dialer = Dialer(FakeNet())
        async with listening(Peer.silence, host=host) as server:
            async with dialer.dial(host, server.port, timeout=5) as connection:
                assert isinstance(connection, Connection)
                await connection.send(b"hello", until=soon())
            assert (await server.ended.get()).received == b"hello"
            seen = connection.attempt
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


ROUTERS = IcmpNotice(sender="192.0.2.1", type=3, code=13, prohibited=True)
HOSTS = IcmpNotice(sender="192.0.2.1", type=3, code=3, prohibited=False)


@pytest.mark.parametrize(
    ("notice", "outcome", "told"),
    [
        (ROUTERS, Connect.PROHIBITED, ROUTERS),
        (HOSTS, Connect.REFUSED, HOSTS),
        # This PC's own firewall sends ICMP too, under its own address.
        (
            IcmpNotice(sender="127.0.0.1", type=3, code=13, prohibited=True),
            Connect.BLOCKED_HERE,
            None,
        ),
    ],
)
def test_who_refused_is_told_by_icmp(notice: IcmpNotice, outcome: Connect, told: IcmpNotice | None) -> None:
    async def go() -> Attempt:
        async with ScriptedServer(CLOSED) as server:
            return await attempt("127.0.0.1", server.port, FakeNet(notice=notice))

    seen = run(go())
    assert (seen.outcome, seen.icmp) == (outcome, told)


class WatchedNet(FakeNet):
    """Knows which sockets are watched, and which were when they were connected."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bool] = []

    def watch_icmp(self, sock: socket.socket, *, on: bool = True) -> None:
        super().watch_icmp(sock, on=on)
        self.asked.append(on)


def test_icmp_is_watched_while_connecting_and_no_longer() -> None:
    """A watched connection breaks at an ICMP error that it would else outlive."""
    net = WatchedNet()

    async def go() -> None:
        async with (
            listening(Peer.silence) as server,
            Dialer(net).dial("127.0.0.1", server.port, timeout=5) as connection,
        ):
            assert isinstance(connection, Connection)
            assert net.asked == [True, False]

    run(go())


@contextlib.asynccontextmanager
async def full() -> AsyncIterator[int]:
    """A port whose queue is full: Linux drops a further SYN, as a firewall would."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        client = stack.enter_context(socket.socket())
        client.setblocking(False)
        await loop.sock_connect(client, listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.skipif(sys.platform == "win32", reason="a full queue refuses there")
def test_silence_ends_at_the_timeout() -> None:
    async def go() -> Attempt:
        async with full() as port:
            return await attempt("127.0.0.1", port, timeout=0.1)

    seen = run(go())
    assert (seen.outcome, seen.error, seen.info) == (Connect.SILENT, None, None)
    assert seen.took_ms >= 99


@pytest.mark.skipif(sys.platform == "win32", reason="a full queue refuses there")
def test_a_cancelled_attempt_gives_its_place_to_the_next() -> None:
    async def go() -> None:
        dialer = Dialer(FakeNet(), at_once=1)

        async def dial(port: int) -> Connect:
            async with dialer.dial("127.0.0.1", port, timeout=5) as connection:
                assert isinstance(connection, Connection)
                return connection.attempt.outcome

        async with full() as port, listening(Peer.silence) as server:
            first = asyncio.get_running_loop().create_task(dial(port), name="first")
            second = asyncio.get_running_loop().create_task(dial(server.port), name="second")
            await asyncio.wait([first, second], timeout=0.05)
            assert not second.done()
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert await second is Connect.CONNECTED

    run(go())


@pytest.mark.parametrize("address", ["fe80::1", "fe80::1%nowhere", "not an address"])
def test_an_address_that_the_system_does_not_take_is_an_outcome_too(address: str) -> None:
    assert run(attempt(address, 3389)).outcome in {Connect.OTHER, Connect.NO_ROUTE}


def test_socket_addresses() -> None:
    index, name = socket.if_nameindex()[0]
    assert sockaddr("192.0.2.5", 3389) == ("192.0.2.5", 3389)
    assert sockaddr("::1", 3389) == ("::1", 3389, 0, 0)
    assert sockaddr("fe80::1%7", 3389) == ("fe80::1", 3389, 0, 7)
    assert sockaddr(f"fe80::1%{name}", 3389) == ("fe80::1", 3389, 0, index)


class BrokenLoop(asyncio.SelectorEventLoop):
    """Cannot connect, for a reason of Windows."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self._code = code

    async def sock_connect(self, sock: socket.socket, address: object) -> None:
        error = OSError(errno.EINVAL, "as on Windows")
        error.winerror = self._code  # type: ignore[attr-defined, unused-ignore]
        raise error


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (1225, Connect.REFUSED),
        (121, Connect.SILENT),
        (1231, Connect.NO_ROUTE),
        (1232, Connect.UNREACHABLE),
        (10013, Connect.BLOCKED_HERE),
        (10022, Connect.OTHER),
    ],
)
def test_the_codes_of_windows(code: int, outcome: Connect) -> None:
    with asyncio.Runner(loop_factory=lambda: BrokenLoop(code)) as runner:
        seen = runner.run(attempt("127.0.0.1", 3389))
    assert (seen.outcome, seen.error) == (outcome, code)


# A router at the end of our only cable. What it says of the networks behind it comes back as real ICMP.
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
nft add rule inet t out ip daddr 192.0.2.62 drop
"""


@in_namespace(ROUTER)
def test_what_linux_says_of_every_kind_of_way() -> None:
    from core.machine import this_machine

    async def go() -> dict[str, tuple[Connect, str | None]]:
        dialer, seen = Dialer(this_machine().net), {}
        for address in EXPECTED:
            async with dialer.dial(address, 3389, timeout=0.3) as answer:
                assert isinstance(answer, Attempt)
                seen[address] = (answer.outcome, answer.icmp.sender if answer.icmp else None)
        return seen

    assert run(go()) == EXPECTED


EXPECTED = {
    "192.0.2.1": (Connect.REFUSED, None),
    "192.0.2.77": (Connect.UNREACHABLE, None),  # nobody answers ARP
    "198.51.100.1": (Connect.UNREACHABLE, "192.0.2.1"),
    "198.51.100.2": (Connect.PROHIBITED, "192.0.2.1"),
    "198.51.100.3": (Connect.SILENT, None),
    "198.51.100.4": (Connect.BLOCKED_HERE, None),
    "192.0.2.61": (Connect.BLOCKED_HERE, None),
    "192.0.2.62": (Connect.SILENT, None),
    "203.0.113.1": (Connect.NO_ROUTE, None),
    "2001:db8::1": (Connect.NO_ROUTE, None),
}


# --- how many


def test_three_at_once_to_one_server() -> None:
    async def go() -> tuple[int, int]:
        crowd = Crowd(Peer.finish)
        dialer = Dialer(FakeNet())

        async def visit(port: int) -> None:
            async with dialer.dial("127.0.0.1", port, timeout=5) as connection:
                assert isinstance(connection, Connection)
                with pytest.raises(HungUp):
                    await connection.receive(until=soon())

        async with listening(crowd) as server, asyncio.TaskGroup() as group:
            for n in range(7):
                group.create_task(visit(server.port), name=f"visit {n}")
        return crowd.most, len(server.peers)

    assert run(go()) == (3, 7)


def test_a_run_opens_only_so_many_to_one_server() -> None:
    async def go() -> None:
        dialer = Dialer(FakeNet(), per_run=2)
        async with ScriptedServer(CLOSED) as closed, listening(Peer.silence, host="::1") as other:
            for left in (1, 0):
                async with dialer.dial("127.0.0.1", closed.port, timeout=5) as refused:
                    assert isinstance(refused, Attempt)
                assert dialer.left("127.0.0.1") == left
            with pytest.raises(BudgetSpent):
                async with dialer.dial("127.0.0.1", closed.port, timeout=5):
                    pass
            async with dialer.dial("::1", other.port, timeout=5) as connection:
                assert isinstance(connection, Connection)
        assert dialer.opened == {"127.0.0.1": 2, "::1": 1}

    run(go())


def test_an_error_inside_the_block_comes_out_and_closes_the_connection() -> None:
    async def go() -> None:
        dialer = Dialer(FakeNet(), at_once=1)
        async with listening(Peer.silence) as server:
            with pytest.raises(KeyError, match="mine"):
                async with dialer.dial("127.0.0.1", server.port, timeout=5):
                    raise KeyError("mine")
            await server.ended.get()
            async with dialer.dial("127.0.0.1", server.port, timeout=5) as connection:
                assert isinstance(connection, Connection)

    run(go())


# --- words


async def hear(talk: Talk, wait: float = 5) -> tuple[bytes, Hangup]:
    """All that the server says, and how it ends."""
    async with listening(talk) as server, connected(server.port) as connection:
        until = soon(wait)
        heard = b""
        await connection.send(b"?", until=until)
        try:
            while True:
                heard += await connection.receive(until=until)
        except HungUp as hung:
            assert connection.received == len(heard)
            return heard, hung.how


@pytest.mark.parametrize(
    ("talk", "wait", "heard", "how"),
    [
        (says(b""), 5, b"", Hangup.FIN),
        (says(b"bye"), 5, b"bye", Hangup.FIN),
        (says(b"", Peer.reset), 5, b"", Hangup.RST),
        (says(b"", Peer.silence), 0.1, b"", Hangup.SILENCE),
        (says(b"wait", Peer.silence), 0.1, b"wait", Hangup.SILENCE),
    ],
)
def test_how_a_server_ends_it(talk: Talk, wait: float, heard: bytes, how: Hangup) -> None:
    assert run(hear(talk, wait)) == (heard, how)


def test_a_trickle_does_not_move_the_deadline() -> None:
    heard, how = run(hear(trickles(b"x"), 0.2))
    assert how is Hangup.SILENCE
    assert 1 < len(heard) < 100


def test_a_flood_is_cut_off() -> None:
    heard, how = run(hear(floods(bytes(100_000))))
    assert how is Hangup.FLOOD
    assert 500_000 < len(heard) <= MOST_BYTES


async def deaf(peer: Peer) -> None:
    """Never reads: the buffers of both sides fill up."""
    await asyncio.Event().wait()


@pytest.mark.parametrize(("talk", "wait", "how"), [(deaf, 0.2, Hangup.SILENCE), (Peer.reset, 5, Hangup.RST)])
def test_a_server_that_does_not_take_our_words(talk: Talk, wait: float, how: Hangup) -> None:
    async def go() -> Hangup:
        async with listening(talk) as server, connected(server.port) as connection:
            with pytest.raises(HungUp) as hung:
                await connection.send(bytes(50_000_000), until=soon(wait))
            return hung.value.how

    assert run(go()) is how
