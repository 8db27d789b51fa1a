"""What can be done to a lab. A scenario is a row of these; each one is one line of data.

Servers and name services come first, whatever their place in the row, then everything else in its order. A lab without
a server action has a healthy xrdp, one without a name service action has `Names()`.
"""

import pickle
import time
from collections.abc import Mapping
from datetime import timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import msgspec
from msgspec.structs import replace

from core.demo.faults import FAULTS, Script
from tests.lab import topology, wire
from tests.lab.topology import At, nft, set_kernel
from tests.support import servers
from tests.support.servers import Keys

if TYPE_CHECKING:
    from tests.lab.lab import Lab

PORT = 3389


class Stage(IntEnum):
    """When an action is carried out."""

    PREPARE = 1
    SERVER = 2
    NAMES = 3
    NETWORK = 4
    FAULT = 5


class Action(msgspec.Struct, frozen=True, kw_only=True):
    stage: ClassVar[Stage] = Stage.FAULT

    def apply(self, lab: "Lab") -> None:
        raise NotImplementedError


# --- RDP servers


class Server(Action, frozen=True, kw_only=True):
    stage: ClassVar[Stage] = Stage.SERVER


class NoServer(Server, frozen=True, kw_only=True):
    """Nobody listens on the RDP port."""

    def apply(self, lab: "Lab") -> None:
        pass


class Xrdp(Server, frozen=True, kw_only=True):
    """xrdp on every address, IPv4 and IPv6. It never speaks NLA. See `tests.support.servers.xrdp`."""

    security: str = "negotiate"
    keys: Keys = Keys.GOOD
    tls: str = "TLSv1.2, TLSv1.3"
    ciphers: str = "HIGH"
    old_tls: bool = False
    port: int = PORT

    def apply(self, lab: "Lab") -> None:
        lab.stack.enter_context(
            servers.xrdp(
                security_layer=self.security,
                keys=self.keys,
                ssl_protocols=self.tls,
                tls_ciphers=self.ciphers,
                old_tls=self.old_tls,
                place=lab.server_place(self.port),
            )
        )


class Shadow(Server, frozen=True, kw_only=True):
    """freerdp-shadow, IPv4 only: `security` is nla, tls or rdp, and nothing else."""

    security: str = "nla"
    keys: Keys = Keys.GOOD
    port: int = PORT

    def apply(self, lab: "Lab") -> None:
        place = lab.server_place(self.port)
        lab.stack.enter_context(servers.shadow(security=self.security, keys=self.keys, place=place))


class Scripted(Server, frozen=True, kw_only=True):
    """The scripted server, IPv4 only: a name in `core.demo.faults.FAULTS`, or a script.

    It serves loopback; the kernel of its machine carries the packets there unchanged, resets and all.
    `at` may be another machine with an `eth0`: a second server, beside that of the lab.
    """

    script: str | Script = "healthy"
    port: int = PORT
    at: At = At.SERVER

    def apply(self, lab: "Lab") -> None:
        script = FAULTS[self.script] if isinstance(self.script, str) else self.script
        with topology.inside(self.at):
            set_kernel({"net/ipv4/conf/all/route_localnet": "1"})
        nft(
            self.at,
            "table ip loopback {\nchain in {\ntype nat hook prerouting priority dstnat\n"
            f'iifname "eth0" meta l4proto {{ tcp, udp }} th dport {self.port} dnat to 127.0.0.1:{self.port}\n}}\n}}\n',
        )
        data = pickle.dumps((script, self.port))
        lab.spawn(self.at, "tests.lab.scripted_server", stdin=len(data).to_bytes(4) + data)


# --- Name services


class NameService(Action, frozen=True, kw_only=True):
    stage: ClassVar[Stage] = Stage.NAMES


DEFAULT_RECORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {topology.HOST: (topology.SERVER,), topology.PUBLIC_HOST: (topology.SERVER_PUBLIC,)}
)


