"""The way: no network, this PC's own firewall, no route, IPv6, a filter before the port, nobody at home."""

from tests.lab import topology
from tests.lab.actions import (
    Hook,
    HostOff,
    Ip,
    Kernel,
    Names,
    Nft,
    Wan,
    Xrdp,
    drop,
    drop_all,
    drop_answers,
    no_echo,
    reject,
)
from tests.lab.scenario import Scenario
from tests.lab.topology import At

_NO_MACHINE = "192.168.1.77"
"""An address of the home network that no machine has."""
_FORWARDS = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "0"}
_NO_IPV6 = {"net/ipv6/conf/eth0/disable_ipv6": "1"}
_BOTH = {topology.HOST: (topology.SERVER, topology.SERVER_V6)}
_SILENCE = (
    "no packet comes back from there: a filter that hides the host and a host that is off look the same"
)
_FALLS_BACK = "xfreerdp goes on to IPv4, as mstsc does, after seconds of waiting"

_NO_NETWORK = (
    Scenario(
        name="network-cable-out",
        cause="no-network",
        broken=(Ip(at=At.ROUTER, commands=("link set to-client down",)),),
    ),
    Scenario(
        name="network-switched-off",
        cause="no-network",
        broken=(Ip(commands=("link set eth0 down",)),),
        ci=True,
    ),
    Scenario(
        name="network-without-address",
        cause="no-network",
        broken=(Ip(commands=("addr flush dev eth0",)),),
        target=topology.SERVER,
        ci=True,
    ),
    Scenario(
        name="network-self-assigned",
        cause="no-network",
        broken=(
            Ip(
                commands=(
                    "addr flush dev eth0",
                    "addr add 169.254.17.4/16 dev eth0",
                    "addr add fe80::17/64 dev eth0",
                )
            ),
        ),
        target=topology.SERVER,
    ),
)

_OWN_FIREWALL = (
    Scenario(
        name="client-firewall-resets",
        cause="client-firewall-blocks",
        broken=(reject(At.CLIENT, hook=Hook.OUT, how="tcp reset"),),
        ci=True,
    ),
    Scenario(
        name="client-firewall-prohibits",
        cause="client-firewall-blocks",
        broken=(reject(At.CLIENT, hook=Hook.OUT),),
        ci=True,
    ),
    Scenario(
        name="client-firewall-by-network",
        cause="client-firewall-blocks",
        broken=(Nft(at=At.CLIENT, hook=Hook.OUT, rule="ip daddr 10.0.0.0/8 drop"),),
    ),
    Scenario(
        name="client-kill-switch-by-name",
        cause="client-firewall-blocks",
        broken=(
            Nft(
                at=At.CLIENT,
                hook=Hook.OUT,
                rule=f'oifname {{ "lo", "tun0" }} accept\nip daddr {topology.ROUTER} udp dport 53 accept',
                policy="drop",
            ),
        ),
    ),
    Scenario(
        name="client-kill-switch-total",
        cause="client-firewall-blocks",
        broken=(Nft(at=At.CLIENT, hook=Hook.OUT, rule='oifname != { "lo", "tun0" } drop'),),
        target=topology.SERVER,
    ),
    Scenario(
        name="client-firewall-drops-answers",
        cause="client-firewall-blocks",
        broken=(drop_answers(At.CLIENT, hook=Hook.IN),),
    ),
    Scenario(
        name="client-firewall-for-an-ordinary-user",
        cause="client-firewall-blocks",
        broken=(drop(At.CLIENT, hook=Hook.OUT),),
        accept=("port-filtered",),
        why="without root's rights the rules cannot be read, and a packet that never left is as silent as a lost one",
        user=True,
    ),
    Scenario(
        name="healthy-behind-own-firewall",
        cause=None,
        broken=(
            Nft(
                at=At.CLIENT,
                hook=Hook.OUT,
                rule='oifname "lo" accept\nudp dport { 53, 3389 } accept\ntcp dport { 443, 3389 } accept',
                policy="drop",
            ),
        ),
    ),
)

_NO_ROUTE = (
    Scenario(
        name="route-prohibited",
        cause="no-route",
        broken=(Ip(commands=("route add prohibit 10.20.0.0/16",)),),
        ci=True,
    ),
    Scenario(
        name="route-black-hole",
        cause="no-route",
        broken=(Ip(commands=("route add blackhole 10.20.0.0/16",)),),
        ci=True,
    ),
    Scenario(
        name="route-router-without-uplink",
        cause="no-route",
        broken=(Ip(at=At.ROUTER, commands=("route del default",)),),
    ),
    Scenario(
        name="route-by-nobody",
        cause="no-route",
        broken=(Ip(commands=(f"route replace default via {_NO_MACHINE}",)),),
    ),
    Scenario(name="route-line-dead", cause="no-route", broken=(Wan(cut=True),)),
    Scenario(name="route-line-dead-one-way", cause="no-route", broken=(Wan(cut=True, only="back"),)),
    Scenario(
        name="route-unknown-to-gateway",
        cause="no-route",
        broken=(Ip(at=At.GATEWAY, commands=(f"route add unreachable {topology.SERVER}",)),),
        accept=("host-not-answering",),
        why="a gateway answers with the same words for a host that is off and for one it was told not to know",
    ),
    Scenario(
        name="route-network-unknown-to-gateway",
        cause="no-route",
        broken=(reject(how="icmpx no-route"),),
    ),
    Scenario(
        name="route-in-a-circle",
        cause="no-route",
        broken=(
            Ip(at=At.GATEWAY, commands=(f"route replace {topology.SERVER_PUBLIC} via {topology.DNS}",)),
            Kernel(at=At.GATEWAY, settings=_FORWARDS),
            Kernel(at=At.DNS, settings=_FORWARDS),
        ),
        target=topology.PUBLIC_HOST,
    ),
    Scenario(
        name="route-only-ipv6-and-none-here",
        cause="no-route",
        broken=(
            Names(records={topology.HOST: (topology.SERVER_V6,)}),
            Kernel(settings=_NO_IPV6),
        ),
        accept=("ipv6-path-broken",),
        why="the only address is one of IPv6, and this PC has no IPv6",
        ci=True,
    ),
)

