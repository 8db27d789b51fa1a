"""This PC, when it runs Windows. Names and the time are asked; the other questions are answered by no one yet."""

# ruff: noqa: ARG002 - a question without an answer does not look at its arguments

import socket
from datetime import UTC, datetime
from typing import NoReturn

import msgspec

from core import resolver
from core.ports import (
    BestRoute,
    ClockState,
    Echo,
    HostsLine,
    IcmpNotice,
    Interface,
    IpAddress,
    NameSettings,
    Neighbour,
    OutgoingAnswer,
    Resolution,
    Route,
    TcpInfo,
    Unsupported,
)


def _not_read(what: str) -> NoReturn:
    raise Unsupported(f"this version does not read the {what} of Windows")


class WindowsNames:
    """Implements `core.ports.Names`."""

    async def resolve(self, name: str, *, timeout: float) -> Resolution:
        return await resolver.resolve(name, timeout=timeout)

    async def settings(self) -> NameSettings:
        _not_read("name servers")

    async def hosts(self) -> tuple[HostsLine, ...]:
        _not_read("hosts file")


class WindowsNet:
    """Implements `core.ports.Net`."""

    async def interfaces(self) -> tuple[Interface, ...]:
        _not_read("network interfaces")

    async def routes(self) -> tuple[Route, ...]:
        _not_read("routing table")

    async def best_route(self, address: IpAddress) -> BestRoute:
        _not_read("routing table")

    async def neighbour(self, address: IpAddress) -> Neighbour:
        _not_read("neighbour table")

    async def echo(
        self,
        address: IpAddress,
        *,
        payload: int = 32,
        dont_fragment: bool = False,
        ttl: int | None = None,
        timeout: float,
    ) -> Echo:
        raise Unsupported("this version sends no ICMP echo on Windows")

    def tcp_info(self, sock: socket.socket) -> TcpInfo | None:
        return None

    def watch_icmp(self, sock: socket.socket, *, on: bool = True) -> None:
        """Nothing to switch on."""

    def icmp_notice(self, sock: socket.socket) -> IcmpNotice | None:
        return None


class WindowsFirewall:
    """Implements `core.ports.Firewall`."""

    async def outgoing_tcp(self, address: IpAddress, port: int, *, interface: str | None) -> OutgoingAnswer:
        _not_read("firewall rules")


class WindowsClock:
    """Implements `core.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def state(self) -> ClockState:
        _not_read("time service")


class WindowsMachine(msgspec.Struct, frozen=True, kw_only=True):
    """Implements `core.ports.Machine`."""

    platform: str = "windows"
    names: WindowsNames = msgspec.field(default_factory=WindowsNames)
    net: WindowsNet = msgspec.field(default_factory=WindowsNet)
    firewall: WindowsFirewall = msgspec.field(default_factory=WindowsFirewall)
    clock: WindowsClock = msgspec.field(default_factory=WindowsClock)