class Names(NameService, frozen=True, kw_only=True):
    """A name server that works: addresses by name, for the rest NXDOMAIN. A name for a value makes an alias.

    `at` is where it runs: on the home router, which the client asks, or on the corporate name server.
    """

    records: Mapping[str, tuple[str, ...]] = DEFAULT_RECORDS
    at: At = At.ROUTER

    def apply(self, lab: "Lab") -> None:
        command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv"]
        command += ["--user=root", "--pid-file=", "--local=/#/", "--log-facility=-"]
        for name, values in self.records.items():
            for value in values:
                is_alias = value[0].isalpha() and ":" not in value
                command.append(f"--cname={name},{value}" if is_alias else f"--host-record={name},{value}")
        lab.daemon(self.at, f"dnsmasq-{self.at}.log", *command)
        lab.wait_for_udp(self.at, 53)


class NoNames(NameService, frozen=True, kw_only=True):
    """No name server runs: the router refuses the question with ICMP."""

    def apply(self, lab: "Lab") -> None:
        pass


class Behaviour(StrEnum):
    """How a name server misbehaves."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENT = "silent"
    SLOW = "slow"
    """A right answer after `seconds`."""
    WRONG_ID = "wrong-id"
    TRUNCATED = "truncated"
    """Truncated by UDP, and TCP is refused."""
    GARBAGE = "garbage"
    LOOP = "loop"
    """An alias of itself."""


class BadNames(NameService, frozen=True, kw_only=True):
    """A name server that misbehaves. `records` are what the honest ones of its answers say."""

    behaviour: Behaviour
    seconds: float = 2.0
    records: Mapping[str, tuple[str, ...]] = DEFAULT_RECORDS
    at: At = At.ROUTER

    def apply(self, lab: "Lab") -> None:
        data = pickle.dumps((str(self.behaviour), self.seconds, dict(self.records)))
        address = topology.ADDRESS[self.at]
        lab.spawn(self.at, "tests.lab.bad_name_server", address, stdin=len(data).to_bytes(4) + data)


# --- The client


class Hosts(Action, frozen=True, kw_only=True):
    """A line of the client's hosts file."""

    line: str

    def apply(self, lab: "Lab") -> None:
        lab.write("hosts", f"{self.line}\n", append=True)


class Resolv(Action, frozen=True, kw_only=True):
    """The client's resolv.conf, all of it."""

    servers: tuple[str, ...] = (topology.ROUTER,)
    search: tuple[str, ...] = ()
    options: str = ""

    def apply(self, lab: "Lab") -> None:
        lines = [f"nameserver {server}" for server in self.servers]
        lines += [f"search {' '.join(self.search)}"] if self.search else []
        lines += [f"options {self.options}"] if self.options else []
        lab.write("resolv.conf", "\n".join(lines) + "\n")


