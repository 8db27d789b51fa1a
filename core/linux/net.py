"""Interfaces, routes and neighbours on Linux: the kernel, asked over rtnetlink(7).

pyroute2 has an event loop of its own inside its plain calls, which fails under a running one, and takes 0.1 s to
import. So every question runs in a thread, and the import waits for the first of them.
"""

import sys

if sys.platform != "linux":
    raise ImportError("asks Linux")

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from core import blocking
from core.linux import error_queue, icmp, tcp_info
from core.linux.link_kind import Link, kind_of
from core.ports import (
    BestRoute,
    Denied,
    Echo,
    IcmpNotice,
    Interface,
    IpAddress,
    Neighbour,
    NeighbourState,
    Route,
    TcpInfo,
    Unsupported,
)

_SYS_NET = Path("/sys/class/net")

# linux/if.h
_IFF_LOOPBACK = 0x8
_IFF_CONNECTED = 0x1_0001  # IFF_UP and IFF_LOWER_UP: switched on, and with carrier
# linux/rtnetlink.h: what a route does, and where it stands.
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_BLOCKED_TYPES = frozenset({6, 7, 8})  # blackhole, unreachable, prohibit
_RT_TABLE_UNSPEC = 0  # of the kernel's own "no IPv6 route" entry

# What the kernel answers for a destination that it will not send to (fib_props in net/ipv4/fib_semantics.c).
_NO_ROUTE = {
    errno.ENETUNREACH: "no route",
    errno.EHOSTUNREACH: "unreachable route",
    errno.EACCES: "prohibit route",
    errno.EINVAL: "blackhole route",
}

# NUD_*, linux/neighbour.h. Links without neighbour discovery have entries too (0x40): they say nothing.
_NEIGHBOUR_STATES = {
    0x01: NeighbourState.INCOMPLETE,
    0x02: NeighbourState.REACHABLE,
    0x04: NeighbourState.STALE,
    0x08: NeighbourState.STALE,  # NUD_DELAY
    0x10: NeighbourState.STALE,  # NUD_PROBE
    0x20: NeighbourState.FAILED,
    0x80: NeighbourState.PERMANENT,
}


class LinuxNet(msgspec.Struct, frozen=True):
    """Implements `core.ports.Net`. The questions to the kernel raise Denied or Unsupported in a sandbox."""

    async def interfaces(self) -> tuple[Interface, ...]:
        return await blocking.call(_interfaces, name="interfaces")

    async def routes(self) -> tuple[Route, ...]:
        return await blocking.call(_routes, name="routes")

    async def best_route(self, address: IpAddress) -> BestRoute:
        return await blocking.call(lambda: _best_route(address), name="best route")

    async def neighbour(self, address: IpAddress) -> Neighbour:
        return await blocking.call(lambda: _neighbour(address), name="neighbour")

    async def echo(
        self,
        address: IpAddress,
        *,
        payload: int = 32,
        dont_fragment: bool = False,
        ttl: int | None = None,
        timeout: float,
    ) -> Echo:
        return await icmp.echo(
            address, payload=payload, dont_fragment=dont_fragment, ttl=ttl, timeout=timeout
        )

    def tcp_info(self, sock: socket.socket) -> TcpInfo | None:
        return tcp_info.read(sock)

    def watch_icmp(self, sock: socket.socket, *, on: bool = True) -> None:
        error_queue.watch(sock, on=on)

    def icmp_notice(self, sock: socket.socket) -> IcmpNotice | None:
        return error_queue.icmp_notice(sock)


@contextlib.contextmanager
def _kernel() -> Iterator[Any]:
    from pyroute2 import IPRoute  # noqa: PLC0415 - see the module docstring

    try:
        netlink = IPRoute()
    except PermissionError as error:
        raise Denied(f"netlink: {error.strerror}") from None
    except OSError as error:
        raise Unsupported(f"netlink: {error.strerror}") from None
    with netlink:
        yield netlink


def _interfaces() -> tuple[Interface, ...]:
    with _kernel() as kernel:
        links = kernel.get_links()
        addresses: dict[int, list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]] = {}
        for entry in kernel.get_addr():
            # On a point-to-point link IFA_ADDRESS is the other end.
            text = entry.get("IFA_LOCAL") or entry.get("IFA_ADDRESS")
            if text is not None:
                own = ipaddress.ip_interface(f"{text}/{entry['prefixlen']}")
                addresses.setdefault(entry["index"], []).append(own)
    with_hardware = {link.get("IFLA_MASTER") for link in links if _driver(link) is None}
    return tuple(
        Interface(
            name=link.get("IFLA_IFNAME"),
            index=link["index"],
            kind=kind_of(
                Link(
                    name=link.get("IFLA_IFNAME"),
                    driver=_driver(link),
                    hardware=link["ifi_type"],
                    loopback=bool(link["flags"] & _IFF_LOOPBACK),
                    wireless=_is_wireless(link.get("IFLA_IFNAME")),
                    port=link.get("IFLA_MASTER") is not None,
                    has_hardware=link["index"] in with_hardware,
                )
            ),
            up=link["flags"] & _IFF_CONNECTED == _IFF_CONNECTED,
            addresses=tuple(addresses.get(link["index"], ())),
            mtu=link.get("IFLA_MTU"),
        )
        for link in links
    )


