from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from msgspec.structs import replace

from core.checks import names
from core.checks.vpn import CHECK, Path, Vpn, VpnFact, judge
from core.model import Arg, State
from core.ports import Interface, LinkKind, NameServer, Route
from tests.support import fakes
from tests.support.running import fact, reason, run_one

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
        ((OFF,), (PUBLIC,), "vpn.off-not-needed", State.INFO, {"interface": "tun1"}),
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


# --- probe

TUN = Interface(name="tun0", index=3, kind=LinkKind.VPN, up=True, addresses=(ip_interface("10.8.0.2/24"),))
ROUTES = (
    *fakes.ROUTES,
    Route(destination=ip_network("10.8.0.0/24"), interface="tun0"),
    Route(destination=ip_network("10.5.0.0/16"), interface="tun0", gateway=ip_address("10.8.0.1")),
)
SERVERS = (
    NameServer(address="192.0.2.1", interface="eth0"),
    NameServer(address="10.8.0.1"),  # nobody says whose it is, but the way to it does
    NameServer(address="fec0:0:0:ffff::1"),
    NameServer(address="not an address"),
)


def machine(tun: Interface = TUN, **names_of: Any) -> fakes.FakeMachine:
    return fakes.FakeMachine(
        names=fakes.FakeNames(servers=SERVERS, **names_of),
        net=fakes.FakeNet(interfaces=[fakes.LOOPBACK, fakes.CABLE, tun], routes=ROUTES),
    )


def test_probe() -> None:
    row = run_one(machine(), names.CHECK, CHECK, host="10.5.0.7")
    assert [finding.id for finding in row.findings] == ["vpn.carries-target"]
    assert fact(row) == VpnFact(
        vpns=(
            Vpn(interface="tun0", up=True, networks=("10.8.0.0/24", "10.5.0.0/16"), servers=("10.8.0.1",)),
        ),
        paths=(Path(address="10.5.0.7", interface="tun0"),),
    )


def test_next_to_this_pc() -> None:
    (path,) = fact(run_one(machine(), names.CHECK, CHECK, host="192.0.2.7")).paths
    assert path == Path(address="192.0.2.7", interface="eth0", next_to=True)


def test_the_vpn_is_off() -> None:
    row = run_one(machine(replace(TUN, up=False)), names.CHECK, CHECK, host="10.5.0.7")
    assert [finding.id for finding in row.findings] == ["vpn.off"]
    assert fact(row).vpns[0].up is False


def test_without_a_target_or_name_servers() -> None:
    row = run_one(machine(denied=["settings"]), names.CHECK, CHECK, host=None)
    assert [finding.id for finding in row.findings] == ["vpn.on"]
    assert (fact(row).paths, fact(row).vpns[0].servers) == ((), ())


def test_this_pc_needs_no_vpn() -> None:
    row = run_one(machine(), names.CHECK, CHECK, host="localhost")
    assert (row.state, reason(row)) == (State.SKIPPED, "target-is-here")


def test_no_vpn() -> None:
    assert [finding.id for finding in run_one(fakes.FakeMachine(), CHECK, host=None).findings] == ["vpn.none"]
