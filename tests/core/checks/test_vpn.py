import pytest

from core.checks.vpn import Path, Vpn, VpnFact, judge
from core.model import Arg, State

OFF = Vpn(interface="tun1", up=False)
ON = Vpn(interface="tun0", up=True, networks=("10.8.0.0/24",), servers=("10.8.0.1",))
THROUGH = Path(address="10.5.0.7", interface="tun0")
PAST = Path(address="10.5.0.7", interface="eth0")
NEAR = Path(address="192.168.1.7", interface="eth0", next_to=True)
PUBLIC = Path(address="203.0.113.7", interface="eth0")


@pytest.mark.parametrize(
    ("vpns", "paths", "finding", "state", "args"),
    [
        ((), (PAST,), "vpn.none", State.INFO, {}),
        ((), (), "vpn.none", State.INFO, {}),
        ((OFF,), (), "vpn.off", State.WARN, {"interface": "tun1"}),
        ((OFF,), (PUBLIC,), "vpn.off", State.WARN, {"interface": "tun1"}),
        ((ON,), (), "vpn.on", State.INFO, {"interface": "tun0"}),
        ((OFF, ON), (THROUGH,), "vpn.carries-target", State.OK, {"interface": "tun0", "address": "10.5.0.7"}),
        (
            (ON,),
            (PUBLIC, THROUGH),
            "vpn.carries-target",
            State.OK,
            {"interface": "tun0", "address": "10.5.0.7"},
        ),
        ((OFF, ON), (PAST,), "vpn.not-for-target", State.WARN, {"interface": "tun0", "address": "10.5.0.7"}),
        ((ON,), (NEAR,), "vpn.on", State.INFO, {"interface": "tun0"}),
        ((ON,), (PUBLIC,), "vpn.on", State.INFO, {"interface": "tun0"}),
    ],
)
def test_judge(
    vpns: tuple[Vpn, ...], paths: tuple[Path, ...], finding: str, state: State, args: dict[str, Arg]
) -> None:
    (found,) = judge(VpnFact(vpns=vpns, paths=paths))
    assert (found.id, found.state, found.args) == (finding, state, args)


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("10.0.0.1", True),
        ("172.16.0.1", True),
        ("172.31.255.254", True),
        ("172.32.0.1", False),
        ("192.168.200.1", True),
        ("100.64.0.1", True),
        ("100.128.0.1", False),
        ("8.8.8.8", False),
        ("fd12::1", True),
        ("fc00::1", True),
        ("2001:db8::1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_which_addresses_make_a_vpn_likely(address: str, private: bool) -> None:
    (found,) = judge(VpnFact(vpns=(ON,), paths=(Path(address=address, interface="eth0"),)))
    assert (found.id == "vpn.not-for-target") is private