def _driver(link: Any) -> str | None:
    info = link.get("IFLA_LINKINFO")
    return None if info is None else info.get("IFLA_INFO_KIND")


def _is_wireless(name: str) -> bool:
    return any((_SYS_NET / name / mark).exists() for mark in ("wireless", "phy80211"))


def _routes() -> tuple[Route, ...]:
    with _kernel() as kernel:
        entries = kernel.get_routes()
    names = dict(socket.if_nameindex())
    return tuple(route for entry in entries for route in _routes_of(entry, names))


def _routes_of(entry: Any, names: dict[int, str]) -> Iterator[Route]:
    """The Route of an entry; several where the kernel spreads packets over several gateways."""
    blocked = entry["type"] in _BLOCKED_TYPES
    wanted = entry["family"] in {socket.AF_INET, socket.AF_INET6} and (
        entry["type"] == _RTN_UNICAST or blocked
    )
    if not wanted or entry["table"] == _RT_TABLE_UNSPEC:
        return
    anywhere = "0.0.0.0" if entry["family"] == socket.AF_INET else "::"
    destination = ipaddress.ip_network((entry.get("RTA_DST") or anywhere, entry["dst_len"]), strict=False)
    for hop in entry.get("RTA_MULTIPATH") or (entry,):
        index = hop["oif"] if hop is not entry else hop.get("RTA_OIF")
        yield Route(
            destination=destination,
            interface=None if blocked else names.get(index),
            gateway=_gateway(hop),
            metric=entry.get("RTA_PRIORITY") or 0,
            blocked=blocked,
        )


def _best_route(address: IpAddress) -> BestRoute:
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    with _kernel() as kernel:
        try:
            entry = _ask_route(kernel, address)
            # A packet to an own address takes the loopback, whichever interface has the address.
            index = socket.if_nametoindex("lo") if entry["type"] == _RTN_LOCAL else entry.get("RTA_OIF")
            (link,) = kernel.get_links(index)
        except NetlinkError as error:
            detail = _NO_ROUTE.get(error.code) or os.strerror(error.code)
            return BestRoute(address=address, no_route=True, detail=detail)
        except OSError as error:
            return BestRoute(address=address, no_route=True, detail=str(error))
    source = entry.get("RTA_PREFSRC")
    metrics = entry.get("RTA_METRICS")
    return BestRoute(
        address=address,
        interface=link.get("IFLA_IFNAME"),
        source=None if source is None else ipaddress.ip_address(source),
        gateway=_gateway(entry),
        mtu=(metrics and metrics.get("RTAX_MTU")) or link.get("IFLA_MTU"),
    )


def _ask_route(kernel: Any, address: IpAddress) -> Any:
    """The kernel's choice, with all its tables and rules. Raises NetlinkError, or OSError for an unknown zone."""
    text, _, zone = str(address).partition("%")
    if not zone:
        return kernel.route("get", dst=text)[0]
    return kernel.route("get", dst=text, oif=int(zone) if zone.isdecimal() else socket.if_nametoindex(zone))[
        0
    ]


def _gateway(hop: Any) -> IpAddress | None:
    via = hop.get("RTA_VIA")  # an IPv6 gateway of an IPv4 route
    text = hop.get("RTA_GATEWAY") or (via and via["addr"])
    return ipaddress.ip_address(text) if text else None


def _neighbour(address: IpAddress) -> Neighbour:
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    text = str(address).partition("%")[0]
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with _kernel() as kernel:
        entries = [
            entry
            for entry in kernel.get_neighbours(family=family)
            if entry.get("NDA_DST") == text and entry["state"] in _NEIGHBOUR_STATES
        ]
        if len(entries) > 1:
            # Two networks may use the same addresses; what counts is where packets go.
            with contextlib.suppress(NetlinkError, OSError):
                index = _ask_route(kernel, address).get("RTA_OIF")
                entries.sort(key=lambda entry: entry["ifindex"] != index)
    if not entries:
        return Neighbour(address=address, state=NeighbourState.NONE)
    entry = entries[0]
    return Neighbour(
        address=address,
        state=_NEIGHBOUR_STATES[entry["state"]],
        interface=dict(socket.if_nameindex()).get(entry["ifindex"]),
        mac=entry.get("NDA_LLADDR"),
    )
