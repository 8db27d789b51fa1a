"""More ways in which a name goes wrong: the hosts file, the short form, name servers that are silent or at odds."""

from msgspec.structs import replace

from core.demo.faults import FAULTS, Certificate, Script
from core.wire.ntlm import Challenge
from tests.lab import topology
from tests.lab.actions import (
    BadNames,
    Behaviour,
    Hook,
    Hosts,
    Ip,
    Names,
    Nft,
    Resolv,
    Scripted,
    Shadow,
    Wan,
    Xrdp,
    drop,
)
from tests.lab.scenario import Scenario
from tests.lab.topology import At

_SHORT = "pc-anna"
_ALIAS = "desk.corp.example"
_NO_MACHINE = "192.168.1.77"
"""An address of the home network that no machine has."""
_OTHER_NO_MACHINE = "10.20.0.77"
_NO_USER = "the scripted server knows no user: xfreerdp's password is refused"
_ASKS_HOME = "@th,224,40 0x04686f6d65"
"""In a question for pc-anna.home.example, the label after the first: behind 8 bytes of UDP, 12 of DNS and 8 of that one."""


def _berta() -> Script:
    """A healthy server that calls itself PC-BERTA."""
    anna = FAULTS["healthy"].challenge
    berta: Challenge = replace(
        anna,
        target_name="PC-BERTA",
        netbios_computer="PC-BERTA",
        netbios_domain="PC-BERTA",
        dns_computer="PC-BERTA",
        dns_domain="PC-BERTA",
    )
    return replace(FAULTS["healthy"], certificate=Certificate(name="PC-BERTA"), challenge=berta)


_OTHER_MACHINE = (Xrdp(), Scripted(script=_berta(), at=At.DNS))
"""The right server, and a second one at the address of the corporate name server."""

_HOSTS_FILE = (
    Scenario(
        name="hosts-line-to-other-machine",
        cause="hosts-file-override",
        broken=(*_OTHER_MACHINE, Hosts(line=f"{topology.DNS} {topology.HOST}")),
    ),
    Scenario(
        name="hosts-line-to-closed-port",
        cause="hosts-file-override",
        broken=(Hosts(line=f"{topology.DNS} {topology.HOST}"),),
        ci=True,
    ),
    Scenario(
        name="hosts-line-to-this-pc",
        cause="hosts-file-override",
        broken=(Hosts(line=f"127.0.0.1 {topology.HOST}"),),
        ci=True,
    ),
    Scenario(
        name="hosts-line-of-an-old-home",
        cause="hosts-file-override",
        broken=(Hosts(line=f"{_NO_MACHINE} {topology.HOST} {_SHORT}"),),
    ),
    Scenario(
        name="healthy-hosts-line",
        cause=None,
        broken=(Hosts(line=f"{topology.SERVER} {topology.HOST}"), Names(records={})),
        ci=True,
    ),
)

_UNKNOWN = (
    Scenario(
        name="name-mistyped",
        cause="name-not-found",
        target="pc-ana.corp.example",
        ci=True,
    ),
    Scenario(
        name="name-without-address",
        cause="name-not-found",
        broken=(Names(records={f"printer.{topology.HOST}": (topology.SERVER,)}),),
        ci=True,
    ),
    Scenario(
        name="name-alias-of-nothing",
        cause="name-not-found",
        broken=(Names(records={topology.HOST: ("pc-gone.corp.example",)}),),
    ),
    Scenario(
        name="name-alias-of-itself",
        cause="name-not-found",
        broken=(BadNames(behaviour=Behaviour.LOOP),),
        accept=("name-server-not-answering",),
        why="a record that leads in a circle is a mistake of the zone; resolvers report it as a failure of the server",
    ),
    Scenario(
        name="name-unknown-beside-a-silent-server",
        cause="name-not-found",
        broken=(Names(records={}), Resolv(servers=(topology.ROUTER, _OTHER_NO_MACHINE))),
    ),
    # The system believes the first "no", so the full form fails just as well.
    Scenario(
        name="name-short-and-unknown-to-first-server",
        cause="name-not-found",
        target=_SHORT,
        broken=(
            Names(records={}),
            Names(at=At.DNS),
            Resolv(servers=(topology.ROUTER, topology.DNS), search=("corp.example",)),
        ),
    ),
)

