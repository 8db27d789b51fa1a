"""What every implementation of `core.ports.Net` keeps, as far as the loopback shows it."""

import asyncio
import errno
import socket
import sys
from ipaddress import ip_address

import pytest

from core.machine import this_machine
from core.ports import Denied, EchoOutcome, LinkKind, NeighbourState, Net
from tests.support.fakes import FakeNet

REAL = pytest.param(
    "this machine",
    marks=pytest.mark.skipif(sys.platform != "linux", reason="only the Linux adapters ask the system"),
)
HERE = ip_address("127.0.0.1")
NOBODY = ip_address("203.0.113.77")


@pytest.fixture(params=["fake", REAL])
def net(request) -> Net:
    return FakeNet() if request.param == "fake" else this_machine().net


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_there_is_one_loopback_with_its_address(net):
    loopbacks = [i for i in asyncio.run(net.interfaces()) if i.kind is LinkKind.LOOPBACK]
    assert len(loopbacks) == 1
    assert loopbacks[0].up
    assert HERE in {own.ip for own in loopbacks[0].addresses}


def test_interfaces_have_names_and_numbers_of_their_own(net):
    interfaces = asyncio.run(net.interfaces())
    assert len({i.name for i in interfaces}) == len({i.index for i in interfaces}) == len(interfaces)


def test_the_loopback_is_the_best_route_to_itself(net):
    best = asyncio.run(net.best_route(HERE))
    loopback = next(i for i in asyncio.run(net.interfaces()) if i.kind is LinkKind.LOOPBACK)
    assert (best.interface, best.source, best.mtu) == (loopback.name, HERE, loopback.mtu)
    assert best.on_link
    assert not best.no_route


def test_an_own_address_is_reached_through_the_loopback(net):
    interfaces = asyncio.run(net.interfaces())
    own = [address.ip for i in interfaces if i.up for address in i.addresses if not address.is_link_local]
    for address in own:
        assert asyncio.run(net.best_route(address)).interface == "lo"


def test_routes_lead_through_interfaces_that_exist(net):
    names = {i.name for i in asyncio.run(net.interfaces())}
    for route in asyncio.run(net.routes()):
        assert route.interface in names or (route.blocked and route.interface is None)


def test_the_best_route_is_one_of_the_routes(net):
    best = asyncio.run(net.best_route(NOBODY))
    covering = [r for r in asyncio.run(net.routes()) if NOBODY in r.destination and not r.blocked]
    assert best.no_route or (best.interface, best.gateway) in {(r.interface, r.gateway) for r in covering}


def test_nobody_is_asked_for_an_unused_address(net):
    neighbour = asyncio.run(net.neighbour(NOBODY))
    assert neighbour.address == NOBODY
    assert neighbour.state is NeighbourState.NONE
    assert neighbour.mac is None


@pytest.mark.parametrize("payload", [0, 32, 1400])
def test_the_loopback_answers_an_echo(net, payload):
    try:
        echo = asyncio.run(net.echo(HERE, payload=payload, timeout=5))
    except Denied:
        pytest.skip("this user may not send an ICMP echo (net.ipv4.ping_group_range)")
    assert echo.outcome is EchoOutcome.REPLY
    assert echo.sender == str(HERE)
    assert 0 <= echo.took_ms < 5000


def test_a_connection_has_numbers(net, listener):
    with socket.create_connection(listener.getsockname()) as sock:
        info = net.tcp_info(sock)
        assert info is not None
        assert 0 < info.rtt_ms < 5000
        assert info.syn_retransmits == info.retransmits == 0
        assert info.send_mss is not None
        assert info.path_mtu is not None
        assert 500 < info.send_mss < info.path_mtu
    assert net.tcp_info(sock) is None, "closed"


def test_a_socket_that_never_connected_has_none(net):
    with socket.socket() as sock:
        assert net.tcp_info(sock) is None


def test_a_refused_connection_leaves_no_notice(net):
    with socket.socket() as sock:
        net.watch_icmp(sock)
        assert sock.connect_ex(("127.0.0.1", closed_port())) == errno.ECONNREFUSED
        assert net.icmp_notice(sock) is None


def test_a_watched_connection_works_and_so_does_one_no_longer_watched(net, listener):
    with socket.socket() as sock:
        net.watch_icmp(sock)
        sock.connect(listener.getsockname())
        net.watch_icmp(sock, on=False)
        peer, _ = listener.accept()
        with peer:
            sock.sendall(b"still here")
            assert peer.recv(100) == b"still here"
        assert net.icmp_notice(sock) is None
