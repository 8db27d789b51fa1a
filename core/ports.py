"""What a machine can be asked, as small Protocols. `core.linux` and `core.windows` answer; tests bring fakes.

A question that this system cannot answer raises Unsupported, one that the user may not ask raises Denied;
both become findings. Everything else that can happen to a healthy PC is a value.
Sockets are not behind a port: probes open them directly, and tests run them against real servers.
A question that may take longer than a few milliseconds is async; the others answer at once.
"""

import ipaddress
import socket
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

import msgspec

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
IpInterface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class Unsupported(Exception):  # noqa: N818 - an answer, not an error
    """This system has no such thing, or no way to ask for it. The text is for evidence."""


class Denied(Exception):  # noqa: N818 - an answer, not an error
    """It is there, and this user may not see it. The text is for evidence."""


# --- Names


class ResolveFailure(StrEnum):
    """What the system resolver says instead of addresses (EAI_* and WSA codes sorted by meaning)."""

    NOT_FOUND = "not-found"
    NO_ADDRESS = "no-address"
    TRY_AGAIN = "try-again"
    SILENT = "silent"
    REFUSED = "refused"
    OTHER = "other"


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """The system resolver's answer: addresses in the order in which a client tries them, or a failure."""

    name: str
    addresses: tuple[str, ...] = ()
    failure: ResolveFailure | None = None
    detail: str = ""
    took_ms: float = 0.0


class NameServer(msgspec.Struct, frozen=True, kw_only=True):
    """A name server that this machine is told to use. `interface` where the system knows whose it is."""

    address: str
    interface: str | None = None


class NameSettings(msgspec.Struct, frozen=True, kw_only=True):
    servers: tuple[NameServer, ...]
    search: tuple[str, ...] = ()


class HostsLine(msgspec.Struct, frozen=True):
    """One name in the hosts file; `line` counts from 1."""

    address: str
    name: str
    line: int


class Names(Protocol):
    async def resolve(self, name: str, *, timeout: float) -> Resolution:
        """Ask as every program here asks (hosts file, cache, suffixes, name servers). Never raises for an answer."""
        ...

    async def settings(self) -> NameSettings: ...

    async def hosts(self) -> tuple[HostsLine, ...]:
        """The hosts file, read up to 1 MB. Raises Denied where it cannot be read."""
        ...


# --- Net


class LinkKind(StrEnum):
    CABLE = "cable"
    WIFI = "wifi"
    VPN = "vpn"
    LOOPBACK = "loopback"
    VIRTUAL = "virtual"
    OTHER = "other"


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface. `up` means: switched on and with carrier."""

    name: str
    index: int
    kind: LinkKind
    up: bool
    addresses: tuple[IpInterface, ...] = ()
    mtu: int | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the routing table. `gateway` is None for an on-link destination; `blocked` for
    unreachable, prohibit and blackhole routes.
    """

    destination: IpNetwork
    interface: str | None
    gateway: IpAddress | None = None
    metric: int = 0
    blocked: bool = False


class BestRoute(msgspec.Struct, frozen=True, kw_only=True):
    """What the system would do with a packet to this address: the route that wins, or why there is none."""

    address: IpAddress
    interface: str | None = None
    source: IpAddress | None = None
    gateway: IpAddress | None = None
    mtu: int | None = None
    no_route: bool = False
    detail: str = ""

    @property
    def on_link(self) -> bool:
        return not self.no_route and self.gateway is None


class NeighbourState(StrEnum):
    """Did the address answer ARP or Neighbour Discovery? `failed` is an answer too: nobody is there."""

    REACHABLE = "reachable"
    STALE = "stale"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    PERMANENT = "permanent"
    NONE = "none"


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    address: IpAddress
    state: NeighbourState
    interface: str | None = None
    mac: str | None = None


class EchoOutcome(StrEnum):
    REPLY = "reply"
    SILENT = "silent"
    UNREACHABLE = "unreachable"
    PROHIBITED = "prohibited"
    TOO_BIG = "too-big"
    TTL_EXPIRED = "ttl-expired"


class Echo(msgspec.Struct, frozen=True, kw_only=True):
    """One ICMP echo. `sender` is who answered (the host, or a router on the way); `mtu` goes with too-big."""

    outcome: EchoOutcome
    took_ms: float
    sender: str | None = None
    mtu: int | None = None


class TcpInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel's own view of one TCP connection (TCP_INFO, SIO_TCP_INFO). Times in milliseconds, sizes in bytes."""

    rtt_ms: float
    rtt_var_ms: float | None = None
    min_rtt_ms: float | None = None
    retransmits: int = 0
    syn_retransmits: int = 0
    send_mss: int | None = None
    receive_mss: int | None = None
    path_mtu: int | None = None


class IcmpNotice(msgspec.Struct, frozen=True, kw_only=True):
    """An ICMP error that came back for a socket's packets: who sent it, and whether it says "forbidden"
    (IPv4 type 3 codes 9, 10, 13; IPv6 type 1 codes 1, 5, 6).
    """

    sender: str
    type: int
    code: int
    prohibited: bool


class Net(Protocol):
    async def interfaces(self) -> tuple[Interface, ...]: ...

    async def routes(self) -> tuple[Route, ...]:
        """Routes to other machines, of every table, without those to this machine's own addresses."""
        ...

    async def best_route(self, address: IpAddress) -> BestRoute: ...

    async def neighbour(self, address: IpAddress) -> Neighbour:
        """The neighbour table's entry; state NONE if there is none. Asks nobody on the wire."""
        ...

    async def echo(
        self,
        address: IpAddress,
        *,
        payload: int = 32,
        dont_fragment: bool = False,
        ttl: int | None = None,
        timeout: float,
    ) -> Echo:
        """One ICMP echo without admin rights. Raises Unsupported or Denied where the system has no such way."""
        ...

    def tcp_info(self, sock: socket.socket) -> TcpInfo | None:
        """None where the kernel does not tell (for example after the socket was closed)."""
        ...

    def watch_icmp(self, sock: socket.socket, *, on: bool = True) -> None:
        """Ask the kernel, before connect, to keep ICMP errors for this socket. Does nothing where it cannot.

        Switch it off once connected: a watched connection breaks at an ICMP error that it would else outlive.
        """
        ...

    def icmp_notice(self, sock: socket.socket) -> IcmpNotice | None:
        """The ICMP error behind a failed connect, if the kernel kept it."""
        ...


# --- Firewall


class Block(StrEnum):
    """What this PC's firewall does with an outgoing packet of a given kind."""

    PASSES = "passes"
    DROPPED = "dropped"
    REJECTED = "rejected"
    UNCLEAR = "unclear"


class OutgoingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a packet may leave, and the rule that says so, as the system writes it (data, cut to 200 characters)."""

    block: Block
    rule: str | None = None
    place: str | None = None


class Firewall(Protocol):
    async def outgoing_tcp(self, address: IpAddress, port: int, *, interface: str | None) -> OutgoingAnswer:
        """Read the rules, do not try them. Raises Denied or Unsupported."""
        ...


# --- Clock


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """`synchronised` is None where the system does not tell; the error is the system's own estimate."""

    synchronised: bool | None
    estimated_error_ms: float | None = None
    detail: str = ""


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        ...

    def state(self) -> ClockState: ...


class Machine(Protocol):
    """Everything one PC can be asked."""

    @property
    def platform(self) -> str:
        """`linux`, `windows` or the name of a fake; for the report."""
        ...

    @property
    def names(self) -> Names: ...

    @property
    def net(self) -> Net: ...

    @property
    def firewall(self) -> Firewall: ...

    @property
    def clock(self) -> Clock: ...
