"""Is this PC on a network at all?"""

from ipaddress import ip_address
from typing import Final

import msgspec

from core.check import Check, Context, Group, info, ok, problem, warn
from core.model import Finding
from core.ports import Interface, LinkKind
from core.probes.names import is_loopback

# Where several interfaces carry the default route, the one that a person would name first.
_BY_KIND: Final = (
    LinkKind.CABLE,
    LinkKind.WIFI,
    LinkKind.OTHER,
    LinkKind.VPN,
    LinkKind.VIRTUAL,
    LinkKind.LOOPBACK,
)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One interface, its IPv4 addresses first. `default` is the metric of its default route, None if it has none."""

    name: str
    kind: LinkKind
    up: bool
    addresses: tuple[str, ...] = ()
    default: int | None = None


class NetworkFact(msgspec.Struct, frozen=True, kw_only=True):
    """The interfaces; `loopback_target`: what the user wants to reach is this PC itself."""

    links: tuple[Link, ...]
    loopback_target: bool = False


async def probe(context: Context) -> NetworkFact:
    net, host = context.machine.net, context.target.host
    # VPN clients that take over everything split the default route into two halves, 0.0.0.0/1 and 128.0.0.0/1.
    defaults = [r for r in await net.routes() if r.destination.prefixlen <= 1 and not r.blocked]

    def link(interface: Interface) -> Link:
        metrics = [route.metric for route in defaults if route.interface == interface.name]
        return Link(
            name=interface.name,
            kind=interface.kind,
            up=interface.up,
            addresses=tuple(str(a.ip) for a in sorted(interface.addresses, key=lambda a: a.version)),
            default=min(metrics, default=None),
        )

    links = tuple(link(interface) for interface in await net.interfaces())
    return NetworkFact(links=links, loopback_target=host is not None and is_loopback(host))


def judge(fact: NetworkFact) -> tuple[Finding, ...]:
    if fact.loopback_target:
        return (info("network.not-needed"),)
    up = [link for link in fact.links if link.up and link.kind is not LinkKind.LOOPBACK and link.addresses]
    if not up:
        return (problem("network.none"),)
    given = [link for link in up if _given(link)]
    if not given:
        first = min(up, key=_importance)
        return (problem("network.self-assigned", interface=first.name, address=first.addresses[0]),)
    best = min(given, key=_importance)
    if best.default is None:
        return (warn("network.no-default-route", interface=best.name, address=_given(best)[0]),)
    return (ok("network.ok", interface=best.name, kind=best.kind, address=_given(best)[0]),)


def _given(link: Link) -> list[str]:
    """Addresses that someone gave to this interface; 169.254.x.x and fe80:: it gives to itself."""
    return [address for address in link.addresses if not ip_address(address).is_link_local]


def _importance(link: Link) -> tuple[bool, int, int]:
    return link.default is None, _BY_KIND.index(link.kind), link.default or 0


CHECK = Check(id="network", group=Group.LOCAL, probe=probe, judge=judge, deadline=3.0, retry=False)
