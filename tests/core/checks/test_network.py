import pytest

from core.checks.network import Link, NetworkFact, judge
from core.model import State
from core.ports import LinkKind

LO = Link(name="lo", kind=LinkKind.LOOPBACK, up=True, addresses=("127.0.0.1", "::1"))
CABLE = Link(
    name="eth0", kind=LinkKind.CABLE, up=True, addresses=("fe80::1", "2001:db8::5", "192.0.2.5"), default=100
)
WIFI = Link(name="wlan0", kind=LinkKind.WIFI, up=True, addresses=("192.0.2.6",), default=600)
VPN = Link(name="tun0", kind=LinkKind.VPN, up=True, addresses=("10.8.0.2",), default=0)
DOCKER = Link(name="docker0", kind=LinkKind.VIRTUAL, up=True, addresses=("172.17.0.1",))
UNPLUGGED = Link(name="eth0", kind=LinkKind.CABLE, up=False, addresses=("192.0.2.5",))
NO_LEASE = Link(name="eth0", kind=LinkKind.CABLE, up=True, addresses=("fe80::1", "169.254.7.7"))
ONLY_HERE = Link(name="eth0", kind=LinkKind.CABLE, up=True, addresses=("192.0.2.5",))
NAKED = Link(name="eth0", kind=LinkKind.CABLE, up=True)


@pytest.mark.parametrize(
    ("links", "finding", "state", "args"),
    [
        ((LO, CABLE), "network.ok", State.OK, {"interface": "eth0", "kind": "cable", "address": "192.0.2.5"}),
        ((LO, WIFI), "network.ok", State.OK, {"interface": "wlan0", "kind": "wifi", "address": "192.0.2.6"}),
        (
            (LO, VPN, CABLE),
            "network.ok",
            State.OK,
            {"interface": "eth0", "kind": "cable", "address": "192.0.2.5"},
        ),
        (
            (DOCKER, WIFI),
            "network.ok",
            State.OK,
            {"interface": "wlan0", "kind": "wifi", "address": "192.0.2.6"},
        ),
        (
            (NO_LEASE, WIFI),
            "network.ok",
            State.OK,
            {"interface": "wlan0", "kind": "wifi", "address": "192.0.2.6"},
        ),
        (
            (LO, UNPLUGGED, VPN),
            "network.ok",
            State.OK,
            {"interface": "tun0", "kind": "vpn", "address": "10.8.0.2"},
        ),
        ((), "network.none", State.PROBLEM, {}),
        ((LO,), "network.none", State.PROBLEM, {}),
        ((LO, UNPLUGGED), "network.none", State.PROBLEM, {}),
        ((LO, NAKED), "network.none", State.PROBLEM, {}),
        (
            (LO, NO_LEASE),
            "network.self-assigned",
            State.PROBLEM,
            {"interface": "eth0", "address": "169.254.7.7"},
        ),
        (
            (LO, ONLY_HERE),
            "network.no-default-route",
            State.WARN,
            {"interface": "eth0", "address": "192.0.2.5"},
        ),
        (
            (DOCKER, ONLY_HERE),
            "network.no-default-route",
            State.WARN,
            {"interface": "eth0", "address": "192.0.2.5"},
        ),
    ],
)
def test_judge(links: tuple[Link, ...], finding: str, state: State, args: dict[str, str]) -> None:
    (found,) = judge(NetworkFact(links=links))
    assert (found.id, found.state, found.args) == (finding, state, args)


@pytest.mark.parametrize("links", [(), (LO,), (NO_LEASE,), (CABLE,)])
def test_this_pc_itself_needs_no_network(links: tuple[Link, ...]) -> None:
    (found,) = judge(NetworkFact(links=links, loopback_target=True))
    assert (found.id, found.state) == ("network.not-needed", State.INFO)
