"""The network of one lab: who is where, and the commands that build it.

    client .50 --+                                                            +-- server .10
                 +-- router ===== wide-area network ===== gateway --+--- corporate LAN
 neighbour .10 --+   (NAT, home name server)              (firewall)  +-- name server .53

Every name here is private to the worker that builds the lab, so all labs use the same ones.
"""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final


class At(StrEnum):
    """A machine of the lab, which is a network namespace of that name."""

    CLIENT = "client"
    NEIGHBOUR = "neighbour"
    ROUTER = "router"
    GATEWAY = "gateway"
    SERVER = "server"
    DNS = "dns"


CLIENT: Final = "192.168.1.50"
NEIGHBOUR: Final = "192.168.1.10"
ROUTER: Final = "192.168.1.1"
ROUTER_WAN: Final = "198.51.100.2"
GATEWAY_WAN: Final = "198.51.100.1"
GATEWAY: Final = "10.20.0.1"
SERVER: Final = "10.20.0.10"
SERVER_PUBLIC: Final = "203.0.113.10"
"""The same server as the Internet sees it: for scenarios in which private addresses do not cross the wide-area network."""
SERVER_V6: Final = "fd00:20::10"
NOBODY: Final = "10.20.0.99"
"""An address of the corporate LAN that no machine has."""
DNS: Final = "10.20.0.53"

ADDRESS: Final = {
    At.CLIENT: CLIENT,
    At.NEIGHBOUR: NEIGHBOUR,
    At.ROUTER: ROUTER,
    At.GATEWAY: GATEWAY,
    At.SERVER: SERVER,
    At.DNS: DNS,
}
"""Where a machine is found by those in front of it."""

HOST: Final = "pc-anna.corp.example"
"""The server's name. Its short form, in capitals, is what it calls itself."""
PUBLIC_HOST: Final = "rdp.example.net"
"""The name of its public address."""
SERVER_NAME: Final = "PC-ANNA"
CLIENT_NAME: Final = "laptop"

WAN: Final = "wan"
"""The interface of router and gateway that leads to the other one."""

# Without duplicate address detection an address serves at once. BBR, which some kernels hand down, hides loss.
_SETTINGS: Final = {
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv4/tcp_congestion_control": "reno",
    # Ordinary programs may send echoes, as on the desktops of the large distributions.
    "net/ipv4/ping_group_range": "0 2147483647",
}
_FORWARDING: Final = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}

# The bridges come first, so that no cable has the same interface number at both ends: the kernel would take these for
# one device and tell their state a second late (linkwatch_urgent_event).
_LINKS: Final = """
link add lan netns router type bridge
link add corp netns gateway type bridge
link add eth0 netns client type veth peer name to-client netns router
link add eth0 netns neighbour type veth peer name to-neighbour netns router
link add eth0 netns server type veth peer name to-server netns gateway
link add eth0 netns dns type veth peer name to-dns netns gateway
"""

_SETUP: Final = {
    At.CLIENT: f"""
link set lo up
link set eth0 up
addr add {CLIENT}/24 dev eth0
addr add fd00:1::50/64 dev eth0
route add default via {ROUTER}
route add default via fd00:1::1
""",
    At.NEIGHBOUR: f"""
link set lo up
link set eth0 up
addr add {NEIGHBOUR}/24 dev eth0
route add default via {ROUTER}
""",
    At.ROUTER: f"""
link set lo up
link set to-client master lan up
link set to-neighbour master lan up
link set lan up
addr add {ROUTER}/24 dev lan
addr add fd00:1::1/64 dev lan
""",
    At.GATEWAY: f"""
link set lo up
link set to-server master corp up
link set to-dns master corp up
link set corp up
addr add {GATEWAY}/24 dev corp
addr add fd00:20::1/64 dev corp
route add {SERVER_PUBLIC} via {SERVER}
""",
    At.SERVER: f"""
link set lo up
link set eth0 up
addr add {SERVER}/24 dev eth0
addr add {SERVER_PUBLIC}/32 dev lo
addr add {SERVER_V6}/64 dev eth0
route add default via {GATEWAY}
route add default via fd00:20::1
""",
    At.DNS: f"""
link set lo up
link set eth0 up
addr add {DNS}/24 dev eth0
addr add fd00:20::53/64 dev eth0
route add default via {GATEWAY}
route add default via fd00:20::1
""",
}

