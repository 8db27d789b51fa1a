"""A PC made of data: every port of `core.ports`, with state instead of a system behind it.

Made without arguments it is healthy: one cable to a home router, which is its name server. Arguments change what
differs. `denied` and `unsupported` name questions (methods) that raise; a name that the port does not have is a mistake of the test.
"""

import ipaddress
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from weakref import WeakSet

from core.ports import (
    BestRoute,
    Block,
    Clock,
    ClockState,
    Denied,
    Echo,
    EchoOutcome,
    Firewall,
    HostsLine,
    IcmpNotice,
    Interface,
    IpAddress,
    LinkKind,
    Names,
    NameServer,
    NameSettings,
    Neighbour,
    NeighbourState,
    Net,
    OutgoingAnswer,
    Resolution,
    ResolveFailure,
    Route,
    TcpInfo,
    Unsupported,
)

LOOPBACK = Interface(
    name="lo",
    index=1,
    kind=LinkKind.LOOPBACK,
    up=True,
    addresses=(ipaddress.ip_interface("127.0.0.1/8"), ipaddress.ip_interface("::1/128")),
    mtu=65_536,
)
CABLE = Interface(
    name="eth0",
    index=2,
    kind=LinkKind.CABLE,
    up=True,
    addresses=(ipaddress.ip_interface("192.0.2.50/24"),),
    mtu=1500,
)
ROUTER = ipaddress.ip_address("192.0.2.1")
ROUTES = (
    Route(destination=ipaddress.ip_network("0.0.0.0/0"), interface="eth0", gateway=ROUTER, metric=100),
    Route(destination=ipaddress.ip_network("192.0.2.0/24"), interface="eth0", metric=100),
)
NEIGHBOURS = (
    Neighbour(address=ROUTER, state=NeighbourState.REACHABLE, interface="eth0", mac="02:00:00:00:00:01"),
)
TCP = TcpInfo(rtt_ms=0.2, rtt_var_ms=0.1, min_rtt_ms=0.1, send_mss=1448, path_mtu=1500)
SERVERS = (NameServer(address=str(ROUTER), interface="eth0"),)
LOCALHOST = (HostsLine("127.0.0.1", "localhost", 1), HostsLine("::1", "localhost", 2))


class _Guard:
    """Raises for the questions that this user or this system has no answer to."""

    def __init__(self, port: type, denied: Collection[str], unsupported: Collection[str]) -> None:
        unknown = {*denied, *unsupported} - set(vars(port))
        assert not unknown, f"{port.__name__} has no {unknown}"
        self._denied = frozenset(denied)
        self._unsupported = frozenset(unsupported)

    def pass_(self, question: str) -> None:
        if question in self._denied:
            raise Denied(f"{question}: not for this user")
        if question in self._unsupported:
            raise Unsupported(f"{question}: not on this system")


class FakeNames:
    """Implements `core.ports.Names`.

    Args:
        known: the answer for each name: addresses, or why there are none. Names in `hosts` are known too, addresses
            stand for themselves, and any other name is not found.
    """

    def __init__(
        self,
        known: Mapping[str, Sequence[str] | ResolveFailure] | None = None,
        *,
        servers: Sequence[NameServer] = SERVERS,
        search: Sequence[str] = (),
        hosts: Sequence[HostsLine] = LOCALHOST,
        took_ms: float = 1.0,
        denied: Collection[str] = (),
        unsupported: Collection[str] = (),
    ) -> None:
        self._known = dict(known or {})
        self._settings = NameSettings(servers=tuple(servers), search=tuple(search))
        self._hosts = tuple(hosts)
        self._took_ms = took_ms
        self._guard = _Guard(Names, denied, unsupported)
        self.asked: list[str] = []

    async def resolve(self, name: str, *, timeout: float) -> Resolution:
        self._guard.pass_("resolve")
        self.asked.append(name)
        answer = self._answer(name)
        if isinstance(answer, ResolveFailure):
            took_ms = timeout * 1000 if answer is ResolveFailure.SILENT else self._took_ms
            return Resolution(name=name, failure=answer, detail=f"fake: {answer}", took_ms=took_ms)
        return Resolution(name=name, addresses=tuple(answer), took_ms=self._took_ms)

    def _answer(self, name: str) -> Sequence[str] | ResolveFailure:
        if name in self._known:
            return self._known[name]
        in_hosts = tuple(line.address for line in self._hosts if line.name.lower() == name.lower())
        if in_hosts:
            return in_hosts
        try:
            return (str(ipaddress.ip_address(name)),)
        except ValueError:
            return ResolveFailure.NOT_FOUND

    async def settings(self) -> NameSettings:
        self._guard.pass_("settings")
        return self._settings

    async def hosts(self) -> tuple[HostsLine, ...]:
        self._guard.pass_("hosts")
        return self._hosts


