import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from core.checks.names import CHECK, SLOW_MS, AskedServer, NamesFact, judge, probe
from core.model import Arg, Gateway, Row, State
from core.ports import HostsLine, Interface, LinkKind, NameServer, Resolution, ResolveFailure
from core.probes.names import Answer, Outcome
from tests.support import fakes
from tests.support.name_server import NameServer as NameServerHere
from tests.support.name_server import Script, knows, serving, silent
from tests.support.running import fact, reason, run

FOUND, NXDOMAIN, NODATA, SERVFAIL = Outcome.FOUND, Outcome.NXDOMAIN, Outcome.NODATA, Outcome.SERVFAIL
REFUSED, GARBAGE, SILENT = Outcome.REFUSED, Outcome.GARBAGE, Outcome.SILENT
NAME = "pc.example"


def server(address: str, said: Outcome, *addresses: str, vpn: bool = False, name: str = NAME) -> AskedServer:
    answer = Answer(server=address, name=name, outcome=said, addresses=addresses)
    return AskedServer(address=address, interface="tun0" if vpn else "eth0", vpn=vpn, answers=(answer,))


def works(
    *servers: AskedServer, hosts: tuple[str, ...] = (), ms: float = 12.0, addresses=("10.0.0.5",)
) -> NamesFact:
    return NamesFact(
        name=NAME,
        addresses=addresses,
        system=Resolution(name=NAME, addresses=addresses, took_ms=ms),
        hosts=tuple(HostsLine(address, NAME, line) for line, address in enumerate(hosts, 1)),
        servers=servers,
    )


def fails(*servers: AskedServer, failure: ResolveFailure = ResolveFailure.NOT_FOUND) -> NamesFact:
    return NamesFact(
        name=NAME, addresses=(), system=Resolution(name=NAME, failure=failure, took_ms=4000), servers=servers
    )


def short(*servers: AskedServer, full: tuple[Resolution, ...] = ()) -> NamesFact:
    return replace(fails(*servers), name="pc", full=full)


KNOWS = server("192.0.2.53", FOUND, "10.0.0.5")
KNOWS_TOO = server("192.0.2.54", FOUND, "10.0.0.5")
KNOWS_MORE = server("192.0.2.54", FOUND, "10.0.0.6", "10.0.0.5", "fd00::5")
KNOWS_OTHER = server("192.0.2.54", FOUND, "10.0.0.99")
KNOWS_V6 = server("192.0.2.54", FOUND, "fd00::5")
KNOWS_NOT = server("192.0.2.55", NXDOMAIN)
HAS_NO_ADDRESS = server("192.0.2.56", NODATA)
SENDS_HERE = server("192.0.2.53", FOUND, "0.0.0.0")
KEPT_IN = server("192.0.2.53", Outcome.BLOCKED_HERE)
MUTE = server("192.0.2.57", SILENT)
BROKEN = server("192.0.2.58", SERVFAIL)
STRICT = server("192.0.2.59", REFUSED)
BABBLES = server("192.0.2.60", GARBAGE)
VPN_KNOWS = server("10.8.0.1", FOUND, "10.0.0.5", vpn=True)
VPN_KNOWS_OTHER = server("10.8.0.1", FOUND, "10.0.0.99", vpn=True)
VPN_KNOWS_NOT = server("10.8.0.1", NXDOMAIN, vpn=True)

OK = ["names.ok"]
NOT_FOUND = ["names.not-found"]
DISAGREE = [*OK, "names.servers-disagree"]
ONE_SILENT = [*OK, "names.one-server-silent"]
OVERRIDE = [*OK, "names.hosts-override"]


