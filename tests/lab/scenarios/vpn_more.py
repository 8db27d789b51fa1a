"""More of VPNs: switched off, dead, leading elsewhere, or to where the home network already is."""

from tests.lab import topology
from tests.lab.actions import Hook, HostOff, Ip, Names, Nft, NoServer, Resolv, Run, Shadow, Wan, no_echo
from tests.lab.scenario import Scenario
from tests.lab.topology import At
from tests.lab.vpn import Kind, OnlyByVpn, Vpn

_CORP = "10.20.0.0/24"

# A home network that happens to have the company's addresses. What the home router has on it does not matter here.
_HOME_IS_CORP = Ip(commands=("addr add 10.20.0.50/24 dev eth0",))
_SOMEBODY_THERE = Ip(at=At.NEIGHBOUR, commands=(f"addr add {topology.SERVER}/24 dev eth0",))
_OFF = "a tunnel that carries nothing and one that is off do the same to whoever sits in front of it"

SCENARIOS = (
    # --- Off
    Scenario(
        name="vpn-off-wireguard",
        cause="vpn-off",
        broken=(OnlyByVpn(known=True), Vpn(kind=Kind.WIREGUARD, up=False)),
    ),
    Scenario(
        name="vpn-off-and-told-so",
        cause="vpn-off",
        broken=(
            OnlyByVpn(known=True),
            Nft(at=At.ROUTER, hook=Hook.THROUGH, rule="ip daddr 10.0.0.0/8 reject with icmp net-unreachable"),
            Vpn(up=False),
        ),
        ci=True,
    ),
    Scenario(
        name="vpn-dead-wireguard-key",
        cause="vpn-off",
        broken=(OnlyByVpn(known=True), Vpn(kind=Kind.WIREGUARD, keys_match=False, dns=False)),
        accept=("vpn-no-route",),
        why=_OFF,
    ),
    Scenario(
        name="vpn-dead-openvpn",
        cause="vpn-off",
        broken=(
            OnlyByVpn(known=True),
            Vpn(dns=False),
            Nft(at=At.GATEWAY, hook=Hook.IN, rule="udp dport 1194 drop"),
        ),
        accept=("vpn-no-route",),
        why=_OFF,
    ),
    # --- On, and leading elsewhere
    Scenario(
        name="vpn-no-route-wireguard",
        cause="vpn-no-route",
        broken=(
            OnlyByVpn(known=True),
            Vpn(kind=Kind.WIREGUARD, routes=("10.30.0.0/24",), dns=False),
        ),
        target=topology.SERVER,
    ),
    Scenario(
        name="vpn-no-route-and-told-so",
        cause="vpn-no-route",
        broken=(
            OnlyByVpn(known=True),
            Nft(at=At.ROUTER, rule="ip daddr 10.0.0.0/8 reject with icmp admin-prohibited"),
            Vpn(routes=("10.20.0.128/25",), dns=False),
        ),
        accept=("port-filtered",),
        why="a router that says `prohibited` says it of the way without the VPN; the VPN is the way to take",
        ci=True,
    ),
    Scenario(
        name="vpn-no-allowed-addresses",
        cause="vpn-no-route",
        broken=(
            OnlyByVpn(known=True),
            Vpn(kind=Kind.WIREGUARD, dns=False),
            Run(
                at=At.CLIENT,
                command=("sh", "-c", 'wg set wg0 peer "$(wg show wg0 peers)" allowed-ips 10.99.0.1/32'),
            ),
        ),
        accept=("vpn-off",),
        why=_OFF,
    ),
    # --- The same addresses at home
    Scenario(
        name="overlap-nobody-there",
        cause="subnet-overlap",
        broken=(OnlyByVpn(known=True), Vpn(routes=(_CORP,), metric=500, dns=False), _HOME_IS_CORP),
    ),
    Scenario(
        name="overlap-somebody-else",
        cause="subnet-overlap",
        broken=(
            OnlyByVpn(known=True),
            Vpn(routes=(_CORP,), metric=500, dns=False),
            _HOME_IS_CORP,
            _SOMEBODY_THERE,
        ),
        ci=True,
    ),
    Scenario(
        name="overlap-wireguard",
        cause="subnet-overlap",
        broken=(
            OnlyByVpn(known=True),
            Vpn(kind=Kind.WIREGUARD, metric=500, dns=False),
            _HOME_IS_CORP,
        ),
        target=topology.SERVER,
    ),
    Scenario(
        name="overlap-silent-somebody",
        cause="subnet-overlap",
        broken=(
            OnlyByVpn(known=True),
            Vpn(routes=("10.20.0.0/16",), dns=False),
            _HOME_IS_CORP,
            _SOMEBODY_THERE,
            Nft(at=At.NEIGHBOUR, hook=Hook.IN, rule="tcp dport 3389 drop"),
        ),
    ),
    # --- The name
    Scenario(
        name="name-at-the-vpn-server-openvpn",
        cause="name-needs-vpn",
        broken=(OnlyByVpn(), Vpn(dns=False), Resolv(servers=(topology.ROUTER, topology.DNS))),
        ci=True,
    ),
    Scenario(
        name="name-at-the-vpn-server-wireguard",
        cause="name-needs-vpn",
        broken=(
            OnlyByVpn(),
            Vpn(kind=Kind.WIREGUARD, dns=False),
            Resolv(servers=(topology.ROUTER, topology.DNS), search=("corp.example",)),
        ),
    ),
    Scenario(
        name="name-without-vpn-wireguard",
        cause="name-needs-vpn",
        broken=(OnlyByVpn(), Vpn(kind=Kind.WIREGUARD, up=False)),
        accept=("vpn-off",),
        why="with the VPN off its name server is out of reach too; both sentences say: connect the VPN",
        ci=True,
    ),
    # --- Large packets
    Scenario(
        name="vpn-mtu-hole-wireguard",
        cause="mtu-black-hole",
        broken=(OnlyByVpn(), Vpn(kind=Kind.WIREGUARD, mtu=1420), Wan(mtu=1280)),
    ),
    # --- The VPN is as it should be, and the fault lies behind it
    Scenario(
        name="vpn-fine-server-stopped",
        cause="port-closed",
        broken=(OnlyByVpn(), Vpn(), NoServer()),
        ci=True,
    ),
    Scenario(
        name="vpn-fine-firewall-behind",
        cause="port-filtered",
        broken=(
            OnlyByVpn(),
            Shadow(),
            Vpn(kind=Kind.WIREGUARD),
            Nft(rule='iifname "wg-corp" tcp dport 3389 drop'),
        ),
    ),
    Scenario(
        name="vpn-fine-host-off",
        cause="host-not-answering",
        broken=(OnlyByVpn(), Vpn(kind=Kind.WIREGUARD), HostOff(silently=True), no_echo()),
        accept=("port-filtered",),
        why="behind a tunnel that carries packets, a host that is off and a firewall that hides it look the same",
    ),
    Scenario(
        name="vpn-not-needed-server-stopped",
        cause="port-closed",
        broken=(Names(), Vpn(up=False), NoServer()),
        target=topology.PUBLIC_HOST,
        ci=True,
    ),
)
