"""What stands on the way and touches what passes: TLS inspection, and resets in the middle of a conversation."""

import pickle
from typing import TYPE_CHECKING

from tests.lab import topology
from tests.lab.actions import PORT, Action, Hook, Nft
from tests.lab.topology import At, nft, set_kernel

if TYPE_CHECKING:
    from tests.lab.lab import Lab

_ANY_TLS_RECORD = "@ih,0,16 0x1603"
"""The first two bytes of the TCP payload: a handshake record of TLS, whichever version (RFC 8446 5.1)."""


class Inspect(Action, frozen=True, kw_only=True):
    """The gateway takes TLS to the server apart and puts it together again, with a certificate of its own making.

    `issuer` is whom that certificate names; `subject` whom it is for.
    """

    issuer: str = "Corp TLS Inspection CA"
    subject: str = topology.HOST
    port: int = PORT

    def apply(self, lab: "Lab") -> None:
        with topology.inside(At.GATEWAY):
            set_kernel({"net/ipv4/conf/all/route_localnet": "1"})
        nft(
            At.GATEWAY,
            "table ip inspect {\nchain in {\ntype nat hook prerouting priority dstnat\n"
            f'iifname "{topology.WAN}" tcp dport {self.port} dnat to 127.0.0.1:{self.port}\n}}\n}}\n',
        )
        data = pickle.dumps((self.issuer, self.subject, topology.SERVER, self.port))
        lab.spawn(At.GATEWAY, "tests.lab.inspector", stdin=len(data).to_bytes(4) + data)


def reset_tls(at: At = At.GATEWAY, *, port: int = PORT) -> Nft:
    """Whoever says TLS to that port is reset: a filter that lets X.224 pass and nothing more."""
    return Nft(at=at, rule=f"tcp dport {port} {_ANY_TLS_RECORD} reject with tcp reset")


def drop_tls(at: At = At.GATEWAY, *, port: int = PORT) -> Nft:
    """As `reset_tls`, without a word."""
    return Nft(at=at, rule=f"tcp dport {port} {_ANY_TLS_RECORD} drop")


def reset_after(bytes_: int, at: At = At.GATEWAY, *, port: int = PORT) -> Nft:
    """A conversation is reset by the packet with which it is longer than that, both directions together."""
    return Nft(at=at, hook=Hook.THROUGH, rule=f"tcp dport {port} ct bytes > {bytes_} reject with tcp reset")