@pytest.mark.parametrize(
    ("fact", "findings"),
    [
        (works(), OK),
        (works(KNOWS), OK),
        (works(KNOWS, KNOWS_TOO, KNOWS_MORE), OK),
        (works(KNOWS, KNOWS_V6), OK),
        (replace(works(), servers=None), OK),
        # Nobody but the neighbours knows it (LLMNR, mDNS).
        (works(KNOWS_NOT), OK),
        (works(KNOWS, BROKEN), OK),
        # A name service that sends a name back to this computer: a blocked name, or a wrong record.
        (works(SENDS_HERE, addresses=("0.0.0.0",)), [*OK, "names.points-here"]),
        (
            works(SENDS_HERE, server("192.0.2.54", FOUND, "127.0.0.1")),
            [*DISAGREE, "names.points-here"],
        ),
        (works(SENDS_HERE, KNOWS), DISAGREE),
        # --- servers
        (works(KNOWS, KNOWS_OTHER), DISAGREE),
        (works(KNOWS, KNOWS_NOT), DISAGREE),
        (works(KNOWS_NOT, KNOWS), DISAGREE),
        (works(KNOWS, HAS_NO_ADDRESS), DISAGREE),
        (works(VPN_KNOWS, KNOWS_NOT), OK),
        (works(KNOWS, VPN_KNOWS_NOT), OK),
        (works(KNOWS, VPN_KNOWS_OTHER), DISAGREE),
        (works(VPN_KNOWS, VPN_KNOWS_NOT), DISAGREE),
        (works(KNOWS, MUTE), ONE_SILENT),
        (works(MUTE), ONE_SILENT),
        (works(KNOWS, KNOWS_OTHER, MUTE), [*DISAGREE, "names.one-server-silent"]),
        # --- hosts file
        (works(hosts=("10.0.0.5",)), OK),
        (works(KNOWS, hosts=("10.0.0.5",)), OK),
        (works(KNOWS_NOT, hosts=("10.0.0.5",)), OK),
        (works(MUTE, hosts=("10.0.0.5",)), OK),
        (works(KNOWS_OTHER, hosts=("10.0.0.5",)), OVERRIDE),
        (works(KNOWS_NOT, KNOWS_OTHER, hosts=("10.0.0.5",)), OVERRIDE),
        (works(KNOWS, hosts=("0.0.0.0",), addresses=("0.0.0.0",)), OVERRIDE),
        (works(KNOWS_V6, hosts=("10.0.0.5",)), OK),
        (works(KNOWS_V6, hosts=("FD00:0::5",), addresses=("fd00::5",)), OK),
        # A line that the system does not use (it asks elsewhere first) overrides nothing.
        (works(KNOWS, hosts=("10.0.0.77",)), OK),
        # --- the system itself
        (works(KNOWS_OTHER), [*OK, "names.system-differs"]),
        (works(KNOWS, ms=SLOW_MS), OK),
        (works(KNOWS, ms=SLOW_MS + 1), [*OK, "names.slow"]),
        (works(KNOWS, MUTE, ms=3000), [*ONE_SILENT, "names.slow"]),
        # --- not found
        (fails(KNOWS_NOT), NOT_FOUND),
        (fails(KNOWS_NOT, MUTE), [*NOT_FOUND, "names.one-server-silent"]),
        (fails(KNOWS_NOT, BROKEN), NOT_FOUND),
        (fails(HAS_NO_ADDRESS, failure=ResolveFailure.NO_ADDRESS), NOT_FOUND),
        (fails(KNOWS_NOT, KNOWS), [*NOT_FOUND, "names.servers-disagree"]),
        (fails(KNOWS_NOT, failure=ResolveFailure.SILENT), NOT_FOUND),
        (fails(), NOT_FOUND),
        (fails(failure=ResolveFailure.TRY_AGAIN), ["names.no-server"]),
        (replace(fails(failure=ResolveFailure.TRY_AGAIN), servers=None), NOT_FOUND),
        # --- nobody answers properly
        (fails(MUTE, failure=ResolveFailure.SILENT), ["names.server-silent"]),
        (fails(MUTE, replace(MUTE, address="192.0.2.99")), ["names.server-silent"]),
        (fails(BROKEN, failure=ResolveFailure.TRY_AGAIN), ["names.server-fails"]),
        (fails(STRICT, BROKEN, BABBLES), ["names.server-fails"]),
        (fails(MUTE, BROKEN), ["names.server-fails", "names.one-server-silent"]),
        # --- a name of another network
        (fails(VPN_KNOWS), ["names.vpn-server-knows"]),
        (fails(KNOWS_NOT, VPN_KNOWS), ["names.vpn-server-knows"]),
        (fails(KNOWS_NOT, VPN_KNOWS_NOT), NOT_FOUND),
    ],
)
def test_judge(fact: NamesFact, findings: list[str]) -> None:
    found = judge(fact)
    assert [finding.id for finding in found] == findings
    assert found[0].state is (State.OK if fact.addresses else State.PROBLEM)
    assert all(finding.state is State.WARN for finding in found[1:])


