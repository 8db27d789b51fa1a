"""Which way would a packet to the target take, and is it the right one?"""

from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from core.check import Check, Context, Group, info, ok, problem, warn
from core.checks import names
from core.model import Finding
from core.ports import BestRoute, IpAddress, LinkKind, Route

MOST_ADDRESSES: Final = 8  # of one name
_NARROWEST_DEFAULT: Final = 1  # 0.0.0.0/1 and 128.0.0.0/1 together are a VPN's default route


class Covering(msgspec.Struct, frozen=True, kw_only=True):
    """A route whose destination holds an address. `vpn`: its interface is a VPN."""

    network: str
    interface: str | None
    gateway: str | None = None
    vpn: bool = False
    blocked: bool = False


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What the system would do with a packet to `address`.

    Attributes:
        own: the address is one of this PC's.
        vpn: it would leave through a VPN.
        routes: every route that holds the address, the narrowest first.
    """

    address: str
    interface: str | None = None
    gateway: str | None = None
    source: str | None = None
    mtu: int | None = None
    no_route: bool = False
    own: bool = False
    vpn: bool = False
    detail: str = ""
    routes: tuple[Covering, ...] = ()


class RouteFact(msgspec.Struct, frozen=True, kw_only=True):
    """One way for each address, in the order in which a client tries them."""

    ways: tuple[Way, ...]


async def probe(context: Context) -> RouteFact:
    resolved = context.fact(names.CHECK)
    net = context.machine.net
    interfaces = await net.interfaces()
    table = await net.routes()
    own = {address.ip for interface in interfaces for address in interface.addresses}
    vpns = frozenset(interface.name for interface in interfaces if interface.kind is LinkKind.VPN)
    ways: list[Way] = []
    for text in resolved.addresses[:MOST_ADDRESSES] if resolved else ():
        address = ip_address(text)
        best = await net.best_route(address)
        ways.append(
            _way(
                best,
                own=address.is_loopback or address.is_unspecified or address in own,
                vpns=vpns,
                table=table,
            )
        )
    return RouteFact(ways=tuple(ways))


def _way(best: BestRoute, *, own: bool, vpns: frozenset[str], table: tuple[Route, ...]) -> Way:
    return Way(
        address=str(best.address),
        interface=best.interface,
        gateway=_text(best.gateway),
        source=_text(best.source),
        mtu=best.mtu,
        no_route=best.no_route,
        own=own,
        vpn=best.interface in vpns,
        detail=best.detail,
        routes=tuple(
            Covering(
                network=str(route.destination),
                interface=route.interface,
                gateway=_text(route.gateway),
                vpn=route.interface in vpns,
                blocked=route.blocked,
            )
            for route in sorted(table, key=lambda route: (-route.destination.prefixlen, route.metric))
            if best.address in route.destination
        ),
    )


def _text(address: IpAddress | None) -> str | None:
    return None if address is None else str(address)


def judge(fact: RouteFact) -> tuple[Finding, ...]:
    leading = [way for way in fact.ways if not way.no_route]
    if not leading:
        first = fact.ways[0]
        if first.routes and first.routes[0].blocked:
            return (problem("route.blocked", address=first.address, network=first.routes[0].network),)
        return (problem("route.none", address=first.address),)
    lost = [way.address for way in fact.ways if way.no_route]
    some = (info("route.some-without", first=lost[0], lost=len(lost), count=len(fact.ways)),) if lost else ()
    overlap = next((finding for way in leading for finding in _overlap(way)), None)
    return (*([overlap] if overlap else []), _leads(leading[0]), *some)


def _leads(way: Way) -> Finding:
    if way.own:
        return ok("route.local", address=way.address)
    if way.vpn:
        return ok("route.through-vpn", interface=way.interface, address=way.address)
    if way.gateway is None:
        return ok("route.on-link", interface=way.interface, address=way.address)
    return ok("route.ok", interface=way.interface, gateway=way.gateway, address=way.address)


def _overlap(way: Way) -> tuple[Finding, ...]:
    """The network here and a network behind the VPN use the same addresses, and this is one of them."""
    if way.own:
        return ()
    routes = [r for r in way.routes if not r.blocked and _width(r.network) > _NARROWEST_DEFAULT]
    here = next((route for route in routes if not route.vpn and route.gateway is None), None)
    beyond = next((route for route in routes if route.vpn), None)
    if here is None or beyond is None:
        return ()
    if way.vpn and _width(beyond.network) > _width(here.network):
        # A narrower route into the VPN is the cure that its administrator chose.
        return ()
    return (warn("route.overlap", network=here.network, interface=here.interface, other=beyond.interface),)


def _width(network: str) -> int:
    return ip_network(network).prefixlen


CHECK = Check(
    id="route", group=Group.LOCAL, probe=probe, judge=judge, needs=("names",), deadline=3.0, retry=False
)
