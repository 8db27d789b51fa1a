"""The seam for Windows: what it answers, and that it says so where it does not."""

import asyncio
import inspect
import socket
from ipaddress import ip_address

import pytest

from core.ports import Unsupported
from core.windows.machine import WindowsMachine

MACHINE = WindowsMachine()
ADDRESS = ip_address("192.0.2.7")


@pytest.mark.parametrize(
    "question",
    [
        MACHINE.names.settings,
        MACHINE.names.hosts,
        MACHINE.net.interfaces,
        MACHINE.net.routes,
        lambda: MACHINE.net.best_route(ADDRESS),
        lambda: MACHINE.net.neighbour(ADDRESS),
        lambda: MACHINE.net.echo(ADDRESS, timeout=1),
        lambda: MACHINE.firewall.outgoing_tcp(ADDRESS, 3389, interface=None),
        MACHINE.clock.state,
    ],
)
def test_what_is_not_asked_is_said(question):
    async def ask() -> None:
        answer = question()
        if inspect.isawaitable(answer):
            await answer

    with pytest.raises(Unsupported, match="this version"):
        asyncio.run(ask())


def test_sockets_are_left_alone():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sock,
    ):
        MACHINE.net.watch_icmp(sock)
        MACHINE.net.watch_icmp(sock, on=False)
        assert MACHINE.net.tcp_info(sock) is None
        assert MACHINE.net.icmp_notice(sock) is None