@pytest.mark.parametrize(
    ("fact", "place", "args"),
    [
        (works(KNOWS), 0, {"name": NAME, "count": 1, "first": "10.0.0.5"}),
        (works(KNOWS, addresses=("fd00::5", "10.0.0.5")), 0, {"name": NAME, "count": 2, "first": "fd00::5"}),
        (works(KNOWS, KNOWS_OTHER), 1, {"first": "192.0.2.53", "second": "192.0.2.54"}),
        (works(KNOWS, MUTE), 1, {"server": "192.0.2.57"}),
        (works(KNOWS_OTHER, hosts=("10.0.0.5",)), 1, {"hosts": "10.0.0.5", "dns": "10.0.0.99"}),
        (works(KNOWS_OTHER), 1, {"system": "10.0.0.5", "dns": "10.0.0.99"}),
        (works(KNOWS, ms=1999.6), 1, {"ms": 2000}),
        (fails(KNOWS_NOT), 0, {"name": NAME}),
        (fails(failure=ResolveFailure.OTHER), 0, {"name": NAME}),
        (fails(MUTE), 0, {"name": NAME, "server": "192.0.2.57"}),
        (fails(MUTE, BROKEN), 0, {"name": NAME, "server": "192.0.2.58"}),
        (fails(KNOWS_NOT, VPN_KNOWS), 0, {"name": NAME, "server": "10.8.0.1"}),
    ],
)
def test_arguments(fact: NamesFact, place: int, args: dict[str, Arg]) -> None:
    assert judge(fact)[place].args == args


# --- short names


FULL = Resolution(name="pc.corp.example", addresses=("10.0.0.5",))
SUFFIX_KNOWN = AskedServer(
    address="192.0.2.53",
    interface="eth0",
    vpn=False,
    answers=(
        Answer(server="192.0.2.53", name="pc", outcome=REFUSED),
        Answer(server="192.0.2.53", name="pc.corp.example", outcome=FOUND, addresses=("10.0.0.5",)),
    ),
)


def test_the_full_form_works() -> None:
    for asked in (SUFFIX_KNOWN, replace(SUFFIX_KNOWN, vpn=True)):
        (found,) = judge(short(asked, full=(FULL,)))
        assert (found.id, found.state) == ("names.full-form-works", State.PROBLEM)
        assert found.args == {"name": "pc", "full": "pc.corp.example"}


def test_a_full_form_that_only_a_server_knows_does_not_help() -> None:
    failed = Resolution(name="pc.corp.example", failure=ResolveFailure.NOT_FOUND)
    assert [f.id for f in judge(short(SUFFIX_KNOWN, full=(failed,)))] == NOT_FOUND
    vpn = replace(SUFFIX_KNOWN, vpn=True)
    assert [f.id for f in judge(short(vpn, full=(failed,)))] == ["names.vpn-server-knows"]


def test_of_several_forms_the_best_answer_counts() -> None:
    assert SUFFIX_KNOWN.said is FOUND
    assert SUFFIX_KNOWN.addresses == ("10.0.0.5",)
    refusals = replace(
        SUFFIX_KNOWN, answers=(SUFFIX_KNOWN.answers[0], replace(SUFFIX_KNOWN.answers[1], outcome=NXDOMAIN))
    )
    assert refusals.said is NXDOMAIN


def test_alias() -> None:
    answer = Answer(
        server="192.0.2.53", name=NAME, outcome=FOUND, addresses=("10.0.0.5",), alias="real.example"
    )
    assert works(KNOWS, replace(KNOWS, answers=(answer,))).alias == "real.example"
    assert works(KNOWS).alias is None
    assert replace(works(), servers=None).alias is None


# --- nothing to ask


def test_an_address_needs_no_name_service() -> None:
    (found,) = judge(NamesFact(name="10.0.0.5", addresses=("10.0.0.5",)))
    assert (found.id, found.state, found.args) == ("names.not-needed", State.OK, {"address": "10.0.0.5"})


