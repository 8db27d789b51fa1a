"""More that works and looks unusual: no verdict but "fine" is right."""

from tests.lab import topology
from tests.lab.actions import Hook, Hosts, Ip, Names, Nft, Resolv, Shadow, Wan, Xrdp, drop
from tests.lab.scenario import Scenario
from tests.lab.topology import At
from tests.lab.vpn import Kind, OnlyByVpn, Vpn

_CORP_ONLY = Names(at=At.DNS, records={topology.HOST: (topology.SERVER,)})

SCENARIOS = (
    Scenario(name="healthy-nla-far-away", cause=None, broken=(Shadow(), Wan(delay_ms=75, jitter_ms=4))),
    Scenario(name="healthy-nla-two-percent-loss", cause=None, broken=(Shadow(), Wan(delay_ms=20, loss=0.02))),
    Scenario(name="healthy-tls-12-only", cause=None, broken=(Xrdp(security="tls", tls="TLSv1.2"),), ci=True),
    Scenario(
        name="healthy-nla-other-port",
        cause=None,
        broken=(Shadow(port=40001),),
        target=f"{topology.SERVER}:40001",
        ci=True,
    ),
    Scenario(
        name="healthy-openvpn-everything",
        cause=None,
        broken=(OnlyByVpn(), Shadow(), Vpn(routes=("0.0.0.0/0",)), Wan(delay_ms=25)),
    ),
    Scenario(
        name="healthy-wireguard-small-mtu",
        cause=None,
        broken=(OnlyByVpn(), Vpn(kind=Kind.WIREGUARD, mtu=1280), Wan(mtu=1400, tells=True, delay_ms=10)),
    ),
    Scenario(
        name="healthy-split-dns",
        cause=None,
        broken=(
            Names(records={topology.HOST: (topology.SERVER_PUBLIC,)}),
            _CORP_ONLY,
            Vpn(),
            Resolv(servers=(topology.DNS, topology.ROUTER), search=("corp.example",)),
        ),
        ci=True,
    ),
    Scenario(
        name="healthy-small-mtu-clamped",
        cause=None,
        broken=(
            Wan(mtu=1000),
            Nft(at=At.ROUTER, rule="tcp flags syn tcp option maxseg size set 900"),
        ),
    ),
    Scenario(
        name="healthy-small-mtu-nla",
        cause=None,
        broken=(Shadow(), Wan(mtu=900, tells=True, delay_ms=10)),
    ),
    Scenario(
        name="healthy-vpn-off-not-needed",
        cause=None,
        broken=(Vpn(up=False),),
        target=topology.PUBLIC_HOST,
        ci=True,
    ),
    Scenario(
        name="healthy-vpn-off-at-the-office",
        cause=None,
        broken=(Vpn(kind=Kind.WIREGUARD, up=False), Shadow()),
    ),
    Scenario(
        name="healthy-overlap-vpn-wins",
        cause=None,
        broken=(
            OnlyByVpn(known=True),
            Vpn(routes=(f"{topology.SERVER}/32",), dns=False),
            Ip(commands=("addr add 10.20.0.50/24 dev eth0",)),
        ),
    ),
    Scenario(
        name="healthy-only-in-hosts-file",
        cause=None,
        broken=(Names(records={}), Hosts(line=f"{topology.SERVER} {topology.HOST}")),
        ci=True,
    ),
    Scenario(
        name="healthy-second-address-dead",
        cause=None,
        broken=(Names(records={topology.HOST: (topology.SERVER, "10.20.0.98")}),),
        unfelt="which address comes first is the resolver's choice; xfreerdp tries the other one late or not at all",
    ),
    # Whether the server has UDP switched off or the way swallows it cannot be seen, and nothing fails by it.
    Scenario(name="healthy-udp-swallowed", cause=None, broken=(Shadow(), drop(protocol="udp"))),
    Scenario(
        name="healthy-behind-a-router-that-hides",
        cause=None,
        broken=(
            Shadow(),
            Nft(at=At.GATEWAY, rule="icmp type echo-request drop"),
            Nft(
                at=At.GATEWAY, hook=Hook.OUT, rule="icmp type { time-exceeded, destination-unreachable } drop"
            ),
        ),
    ),
)