_SILENT = (
    Scenario(
        name="name-servers-both-silent",
        cause="name-server-not-answering",
        broken=(Resolv(servers=(_NO_MACHINE, _OTHER_NO_MACHINE)),),
    ),
    Scenario(
        name="name-server-not-configured",
        cause="name-server-not-answering",
        broken=(Resolv(servers=()),),
        ci=True,
    ),
    Scenario(
        name="name-server-behind-closed-port-53",
        cause="name-server-not-answering",
        broken=(Nft(at=At.ROUTER, hook=Hook.IN, rule="udp dport 53 drop"),),
    ),
    Scenario(
        name="name-server-machine-off",
        cause="name-server-not-answering",
        broken=(
            Names(at=At.DNS),
            Resolv(servers=(topology.DNS,)),
            Ip(at=At.DNS, commands=("link set eth0 down",)),
        ),
    ),
    Scenario(
        name="name-server-garbage",
        cause="name-server-not-answering",
        broken=(BadNames(behaviour=Behaviour.GARBAGE),),
    ),
    Scenario(
        name="name-servers-fail-and-silent",
        cause="name-server-not-answering",
        broken=(BadNames(behaviour=Behaviour.SERVFAIL), Resolv(servers=(topology.ROUTER, _OTHER_NO_MACHINE))),
    ),
)

_ELSEWHERE = (
    Scenario(
        name="name-stale-other-machine",
        cause="name-points-elsewhere",
        broken=(*_OTHER_MACHINE, Names(records={topology.HOST: (topology.DNS,)})),
        accept=("fine",),
        why="a friendly name for a machine without a domain looks the same; nobody knows the name at another address",
    ),
    Scenario(
        name="name-stale-nobody-and-silence",
        cause="name-points-elsewhere",
        broken=(
            Names(records={topology.HOST: (topology.NOBODY,)}),
            Nft(hook=Hook.OUT, rule="icmp type destination-unreachable drop"),
        ),
        accept=("host-not-answering", "port-filtered"),
        why="the only name server gives an address that is silent; nothing says that the host has another one",
    ),
    Scenario(
        name="name-servers-disagree-and-first-refuses",
        cause="name-points-elsewhere",
        broken=(
            Names(records={topology.HOST: (topology.DNS,)}),
            Names(at=At.DNS),
            Resolv(servers=(topology.ROUTER, topology.DNS)),
        ),
        ci=True,
    ),
    Scenario(
        name="name-servers-disagree-other-machine",
        cause="name-points-elsewhere",
        broken=(
            *_OTHER_MACHINE,
            Names(records={topology.HOST: (topology.DNS,)}),
            Names(at=At.DNS),
            Resolv(servers=(topology.ROUTER, topology.DNS)),
        ),
    ),
    Scenario(
        name="name-sinkholed",
        cause="name-points-elsewhere",
        broken=(Names(records={topology.HOST: ("0.0.0.0",)}),),
        ci=True,
    ),
    Scenario(
        name="name-answered-with-the-routers-address",
        cause="name-points-elsewhere",
        broken=(Names(records={topology.HOST: (topology.ROUTER,)}),),
        accept=("port-closed",),
        why="a router may forward the port to the server: then a refusal is the server's",
        ci=True,
    ),
    Scenario(
        name="healthy-servers-disagree",
        cause=None,
        broken=(
            Names(),
            Names(at=At.DNS, records={topology.HOST: (topology.NOBODY,)}),
            Resolv(servers=(topology.ROUTER, topology.DNS)),
        ),
    ),
)