def test_the_system_is_late_and_a_server_knows() -> None:
    fact = replace(fails(MUTE, KNOWS, failure=ResolveFailure.SILENT), addresses=("10.0.0.5",))
    late, silent = judge(fact)
    assert (late.id, late.state) == ("names.late", State.WARN)
    assert late.args == {"name": NAME, "server": "192.0.2.53", "ms": 4000}
    assert (silent.id, silent.args) == ("names.one-server-silent", {"server": "192.0.2.57"})


# --- probe

ONE, TWO = "127.0.0.1", "127.0.0.2"
TUN = Interface(name="tun0", index=3, kind=LinkKind.VPN, up=True)
NET = fakes.FakeNet(interfaces=[fakes.LOOPBACK, fakes.CABLE, TUN])


def probed(
    host: str | None = NAME,
    *scripts: Script,
    machine_names: fakes.FakeNames,
    gateway: Gateway | None = None,
    net: fakes.FakeNet = NET,
) -> tuple[Row, list[list[str]]]:
    """The row, and the names that each of the (one or two) name servers was asked for."""

    async def measure() -> tuple[Row, list[list[str]]]:
        async with contextlib.AsyncExitStack() as stack:
            servers: list[NameServerHere] = []
            for address, script in zip((ONE, TWO), scripts, strict=False):
                port = servers[0].port if servers else 0
                servers.append(await stack.enter_async_context(serving(script, address=address, port=port)))
            port = servers[0].port if servers else 9
            check = replace(CHECK, probe=lambda context: probe(context, port=port))
            rows = await run(fakes.FakeMachine(names=machine_names, net=net), [check], host, gateway=gateway)
            return rows["names"], [sorted({name for name, _ in server.asked}) for server in servers]

    return asyncio.run(measure())


def names(
    known: Mapping[str, Sequence[str] | ResolveFailure] | None = None, **others: Any
) -> fakes.FakeNames:
    servers = (NameServer(address=ONE), NameServer(address=TWO, interface="tun0"))
    return fakes.FakeNames(
        {NAME: ("10.0.0.5",)} if known is None else known, **{"servers": servers, **others}
    )


RECORDS = {NAME: ["10.0.0.5"], "pc.corp.example": ["10.0.0.5"]}


def test_everyone_agrees() -> None:
    row, asked = probed(NAME, knows(RECORDS), knows(RECORDS), machine_names=names(search=["corp.example"]))
    assert [finding.id for finding in row.findings] == OK
    assert asked == [[NAME], [NAME]], "a full name gets no suffix"
    found = fact(row)
    assert (found.name, found.addresses, found.system.addresses) == (NAME, ("10.0.0.5",), ("10.0.0.5",))
    assert [(s.address, s.interface, s.vpn, s.said) for s in found.servers] == [
        (ONE, "lo", False, FOUND),
        (TWO, "tun0", True, FOUND),
    ]
    assert msgspec.json.encode(found)


def test_hosts_lines_of_this_name_only() -> None:
    hosts = [HostsLine("10.0.0.5", "PC.Example", 7), HostsLine("10.0.0.6", "pc", 8)]
    row, _ = probed(
        NAME,
        knows({NAME: ["10.0.0.99"]}),
        machine_names=names(hosts=hosts, servers=[NameServer(address=ONE)]),
    )
    assert [finding.id for finding in row.findings] == OVERRIDE
    assert fact(row).hosts == (hosts[0],)


def test_a_short_name_is_asked_with_every_suffix() -> None:
    search = ["corp.example", ".example.", "bad..suffix", "", "corp.example"]
    row, asked = probed("pc", knows({}), machine_names=names({}, search=search))
    assert asked == [["pc", "pc.corp.example", "pc.example"]]
    assert row.findings[0].id == "names.not-found"
    assert row.tries == 2


def test_the_full_form_is_confirmed_by_the_system() -> None:
    here = names({"pc.corp.example": ("10.0.0.5",)}, search=["corp.example", "other.example"])
    row, _ = probed("pc", knows(RECORDS), machine_names=here)
    assert [(finding.id, dict(finding.args)) for finding in row.findings] == [
        ("names.full-form-works", {"name": "pc", "full": "pc.corp.example"}),
        ("names.one-server-silent", {"server": TWO}),
    ]
    assert here.asked == ["pc", "pc.corp.example"] * 2


