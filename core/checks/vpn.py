"""Is there a VPN, is it on, and does it lead to the target?"""

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

import msgspec

from core.check import Check, Context, Group, Skip, info, ok, warn
from core.checks import names
from core.model import Finding
from core.ports import Denied, IpNetwork, LinkKind, NameServer, Unsupported
from core.probes.name_servers import name_servers
from core.probes.names import is_loopback

MOST_ADDRESSES: Final = 8  # of one name
MOST_NETWORKS: Final = 32  # of one VPN

# Addresses that mean something inside one organisation only: RFC 1918, RFC 4193, and RFC 6598, which mesh VPNs use.
_PRIVATE: Final[tuple[IpNetwork, ...]] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv6Network("fc00::/7"),
)


class Vpn(msgspec.Struct, frozen=True, kw_only=True):
    """A VPN interface, the networks behind it, and the name servers that come with it."""

    interface: str
    up: bool
    networks: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """The interface on the way to one address of the target; `next_to`: no router lies between."""

    address: str
    interface: str | None
    next_to: bool = False


class VpnFact(msgspec.Struct, frozen=True, kw_only=True):
    """`paths` is empty while the target's address is not known."""

    vpns: tuple[Vpn, ...]
    paths: tuple[Path, ...] = ()


async def probe(context: Context) -> VpnFact:
    host, machine = context.target.host, context.machine
    if host is not None and is_loopback(host):
        raise Skip("target-is-here")
    routes = await machine.net.routes()
    servers = await _name_servers(context)
    resolved = context.fact(names.CHECK)
    paths: list[Path] = []
    for text in resolved.addresses[:MOST_ADDRESSES] if resolved else ():
        best = await machine.net.best_route(ip_address(text))
        paths.append(Path(address=text, interface=best.interface, next_to=best.on_link))
    return VpnFact(
        vpns=tuple(
            Vpn(
                interface=interface.name,
                up=interface.up,
                networks=tuple(str(r.destination) for r in routes if r.interface == interface.name)[
                    :MOST_NETWORKS
                ],
                servers=tuple(server.address for server in servers if server.interface == interface.name),
            )
            for interface in await machine.net.interfaces()
            if interface.kind is LinkKind.VPN
        ),
        paths=tuple(paths),
    )


async def _name_servers(context: Context) -> tuple[NameServer, ...]:
    try:
        settings = await context.machine.names.settings()
    except (Denied, Unsupported):
        return ()
    return await name_servers(context.machine, settings)


def judge(fact: VpnFact) -> tuple[Finding, ...]:
    if not fact.vpns:
        return (info("vpn.none"),)
    on = [vpn for vpn in fact.vpns if vpn.up]
    inside = next((path for path in fact.paths if _is_private(path.address) and not path.next_to), None)
    if not on:
        # An address that the whole Internet knows, or one on this very network, needs no VPN.
        if inside is not None or not fact.paths:
            return (warn("vpn.off", interface=fact.vpns[0].interface),)
        return (info("vpn.off-not-needed", interface=fact.vpns[0].interface),)
    for path in fact.paths:
        if path.interface in {vpn.interface for vpn in on}:
            return (ok("vpn.carries-target", interface=path.interface, address=path.address),)
    if inside is not None:
        return (warn("vpn.not-for-target", interface=on[0].interface, address=inside.address),)
    return (info("vpn.on", interface=on[0].interface),)


def _is_private(address: str) -> bool:
    return any(ip_address(address) in network for network in _PRIVATE)


CHECK = Check(
    id="vpn", group=Group.LOCAL, probe=probe, judge=judge, reads=("names",), deadline=3.0, retry=False
)