_IPV6 = (
    Scenario(
        name="ipv6-vanishes",
        cause="ipv6-path-broken",
        broken=(Names(records=_BOTH), Nft(rule=f"ip6 daddr {topology.SERVER_V6} drop")),
        unfelt=_FALLS_BACK,
    ),
    Scenario(
        name="ipv6-refused-on-the-way",
        cause="ipv6-path-broken",
        broken=(
            Names(records=_BOTH),
            Nft(rule=f"ip6 daddr {topology.SERVER_V6} reject with icmpv6 no-route"),
        ),
        unfelt=_FALLS_BACK,
        ci=True,
    ),
    Scenario(
        name="ipv6-stale-address",
        cause="ipv6-path-broken",
        broken=(Names(records={topology.HOST: (topology.SERVER, "fd00:20::99")}),),
        accept=("name-points-elsewhere",),
        why="the IPv6 address of the name is an old one",
        unfelt=_FALLS_BACK,
    ),
    Scenario(
        name="ipv6-only-and-broken",
        cause="ipv6-path-broken",
        broken=(Names(records={topology.HOST: (topology.SERVER_V6,)}), Nft(rule="meta nfproto ipv6 drop")),
        accept=("host-not-answering", "port-filtered"),
        why=_SILENCE,
    ),
    Scenario(
        name="healthy-no-ipv6-here",
        cause=None,
        broken=(Names(records=_BOTH), Kernel(settings=_NO_IPV6)),
        ci=True,
    ),
    Scenario(name="healthy-both-families", cause=None, broken=(Names(records=_BOTH),)),
)

_FILTERED = (
    Scenario(name="port-prohibited", cause="port-filtered", broken=(reject(),), ci=True),
    Scenario(
        name="port-prohibited-by-the-hosts-firewall",
        cause="port-filtered",
        broken=(reject(At.SERVER, hook=Hook.IN),),
        ci=True,
    ),
    Scenario(
        name="port-unreachable-by-gateway",
        cause="port-filtered",
        broken=(reject(how="icmpx port-unreachable"),),
        ci=True,
    ),
    Scenario(
        name="port-reset-by-gateway",
        cause="port-filtered",
        broken=(reject(how="tcp reset"),),
        accept=("port-closed",),
        why="a reset that a firewall sends in the host's name is the host's word as far as a client sees",
        ci=True,
    ),
    Scenario(name="port-dropped-at-host", cause="port-filtered", broken=(drop(At.SERVER, hook=Hook.IN),)),
    Scenario(name="port-answers-lost", cause="port-filtered", broken=(drop_answers(),)),
    Scenario(
        name="port-dropped-and-host-hidden",
        cause="port-filtered",
        broken=(drop(), no_echo()),
        accept=("host-not-answering",),
        why=_SILENCE,
    ),
    Scenario(
        name="port-other-dropped",
        cause="port-filtered",
        broken=(Xrdp(port=3390), drop(port=3390)),
        target=f"{topology.HOST}:3390",
    ),
    Scenario(
        name="port-dropped-at-a-neighbour",
        cause="port-filtered",
        broken=(
            drop(At.NEIGHBOUR, hook=Hook.IN),
            Nft(at=At.NEIGHBOUR, hook=Hook.IN, rule="icmp type echo-request drop"),
        ),
        target=topology.NEIGHBOUR,
    ),
    Scenario(
        name="port-only-from-other-networks",
        cause="port-filtered",
        broken=(Nft(rule=f"ip saddr {topology.ROUTER_WAN} ip daddr {topology.SERVER} drop"),),
        accept=("host-not-answering",),
        why=_SILENCE,
    ),
    Scenario(
        name="port-dropped-with-all-else-at-host",
        cause="port-filtered",
        broken=(drop_all(At.SERVER, hook=Hook.IN),),
        accept=("host-not-answering",),
        why=_SILENCE,
    ),
)

_NOBODY = (
    Scenario(
        name="host-off-silently",
        cause="host-not-answering",
        broken=(HostOff(silently=True),),
        accept=("port-filtered",),
        why=_SILENCE,
    ),
    Scenario(name="host-address-of-nobody", cause="host-not-answering", target=topology.NOBODY),
    Scenario(name="host-nobody-in-this-lan", cause="host-not-answering", target=_NO_MACHINE),
    Scenario(
        name="host-asleep-in-this-lan",
        cause="host-not-answering",
        broken=(
            Names(records={topology.HOST: (topology.NEIGHBOUR,)}),
            Ip(at=At.NEIGHBOUR, commands=("link set eth0 down",)),
        ),
    ),
    Scenario(
        name="host-gone-from-the-internet",
        cause="host-not-answering",
        broken=(Ip(at=At.SERVER, commands=(f"addr del {topology.SERVER_PUBLIC}/32 dev lo",)),),
        target=topology.PUBLIC_HOST,
        accept=("port-filtered",),
        why=_SILENCE,
    ),
    Scenario(
        name="host-off-in-an-ordinary-users-lan",
        cause="host-not-answering",
        target=_NO_MACHINE,
        user=True,
    ),
)

SCENARIOS = (*_NO_NETWORK, *_OWN_FIREWALL, *_NO_ROUTE, *_IPV6, *_FILTERED, *_NOBODY)