def test_a_longer_form_in_the_hosts_file_counts_too() -> None:
    hosts = [HostsLine("10.0.0.5", "PC.corp.example", 3)]
    here = names({"PC.corp.example": ("10.0.0.5",)}, hosts=hosts, servers=[NameServer(address=ONE)])
    row, _ = probed("pc", knows({}), machine_names=here)
    assert (row.findings[0].id, row.findings[0].args["full"]) == ("names.full-form-works", "PC.corp.example")
    assert fact(row).hosts == (), "a line for another name decides nothing about this one"


@pytest.mark.parametrize(
    ("servers", "finding"),
    [
        ((KEPT_IN,), "names.blocked-here"),
        ((KEPT_IN, MUTE), "names.server-silent"),
        ((KEPT_IN, KNOWS_NOT), "names.not-found"),
    ],
)
def test_a_question_that_this_computer_keeps_in(servers: tuple[AskedServer, ...], finding: str) -> None:
    assert judge(fails(*servers, failure=ResolveFailure.TRY_AGAIN))[0].id == finding


def test_only_the_server_behind_the_vpn_knows() -> None:
    row, _ = probed(NAME, knows({}), knows(RECORDS), machine_names=names({}))
    assert [finding.id for finding in row.findings] == ["names.vpn-server-knows"]
    assert row.findings[0].args["server"] == TWO


def test_nobody_answers() -> None:
    here = names({NAME: ResolveFailure.SILENT}, servers=[NameServer(address=ONE)])
    row, _ = probed(NAME, silent, machine_names=here)
    assert [finding.id for finding in row.findings] == ["names.server-silent"]
    assert here.asked == [NAME, NAME]


def test_the_system_hangs_on_a_dead_server() -> None:
    row, _ = probed(NAME, silent, knows(RECORDS), machine_names=names({NAME: ResolveFailure.SILENT}))
    assert [finding.id for finding in row.findings] == ["names.late", "names.one-server-silent"]
    assert fact(row).addresses == ("10.0.0.5",), "the other checks go on with it"
    assert row.tries == 1


@pytest.mark.parametrize("host", ["10.0.0.5", "fd00::5", "fe80::5%eth0", "127.0.0.1"])
def test_an_address_asks_nobody(host: str) -> None:
    here = names()
    row, asked = probed(host, knows(RECORDS), machine_names=here)
    assert (row.findings[0].id, fact(row).addresses, asked, here.asked) == (
        "names.not-needed",
        (host,),
        [[]],
        [],
    )


def test_about_this_computer_only_the_system_is_asked() -> None:
    row, asked = probed("localhost", knows(RECORDS), machine_names=names(search=["corp.example"]))
    assert [finding.id for finding in row.findings] == OK
    assert (fact(row).addresses, asked) == (("127.0.0.1", "::1"), [[]])


@pytest.mark.parametrize(
    ("host", "gateway", "why"),
    [
        (None, None, "no-target"),
        (NAME, Gateway(host="rdg.example"), "goes-through-gateway"),
    ],
)
def test_nothing_to_resolve(host: str | None, gateway: Gateway | None, why: str) -> None:
    row, asked = probed(host, knows(RECORDS), machine_names=names(), gateway=gateway)
    assert (row.state, reason(row), asked) == (State.SKIPPED, why, [[]])


def test_a_gateway_for_some_ways_only_leaves_the_name_to_us() -> None:
    row, _ = probed(machine_names=names(servers=[]), gateway=Gateway(host="rdg.example", always=False))
    assert [finding.id for finding in row.findings] == OK


def test_what_the_system_hides_is_left_out() -> None:
    row, _ = probed(NAME, knows(RECORDS), machine_names=names(denied=["settings", "hosts"]))
    assert [finding.id for finding in row.findings] == OK
    assert (fact(row).servers, fact(row).hosts) == (None, ())
    sandbox = fakes.FakeNet(denied=["interfaces", "best_route"])
    row, _ = probed(NAME, knows(RECORDS), knows(RECORDS), machine_names=names(), net=sandbox)
    assert [(s.interface, s.vpn) for s in fact(row).servers] == [(None, False), ("tun0", False)]