# After the wide-area network has made its two interfaces.
_WAN_SETUP: Final = {
    At.ROUTER: f"""
addr add {ROUTER_WAN}/30 dev {WAN}
addr add fd00:ff::2/64 dev {WAN}
link set {WAN} up
route add default via {GATEWAY_WAN}
route add default via fd00:ff::1
""",
    At.GATEWAY: f"""
addr add {GATEWAY_WAN}/30 dev {WAN}
addr add fd00:ff::1/64 dev {WAN}
link set {WAN} up
route add fd00:1::/64 via fd00:ff::2
""",
}
MASQUERADE: Final = f"""
table ip nat {{
  chain out {{
    type nat hook postrouting priority srcnat
    oifname "{WAN}" masquerade
  }}
}}
"""


def enter(at: At) -> tuple[str, ...]:
    """The words that run the command after them on a machine of the lab."""
    return ("ip", "netns", "exec", at)


def ip(at: At | None, lines: str) -> None:
    """Run commands of iproute2, one on each line; `at` None is where namespaces are made.

    Raises:
        subprocess.CalledProcessError: one of them failed.
    """
    where = () if at is None else ("-n", at)
    _run(("ip", *where, "-batch", "-"), lines)


def nft(at: At, lines: str) -> None:
    """Run commands of nftables, one on each line.

    Raises:
        subprocess.CalledProcessError: one of them failed.
    """
    _run((*enter(at), "nft", "-f", "-"), lines)


def _run(command: tuple[str, ...], lines: str) -> None:
    # The lines are part of the error, for ip and nft tell only their numbers.
    done = subprocess.run(command, input=lines, text=True, capture_output=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, [*command, lines], done.stdout, done.stderr)


def build() -> None:
    """All machines and all cables but the wide-area network."""
    ip(None, "".join(f"netns add {at}\n" for at in At))
    for at in At:
        with inside(at):
            set_kernel(_SETTINGS | (_FORWARDING if at in (At.ROUTER, At.GATEWAY) else {}))
    ip(None, _LINKS)
    for at, lines in _SETUP.items():
        ip(at, lines)


def build_wan() -> None:
    """Addresses and routes of the wide-area network, whose two interfaces are there by now."""
    for at, lines in _WAN_SETUP.items():
        ip(at, lines)
    nft(At.ROUTER, MASQUERADE)


def set_kernel(settings: dict[str, str]) -> None:
    """Kernel settings (paths below /proc/sys) of the network that this thread is in."""
    for path, value in settings.items():
        Path("/proc/sys", path).write_text(value, encoding="ascii")


_CLONE_NEWNET: Final = 0x40000000


@contextlib.contextmanager
def inside(at: str) -> Iterator[None]:
    """This thread in that machine's network for the length of the block (setns(2); os.setns needs Python 3.12)."""
    libc = ctypes.CDLL(None, use_errno=True)

    def move(descriptor: int) -> None:
        if libc.setns(descriptor, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns to {at}")

    with contextlib.ExitStack() as stack:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        stack.callback(os.close, home)
        there = os.open(f"/run/netns/{at}", os.O_RDONLY)
        stack.callback(os.close, there)
        move(there)
        try:
            yield
        finally:
            move(home)


def destroy() -> None:
    """Takes every machine away, and with it its interfaces, routes and rules."""
    folder = Path("/run/netns")
    present = folder.iterdir() if folder.is_dir() else ()
    ip(None, "".join(f"netns delete {path.name}\n" for path in present))
