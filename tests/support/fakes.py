"""A PC made of data: every port of `core.ports`, with state instead of a system behind it.

Made without arguments it is healthy: one cable to a home router, which is its name server. Arguments change what
differs. `denied` and `unsupported` name questions (methods) that raise; names that no port has are refused.
"""

import ipaddress
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

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
        servers: Sequence[NameServer] = (NameServer(address=str(ROUTER), interface="eth0"),),
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
        neighbours: Sequence[Neighbour] = (
            Neighbour(
                address=ROUTER, state=NeighbourState.REACHABLE, interface="eth0", mac="02:00:00:00:00:01"
            ),
        ),
        echoes: Mapping[str, Echo] | None = None,
        tcp: TcpInfo | None = TcpInfo(rtt_ms=0.2, rtt_var_ms=0.1, min_rtt_ms=0.1, send_mss=1448, path_mtu=1500),
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
        self._watched: set[int] = set()
        self._guard = _Guard(Net, denied, unsupported)