class Clock(Action, frozen=True, kw_only=True):
    """The tool's clock, or that of a real server, is ahead by this much; negative is behind."""

    stage: ClassVar[Stage] = Stage.PREPARE
    ahead: timedelta
    at: At = At.CLIENT

    def apply(self, lab: "Lab") -> None:
        if self.at is At.SERVER:
            seconds = round(self.ahead.total_seconds())
            lab.server_words = ("env", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", f"{seconds:+d}s")
        else:
            lab.clock_error = self.ahead


# --- Any machine


class Ip(Action, frozen=True, kw_only=True):
    """Commands of ip(8) on a machine, such as `route del default` or `link set eth0 down`."""

    at: At = At.CLIENT
    commands: tuple[str, ...]

    def apply(self, lab: "Lab") -> None:
        topology.ip(self.at, "".join(f"{command}\n" for command in self.commands))


class Kernel(Action, frozen=True, kw_only=True):
    """Settings below /proc/sys on a machine."""

    at: At = At.CLIENT
    settings: Mapping[str, str]

    def apply(self, lab: "Lab") -> None:
        with topology.inside(self.at):
            set_kernel(dict(self.settings))


class Hook(StrEnum):
    """Which packets of a machine a rule sees."""

    IN = "input"
    """Those that are for it."""
    OUT = "output"
    """Those that it sends."""
    THROUGH = "forward"
    """Those that it carries."""


class Nft(Action, frozen=True, kw_only=True):
    """One nft rule, in a chain of its own for both IP versions: `tcp dport 3389 drop`."""

    at: At = At.GATEWAY
    hook: Hook = Hook.THROUGH
    rule: str
    policy: str = "accept"

    def apply(self, lab: "Lab") -> None:
        nft(
            self.at,
            f"table inet lab_{lab.number()} {{ chain c {{\n"
            f"type filter hook {self.hook} priority filter; policy {self.policy}\n{self.rule}\n}}\n}}\n",
        )


def drop(at: At = At.GATEWAY, *, port: int = PORT, hook: Hook = Hook.THROUGH, protocol: str = "tcp") -> Nft:
    """Packets to a port vanish."""
    return Nft(at=at, hook=hook, rule=f"{protocol} dport {port} drop")


def drop_answers(at: At = At.GATEWAY, *, port: int = PORT, hook: Hook = Hook.THROUGH) -> Nft:
    """Packets from a port vanish: the server answers and nobody hears it."""
    return Nft(at=at, hook=hook, rule=f"tcp sport {port} drop")


def reject(
    at: At = At.GATEWAY, *, port: int = PORT, hook: Hook = Hook.THROUGH, how: str = "icmpx admin-prohibited"
) -> Nft:
    """Packets to a port are refused: `how` is nft's, such as `tcp reset` or `icmpx host-unreachable`."""
    return Nft(at=at, hook=hook, rule=f"tcp dport {port} reject with {how}")


def drop_all(at: At = At.GATEWAY, *, to: str = topology.SERVER, hook: Hook = Hook.THROUGH) -> Nft:
    """Everything to an address vanishes, echoes too."""
    return Nft(at=at, hook=hook, rule=f"ip daddr {to} drop")


def no_echo(at: At = At.GATEWAY, *, hook: Hook = Hook.THROUGH) -> Nft:
    """Echo requests vanish: a firewall that hides who is there."""
    return Nft(at=at, hook=hook, rule="icmp type echo-request drop")


class HostOff(Action, frozen=True, kw_only=True):
    """The server's machine is gone. Its router finds nobody and reports that after three seconds, unless `silently`."""

    silently: bool = False

    def apply(self, lab: "Lab") -> None:
        topology.ip(At.SERVER, "link set eth0 down\n")
        if self.silently:
            Nft(at=At.GATEWAY, hook=Hook.OUT, rule="icmp type destination-unreachable drop").apply(lab)


class Wan(Action, frozen=True, kw_only=True):
    """The wide-area network, the same in both directions unless `only` is `out` or `back`. See `tests.lab.wire.Line`."""

    loss: float = 0.0
    burst: float = 1.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    rate_kbit: float = 0.0
    queue_kb: float = 64.0
    mtu: int = 0
    tells: bool = False
    cut: bool = False
    port: int | None = None
    only: str = ""

    def apply(self, lab: "Lab") -> None:
        line = wire.Line(
            **{field: getattr(self, field) for field in wire.Line.__struct_fields__}  # the same words
        )
        match self.only:
            case "":
                both = wire.Both(out=line, back=line)
            case "out":
                both = replace(lab.wan, out=line)
            case "back":
                both = replace(lab.wan, back=line)
            case other:
                raise ValueError(f"a direction is out or back, not {other}")
        lab.change_wan(both)


class Run(Action, frozen=True, kw_only=True):
    """Any other command on a machine; what many scenarios need deserves an action of its own."""

    at: At
    command: tuple[str, ...]

    def apply(self, lab: "Lab") -> None:
        lab.run(self.at, *self.command)


class Wait(Action, frozen=True, kw_only=True):
    """For what needs time to take effect. Seldom the right answer."""

    seconds: float

    def apply(self, lab: "Lab") -> None:
        time.sleep(self.seconds)