class FakeNet:
    """Implements `core.ports.Net`. The best route follows from interfaces and routes, as in a real system.

    Args:
        neighbours: the neighbour table; an address that is not in it has no entry.
        echoes: what an echo to an address brings. Addresses of an interface reply, all others are silent.
        tcp: what the kernel tells of an open connection.
        notice: the ICMP error behind every failed connect of a watched socket.
    """

    def __init__(
        self,
        *,
        interfaces: Sequence[Interface] = (LOOPBACK, CABLE),
        routes: Sequence[Route] = ROUTES,
        neighbours: Sequence[Neighbour] = NEIGHBOURS,
        echoes: Mapping[str, Echo] | None = None,
        tcp: TcpInfo | None = TCP,
        notice: IcmpNotice | None = None,
        denied: Collection[str] = (),
        unsupported: Collection[str] = (),
    ) -> None:
        self._interfaces = tuple(interfaces)
        self._routes = tuple(routes)
        self._neighbours = {neighbour.address: neighbour for neighbour in neighbours}
        self._echoes = {ipaddress.ip_address(address): echo for address, echo in (echoes or {}).items()}
        self._tcp = tcp
        self._notice = notice
        self._watched: WeakSet[socket.socket] = WeakSet()
        self._guard = _Guard(Net, denied, unsupported)

    async def interfaces(self) -> tuple[Interface, ...]:
        self._guard.pass_("interfaces")
        return self._interfaces

    async def routes(self) -> tuple[Route, ...]:
        self._guard.pass_("routes")
        return self._routes

    async def best_route(self, address: IpAddress) -> BestRoute:
        self._guard.pass_("best_route")
        if self._is_own(address):
            loopback = next(i for i in self._interfaces if i.kind is LinkKind.LOOPBACK)
            return BestRoute(address=address, interface=loopback.name, source=address, mtu=loopback.mtu)
        up = {interface.name: interface for interface in self._interfaces if interface.up}
        usable = [r for r in self._routes if address in r.destination and (r.blocked or r.interface in up)]
        if not usable:
            return BestRoute(address=address, no_route=True, detail="no route")
        route = max(usable, key=lambda route: (route.destination.prefixlen, -route.metric))
        if route.blocked:
            return BestRoute(address=address, no_route=True, detail="unreachable route")
        interface = up[route.interface or ""]
        sources = [own.ip for own in interface.addresses if own.version == address.version]
        return BestRoute(
            address=address,
            interface=interface.name,
            source=sources[0] if sources else None,
            gateway=route.gateway,
            mtu=interface.mtu,
        )

    async def neighbour(self, address: IpAddress) -> Neighbour:
        self._guard.pass_("neighbour")
        return self._neighbours.get(address) or Neighbour(address=address, state=NeighbourState.NONE)

    async def echo(
        self,
        address: IpAddress,
        *,
        payload: int = 32,
        dont_fragment: bool = False,
        ttl: int | None = None,
        timeout: float,
    ) -> Echo:
        self._guard.pass_("echo")
        if address in self._echoes:
            return self._echoes[address]
        if self._is_own(address):
            return Echo(outcome=EchoOutcome.REPLY, took_ms=0.1, sender=str(address))
        return Echo(outcome=EchoOutcome.SILENT, took_ms=timeout * 1000)

    def tcp_info(self, sock: socket.socket) -> TcpInfo | None:
        return self._tcp if _is_connected(sock) else None

    def watch_icmp(self, sock: socket.socket, *, on: bool = True) -> None:
        if on:
            self._watched.add(sock)
        else:
            self._watched.discard(sock)

    def icmp_notice(self, sock: socket.socket) -> IcmpNotice | None:
        return self._notice if sock in self._watched and not _is_connected(sock) else None

    def _is_own(self, address: IpAddress) -> bool:
        own = [own for interface in self._interfaces for own in interface.addresses]
        return address.is_loopback or any(address == one.ip for one in own)


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


class FakeFirewall:
    """Implements `core.ports.Firewall`. What is not in `answers` passes.

    Args:
        answers: what happens to a connection to an address (as text) and port.
    """

    def __init__(
        self,
        answers: Mapping[tuple[str, int], OutgoingAnswer] | None = None,
        *,
        denied: Collection[str] = (),
        unsupported: Collection[str] = (),
    ) -> None:
        self._answers = {
            (ipaddress.ip_address(a), port): answer for (a, port), answer in (answers or {}).items()
        }
        self._guard = _Guard(Firewall, denied, unsupported)

    async def outgoing_tcp(self, address: IpAddress, port: int, *, interface: str | None) -> OutgoingAnswer:
        self._guard.pass_("outgoing_tcp")
        return self._answers.get((address, port), OutgoingAnswer(block=Block.PASSES))


class FakeClock:
    """Implements `core.ports.Clock`. The clock stands at `time` until a test sets another."""

    def __init__(
        self,
        time: datetime = datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
        *,
        synchronised: bool | None = True,
        estimated_error_ms: float | None = 2.0,
        denied: Collection[str] = (),
        unsupported: Collection[str] = (),
    ) -> None:
        self.time = time
        self._state = ClockState(synchronised=synchronised, estimated_error_ms=estimated_error_ms)
        self._guard = _Guard(Clock, denied, unsupported)

    def now(self) -> datetime:
        self._guard.pass_("now")
        return self.time

    def state(self) -> ClockState:
        self._guard.pass_("state")
        return self._state


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeMachine:
    """Implements `core.ports.Machine`."""

    platform: str = "fake"
    names: FakeNames = field(default_factory=FakeNames)
    net: FakeNet = field(default_factory=FakeNet)
    firewall: FakeFirewall = field(default_factory=FakeFirewall)
    clock: FakeClock = field(default_factory=FakeClock)
