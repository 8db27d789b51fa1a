from dataclasses import replace

import pytest

from core.checks.names import SLOW_MS, AskedServer, NamesFact, judge
from core.model import Arg, State
from core.ports import HostsLine, Resolution, ResolveFailure
from core.probes.names import Answer, Outcome

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

TUN = Interface(name="tun0", index=3, kind=LinkKind.VPN, up=True, addresses=(ip_interface("127.0.0.2/32"),))
NET = fakes.FakeNet(
    interfaces=[replace(fakes.CABLE, addresses=()), TUN],
    routes=[
        Route(destination=ip_network("127.0.0.1/32"), interface="eth0"),
        Route(destination=ip_network("127.0.0.2/32"), interface="tun0"),
    ],
)


class OnNet(fakes.FakeNet):
    """Routes decide here also about loopback addresses, where the name servers of the tests are."""

    def _is_own(self, address: IpAddress) -> bool:
        return False
