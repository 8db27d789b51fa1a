"""The way is a VPN: off, without a route, without its name server, broken inside."""

from tests.lab import topology
from tests.lab.actions import Wan
from tests.lab.scenario import Scenario
from tests.lab.vpn import Kind, OnlyByVpn, Vpn

SCENARIOS = (
    Scenario(name="healthy-openvpn", cause=None, broken=(OnlyByVpn(), Vpn()), ci=True),
    Scenario(name="healthy-wireguard", cause=None, broken=(OnlyByVpn(), Vpn(kind=Kind.WIREGUARD))),
    Scenario(
        name="vpn-off-address",
        cause="vpn-off",
        broken=(OnlyByVpn(), Vpn(up=False)),
        target=topology.SERVER,
        ci=True,
    ),
    Scenario(
        name="vpn-off-name",
        cause="name-needs-vpn",
        broken=(OnlyByVpn(), Vpn(up=False)),
        accept=("vpn-off",),
        why="with the VPN off its name server is out of reach too; both sentences say: connect the VPN",
    ),
    Scenario(
        name="vpn-no-route",
        cause="vpn-no-route",
        broken=(OnlyByVpn(known=True), Vpn(routes=("10.30.0.0/24",), dns=False)),
    ),
    Scenario(
        name="vpn-without-name-server",
        cause="name-needs-vpn",
        broken=(OnlyByVpn(), Vpn(dns=False)),
        accept=("name-not-found",),
        why="the VPN tells this PC no name server, so nothing here knows that there is another one to ask",
    ),
    Scenario(
        name="vpn-mtu-hole",
        cause="mtu-black-hole",
        broken=(OnlyByVpn(), Vpn(), Wan(mtu=700)),
    ),
)
