"""Two faults at once: the verdict names the one that stops the connection first, or the only one that stops it."""

from datetime import timedelta

from msgspec.structs import replace

from core.demo.faults import FAULTS, Certificate
from tests.lab import topology
from tests.lab.actions import (
    BadNames,
    Behaviour,
    Clock,
    Hook,
    HostOff,
    Hosts,
    Ip,
    Names,
    Nft,
    NoServer,
    Resolv,
    Scripted,
    Shadow,
    Wan,
    Xrdp,
    drop,
    reject,
)
from tests.lab.rd_gateway import GATEWAY_HOST, GATEWAY_PORT, OPTIONS, Door, RdGateway, gateway_names
from tests.lab.scenario import Scenario
from tests.lab.topology import At
from tests.lab.vpn import OnlyByVpn, Vpn
from tests.support.servers import Keys

_ACCEPTS = (
    "xfreerdp is told to accept any certificate; Windows asks, or refuses where NLA and policy demand it"
)
_OLD = Certificate(starts=timedelta(days=-193), ends=timedelta(days=-10))
_OLD_OF_GATEWAY = replace(_OLD, name=GATEWAY_HOST)

SCENARIOS = (
    Scenario(
        name="both-port-dropped-and-expired",
        cause="port-filtered",
        broken=(Xrdp(keys=Keys.EXPIRED), drop()),
    ),
    Scenario(
        name="both-port-prohibited-and-expired",
        cause="port-filtered",
        broken=(Xrdp(keys=Keys.EXPIRED), reject()),
        ci=True,
    ),
    Scenario(
        name="both-vpn-off-and-misspelt",
        cause="name-needs-vpn",
        broken=(OnlyByVpn(), Vpn(up=False)),
        target="pc-ana.corp.example",
        accept=("name-not-found",),
        why="nobody out here knows whether the name is wrong or the VPN is missing; both stop it at the name",
        ci=True,
    ),
    Scenario(
        name="both-vpn-off-and-server-stopped",
        cause="vpn-off",
        broken=(OnlyByVpn(known=True), NoServer(), Vpn(up=False)),
    ),
    Scenario(
        name="both-vpn-without-route-and-expired",
        cause="vpn-no-route",
        broken=(
            OnlyByVpn(known=True),
            Xrdp(keys=Keys.EXPIRED),
            Vpn(routes=("10.30.0.0/24",), dns=False),
        ),
    ),
    Scenario(
        name="both-lossy-and-server-stopped",
        cause="port-closed",
        broken=(NoServer(), Wan(delay_ms=10, loss=0.12)),
    ),
    Scenario(
        name="both-lossy-and-host-off",
        cause="host-not-answering",
        broken=(Wan(delay_ms=10, loss=0.1), HostOff()),
    ),
    Scenario(
        name="both-clock-behind-and-good-certificate",
        cause="clock-wrong-here",
        broken=(Shadow(), Clock(ahead=timedelta(days=-400))),
        unfelt="xfreerdp has the right clock and is told to accept any certificate",
        ci=True,
    ),
    Scenario(
        name="both-clock-behind-and-server-stopped",
        cause="port-closed",
        broken=(NoServer(), Clock(ahead=timedelta(days=-400))),
        ci=True,
    ),
    Scenario(
        name="both-clock-behind-and-port-dropped",
        cause="port-filtered",
        broken=(drop(), Clock(ahead=timedelta(days=-400))),
    ),
    Scenario(
        name="both-good-hosts-line-and-server-stopped",
        cause="port-closed",
        broken=(Hosts(line=f"{topology.SERVER} {topology.HOST}"), NoServer()),
        ci=True,
    ),
    Scenario(
        name="both-stale-hosts-line-and-server-stopped",
        cause="hosts-file-override",
        broken=(Hosts(line=f"{topology.NOBODY} {topology.HOST}"), NoServer()),
    ),
    Scenario(
        name="both-slow-and-expired",
        cause="server-certificate-expired",
        broken=(Xrdp(keys=Keys.EXPIRED), Wan(delay_ms=250)),
        unfelt=_ACCEPTS,
    ),
    Scenario(
        name="both-lossy-and-expired",
        cause="server-certificate-expired",
        broken=(Shadow(keys=Keys.EXPIRED), Wan(delay_ms=10, loss=0.12)),
        unfelt=_ACCEPTS,
    ),
    Scenario(
        name="both-mtu-hole-and-expired",
        cause="mtu-black-hole",
        broken=(Xrdp(keys=Keys.EXPIRED), Wan(mtu=600)),
    ),
    Scenario(
        name="both-one-name-server-silent-and-server-stopped",
        cause="port-closed",
        broken=(Resolv(servers=(topology.ROUTER, "192.168.1.77")), NoServer()),
        ci=True,
    ),
    Scenario(
        name="both-name-server-fails-and-port-dropped",
        cause="name-server-not-answering",
        broken=(BadNames(behaviour=Behaviour.SERVFAIL), drop()),
    ),
    Scenario(
        name="both-nla-broken-and-expired",
        cause="nla-broken",
        broken=(Scripted(script=replace(FAULTS["nla-broken"], certificate=_OLD)),),
        ci=True,
    ),
    Scenario(
        name="both-udp-prohibited-and-key-unusable",
        cause="server-key-unusable",
        broken=(
            Scripted(script="server-key-unusable"),
            Nft(rule="udp dport 3389 reject with icmpx admin-prohibited"),
        ),
        accept=("connection-cut-midway",),
        why="a server that drops the handshake and a box that does it in its name look the same from the client",
    ),
    Scenario(
        name="both-ipv6-dead-and-server-stopped",
        cause="port-closed",
        broken=(
            Names(records={topology.HOST: (topology.SERVER, topology.SERVER_V6)}),
            NoServer(),
            Nft(rule=f"ip6 daddr {topology.SERVER_V6} drop"),
        ),
    ),
    Scenario(
        name="both-no-route-and-expired",
        cause="no-route",
        broken=(Xrdp(keys=Keys.EXPIRED), Ip(commands=("route del default",))),
        target=topology.SERVER,
        ci=True,
    ),
    Scenario(
        name="both-blocked-here-and-server-off",
        cause="client-firewall-blocks",
        broken=(drop(At.CLIENT, hook=Hook.OUT), HostOff()),
    ),
    Scenario(
        name="both-not-rdp-and-slow",
        cause="not-rdp",
        broken=(Scripted(script="not-rdp"), Wan(delay_ms=200)),
    ),
    Scenario(
        name="both-gateway-expired-and-stopped",
        cause="gateway-certificate",
        broken=(gateway_names(), RdGateway(door=Door.STOPPED, certificate=_OLD_OF_GATEWAY)),
        options=OPTIONS,
        ci=True,
    ),
    Scenario(
        name="both-gateway-dropped-and-expired",
        cause="gateway-not-answering",
        broken=(
            gateway_names(),
            RdGateway(certificate=_OLD_OF_GATEWAY),
            drop(port=GATEWAY_PORT, hook=Hook.IN),
        ),
        options=OPTIONS,
    ),
)