_FULL_FORM = (
    Scenario(
        name="name-short-and-hosts-line-is-full",
        cause="name-needs-full-form",
        target=_SHORT,
        broken=(Names(records={}), Hosts(line=f"{topology.SERVER} {topology.HOST}")),
        ci=True,
    ),
    Scenario(
        name="name-short-and-this-pc-is-of-that-domain",
        cause="name-needs-full-form",
        target=_SHORT,
        broken=(Hosts(line="127.0.1.2 laptop.corp.example laptop"),),
        accept=("name-not-found",),
        why="that this PC calls itself laptop.corp.example is a hint where to look, and no setting of a search",
    ),
    # glibc goes on to the next suffix after "no such name", not after silence.
    Scenario(
        name="name-short-and-silence-about-first-suffix",
        cause="name-needs-full-form",
        target=_SHORT,
        broken=(
            Resolv(search=("home.example", "corp.example"), options="timeout:1 attempts:1"),
            Nft(at=At.ROUTER, hook=Hook.IN, rule=f"udp dport 53 {_ASKS_HOME} drop"),
        ),
        accept=("name-server-not-answering",),
        why="the name server is silent about the suffix before the right one; either mend helps",
    ),
    Scenario(
        name="name-short-suffix-of-home",
        cause="name-needs-full-form",
        target=_SHORT,
        broken=(Resolv(search=("home.example",)),),
        accept=("name-not-found",),
        why="no setting of this PC mentions corp.example, so the full form can only be guessed",
        ci=True,
    ),
    Scenario(
        name="healthy-short-name",
        cause=None,
        target=_SHORT,
        broken=(Resolv(search=("home.example", "corp.example")),),
        ci=True,
    ),
)

_HEALTHY = (
    Scenario(
        name="healthy-alias",
        cause=None,
        broken=(
            Names(
                records={topology.HOST: ("vm-4711.corp.example",), "vm-4711.corp.example": (topology.SERVER,)}
            ),
        ),
        ci=True,
    ),
    Scenario(
        name="healthy-alias-of-the-real-name",
        cause=None,
        target=_ALIAS,
        broken=(
            Shadow(),
            Names(records={_ALIAS: (topology.HOST,), topology.HOST: (topology.SERVER,)}),
        ),
    ),
    Scenario(
        name="healthy-alias-of-windows",
        cause=None,
        target=_ALIAS,
        broken=(
            Scripted(),
            Names(records={_ALIAS: (topology.HOST,), topology.HOST: (topology.SERVER,)}),
        ),
        unfelt=_NO_USER,
    ),
    Scenario(
        name="healthy-friendly-name",
        cause=None,
        target="office.home.example",
        broken=(Scripted(), Names(records={"office.home.example": (topology.SERVER,)})),
        unfelt=_NO_USER,
    ),
    Scenario(
        name="healthy-friendly-name-in-hosts",
        cause=None,
        target="office",
        broken=(Scripted(), Hosts(line=f"{topology.SERVER} office")),
        unfelt=_NO_USER,
        ci=True,
    ),
    Scenario(
        name="healthy-very-slow-name-server",
        cause=None,
        broken=(BadNames(behaviour=Behaviour.SLOW, seconds=2.0),),
    ),
    Scenario(
        name="healthy-second-name-server",
        cause=None,
        broken=(Resolv(servers=(_OTHER_NO_MACHINE, topology.ROUTER), options="timeout:1"),),
    ),
    Scenario(
        name="healthy-first-name-server-refuses",
        cause=None,
        broken=(
            BadNames(behaviour=Behaviour.REFUSED),
            Names(at=At.DNS),
            Resolv(servers=(topology.ROUTER, topology.DNS)),
        ),
    ),
    Scenario(
        name="healthy-only-ipv6-far-away",
        cause=None,
        target=f"[{topology.SERVER_V6}]",
        broken=(Wan(delay_ms=30),),
        ci=True,
    ),
)

_FIREWALL = (
    Scenario(
        name="client-firewall-drops-names",
        cause="client-firewall-blocks",
        broken=(drop(At.CLIENT, hook=Hook.OUT, port=53, protocol="udp"),),
    ),
)

SCENARIOS = (*_HOSTS_FILE, *_UNKNOWN, *_SILENT, *_ELSEWHERE, *_FULL_FORM, *_HEALTHY, *_FIREWALL)
