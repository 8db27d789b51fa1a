"""Real VPNs from the client to the corporate gateway: OpenVPN, and WireGuard in user space."""

import os
import subprocess
import time
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from core.demo import certificates
from core.demo.faults import Certificate
from tests.lab import topology
from tests.lab.actions import Action, Names, NameService, Nft, Resolv, Stage
from tests.lab.topology import At, ip

if TYPE_CHECKING:
    from tests.lab.lab import Lab

_CONNECTED_S = 10.0
_SERVER, _CLIENT, _SPARE = "10.99.0.1", "10.99.0.2", "10.99.0.3"  # OpenVPN wants a pool of two
_PORT = 1194


class Kind(StrEnum):
    OPENVPN = "openvpn"
    WIREGUARD = "wireguard"


class OnlyByVpn(NameService, frozen=True, kw_only=True):
    """The world in which people need a VPN: the home router sends no private addresses to the Internet, and only the
    corporate name server knows the server's name. With `known`, the home name server knows it too.
    """

    known: bool = False

    def apply(self, lab: "Lab") -> None:
        Nft(
            at=At.ROUTER,
            rule=f'oifname "{topology.WAN}" ip daddr {{ 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 }} drop',
        ).apply(lab)
        outside = {topology.PUBLIC_HOST: (topology.SERVER_PUBLIC,)}
        inside = {topology.HOST: (topology.SERVER,)}
        Names(records=outside | inside if self.known else outside).apply(lab)
        Names(at=At.DNS, records=inside).apply(lab)


class Vpn(Action, frozen=True, kw_only=True):
    """A VPN of the client. To break what runs through it, let other actions follow this one.

    Attributes:
        up: False leaves its interface there, switched off, as after "disconnect".
        routes: networks that lead into it; ("0.0.0.0/0",) for everything.
        metric: of these routes; a home network that overlaps wins over a high one.
        dns: the client asks the corporate name server from then on.
        keys_match: False for a WireGuard peer with another key: the interface is up, and nothing passes.
        mtu: of the tunnel.
    """

    stage: ClassVar[Stage] = Stage.NETWORK
    kind: Kind = Kind.OPENVPN
    up: bool = True
    routes: tuple[str, ...] = ("10.20.0.0/24",)
    metric: int = 0
    dns: bool = True
    keys_match: bool = True
    mtu: int = 1400

    def apply(self, lab: "Lab") -> None:
        if self.kind is Kind.OPENVPN:
            self._openvpn(lab)
        else:
            self._wireguard(lab)
        if self.up and self.dns:
            Resolv(servers=(topology.DNS,), search=("corp.example",)).apply(lab)

    # --- OpenVPN

    def _openvpn(self, lab: "Lab") -> None:
        if not self.up:
            ip(At.CLIENT, "tuntap add tun0 mode tun\n")
            return
        prints = {end: _certificate(lab.folder, end) for end in ("client", "server")}
        common = ("--dev", "tun0", "--topology", "subnet", "--verb", "3", "--tun-mtu", str(self.mtu))
        lab.daemon(
            At.GATEWAY,
            "openvpn-server.log",
            *("openvpn", *common, *_keys(lab.folder, "server", prints["client"])),
            *("--mode", "server", "--tls-server", "--dh", "none", "--keepalive", "10", "60"),
            *("--local", topology.GATEWAY_WAN, "--port", str(_PORT), "--proto", "udp"),
            *("--ifconfig", _SERVER, "255.255.255.0", "--ifconfig-pool", _CLIENT, _SPARE, "255.255.255.0"),
            *("--push", "topology subnet", "--push", f"route-gateway {_SERVER}"),
        )
        lab.wait_for_udp(At.GATEWAY, _PORT)
        routes = [_openvpn_route(route, self.metric) for route in self.routes]
        lab.daemon(
            At.CLIENT,
            "openvpn-client.log",
            *("openvpn", *common, *_keys(lab.folder, "client", prints["server"])),
            *("--client", "--nobind", "--remote", topology.GATEWAY_WAN, str(_PORT), "udp"),
            *(word for route in routes for word in route),
        )
        _wait_for(lambda: "Initialization Sequence Completed" in _log(lab, "openvpn-client.log"), lab)

    # --- WireGuard

    def _wireguard(self, lab: "Lab") -> None:
        # One folder holds the control sockets of all namespaces, so the two ends have names of their own.
        ends = {At.GATEWAY: "wg-corp", At.CLIENT: "wg0"}
        private = {at: _wg_key(lab.folder, at) for at in ends}
        public = {at: _wg("pubkey", stdin=path.read_text()) for at, path in private.items()}
        if not self.keys_match:
            public[At.GATEWAY] = _wg("pubkey", stdin=_wg("genkey"))
        for at, name in ends.items():
            lab.daemon(at, f"{name}.log", "wireguard-go", "--foreground", name)
            _wait_for(Path(f"/run/wireguard/{name}.sock").exists, lab)
        _wg("set", "wg-corp", "private-key", str(private[At.GATEWAY]), "listen-port", "51820",
            *("peer", public[At.CLIENT], "allowed-ips", f"{_CLIENT}/32"), at=At.GATEWAY)  # fmt: skip
        _wg("set", "wg0", "private-key", str(private[At.CLIENT]),
            *("peer", public[At.GATEWAY], "endpoint", f"{topology.GATEWAY_WAN}:51820"),
            *("persistent-keepalive", "5", "allowed-ips", ",".join((*self.routes, f"{_SERVER}/32"))),
            at=At.CLIENT)  # fmt: skip
        ip(At.GATEWAY, f"addr add {_SERVER}/24 dev wg-corp\nlink set wg-corp mtu {self.mtu} up\n")
        ip(At.CLIENT, f"addr add {_CLIENT}/24 dev wg0\nlink set wg0 mtu {self.mtu}\n")
        if not self.up:
            return
        routes = "".join(
            f"route add {_halved(route)} dev wg0 metric {self.metric}\n" for route in self.routes
        )
        ip(At.CLIENT, f"link set wg0 up\n{routes}")
        if self.keys_match:
            _wait_for(lambda: not _wg("show", "wg0", "latest-handshakes", at=At.CLIENT).endswith("\t0"), lab)


def _openvpn_route(route: str, metric: int) -> tuple[str, ...]:
    if route == "0.0.0.0/0":
        return ("--redirect-gateway", "def1")
    network = IPv4Network(route)
    return ("--route", str(network.network_address), str(network.netmask), "vpn_gateway", str(metric))


def _halved(route: str) -> str:
    """A default route through WireGuard would swallow its own packets; wg-quick avoids that with a table of its own."""
    if route == "0.0.0.0/0":
        raise ValueError("WireGuard scenarios name their networks")
    return route


def _certificate(folder: Path, end: str) -> str:
    """Makes certificate and key of one end; returns the fingerprint by which the other one knows it."""
    certificate, key = certificates.make(Certificate(name=end))
    (folder / f"{end}.crt").write_bytes(certificate)
    (folder / f"{end}.key").write_bytes(key)
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256()).hex(":")


def _keys(folder: Path, end: str, peer: str) -> tuple[str, ...]:
    return (
        "--cert",
        str(folder / f"{end}.crt"),
        "--key",
        str(folder / f"{end}.key"),
        "--peer-fingerprint",
        peer,
    )


def _wg_key(folder: Path, at: At) -> Path:
    path = folder / f"{at}.wgkey"
    path.touch(mode=0o600)
    path.write_text(_wg("genkey"))
    return path


def _wg(*words: str, at: At | None = None, stdin: str = "") -> str:
    where = () if at is None else topology.enter(at)
    done = subprocess.run(
        (*where, "wg", *words), input=stdin, capture_output=True, text=True, env=dict(os.environ), check=True
    )
    return done.stdout.strip()


def _log(lab: "Lab", name: str) -> str:
    return (lab.folder / name).read_text(errors="replace")


def _wait_for(done: Callable[[], bool], lab: "Lab") -> None:
    deadline = time.monotonic() + _CONNECTED_S
    while not done():
        if time.monotonic() > deadline:
            raise lab.error("the VPN does not connect")
        time.sleep(0.02)
