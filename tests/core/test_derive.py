"""Tables for every rule: what is said about two facts together, and what merely looks like it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.check import Check
from core.checks import certificate, names, nla, reach
from core.derive import KERBEROS_TOLERANCE_S, derive
from core.model import Arg, Row, State, Why
from core.ports import HostsLine
from core.probes.dialer import Attempt, Connect
from core.wire.error_text import PastedError
from tests.support.runs import NOW, certificate_fact, names_fact, nla_fact, not_measured, row

DAY = timedelta(days=1)
EXPIRED = certificate_fact(starts=-200 * DAY, ends=-10 * DAY)
EARLY = certificate_fact(starts=10 * DAY, ends=200 * DAY)
LONG = "MEETING-ROOM-PC-12"  # 18 characters: NetBIOS keeps MEETING-ROOM-PC
NETBIOS = LONG[:15]


def rows(*facts: tuple[Check[Any], Any]) -> dict[str, Row]:
    return {check.id: row(check, fact) for check, fact in facts}


def said(
    host: str = "pc-anna",
    *,
    cert: certificate.CertificateFact | None = None,
    challenge: nla.NlaCheckFact | None = None,
    resolved: names.NamesFact | None = None,
    error: PastedError | None = None,
) -> dict[str, dict[str, Arg]]:
    """The derived findings with their arguments, for a server in order except for what is given."""
    return {
        finding.id: dict(finding.args)
        for finding in derive(
            rows(
                (names.CHECK, resolved or names_fact(host)),
                (certificate.CHECK, replace(cert or certificate_fact(), host=host)),
                (nla.CHECK, replace(challenge or nla_fact(), host=host)),
            ),
            error,
        )
    }


def test_a_server_in_order_gives_rise_to_nothing() -> None:
    assert said() == {}
    assert said(error=PastedError(code=0x904, extended=7)) == {}


def test_without_facts_nothing_is_said() -> None:
    assert derive({}, None) == ()
    checks: tuple[Check[Any], ...] = (names.CHECK, certificate.CHECK, nla.CHECK)
    assert derive({c.id: not_measured(c, Why.TIMEOUT, "timeout") for c in checks}, None) == ()


# --- the pasted error


@pytest.mark.parametrize(
    ("code", "ids"), [(0x1B07, {"error.certificate-expired"}), (0x904, set()), (0x1B08, set())]
)
def test_a_code_that_names_its_own_cause(code: int, ids: set[str]) -> None:
    (found,) = derive({}, PastedError(code=code, extended=0)) or (None,)
    assert ({found.id} if found else set()) == ids
    assert found is None or found.state is State.INFO, "it steers and decides nothing"


@pytest.mark.parametrize(
    ("outcome", "said"), [(Connect.REFUSED, True), (Connect.SILENT, True), (Connect.CONNECTED, False)]
)
def test_the_code_came_after_the_connection_had_opened(outcome: Connect, said: bool) -> None:
    """0x904 means that the socket had been open: a port that is closed now is another fault than the one pasted."""
    attempt = Attempt(address="10.0.0.5", port=3389, outcome=outcome, took_ms=1.0)
    reached = row(reach.CHECK, reach.ReachFact(host="pc-anna", port=3389, attempts=(attempt,)))
    found = derive({"reach": reached}, PastedError(code=0x904, extended=7))
    assert [f.id for f in found] == (["error.got-further-then"] if said else [])


# --- clocks


@pytest.mark.parametrize(
    ("skew_s", "args"),
    [
        (None, None),
        (0.0, None),
        (KERBEROS_TOLERANCE_S, None),
        (-KERBEROS_TOLERANCE_S, None),
        (300.1, {"seconds": 300, "minutes": 5}),
        (420.0, {"seconds": 420, "minutes": 7}),
        (-420.0, {"seconds": -420, "minutes": 7}),
        (3 * 86_400.0, {"seconds": 259_200, "minutes": 4320}),
    ],
)
def test_clocks_that_differ_by_more_than_kerberos_tolerates(
    skew_s: float | None, args: dict[str, Arg] | None
) -> None:
    assert said(challenge=nla_fact(skew_s=skew_s)).get("clock.skew") == args


@pytest.mark.parametrize(
    ("cert", "skew", "explains"),
    [
        # Our clock runs ahead of theirs: by theirs the certificate is still good. And the other way round.
        (EXPIRED, -20 * DAY, True),
        (EARLY, 20 * DAY, True),
        # By both clocks out of its time, or beyond its other end.
        (EXPIRED, -5 * DAY, False),
        (EXPIRED, 20 * DAY, False),
        (EXPIRED, -300 * DAY, False),
        (EARLY, -20 * DAY, False),
        (EARLY, 300 * DAY, False),
        # Good by ours: there is nothing to explain, whatever theirs says.
        (certificate_fact(), 20 * DAY, False),
        (certificate_fact(), 2000 * DAY, False),
        # The ends themselves are inside.
        (EXPIRED, -10 * DAY, True),
        (EARLY, 10 * DAY, True),
    ],
)
def test_clocks_explain_a_certificate_out_of_its_time(
    cert: certificate.CertificateFact, skew: timedelta, explains: bool
) -> None:
    found = said(cert=cert, challenge=nla_fact(skew_s=skew.total_seconds()))
    assert "clock.skew" in found
    assert ("clock.explains-certificate" in found) is explains


def test_clocks_explain_nothing_that_was_not_read() -> None:
    unread = replace(certificate_fact(), certificate=None, damage="cut off")
    assert said(cert=unread, challenge=nla_fact(skew_s=1e6)).keys() == {"clock.skew"}


@pytest.mark.parametrize(
    "year", [datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1601, 1, 1, tzinfo=UTC)]
)
def test_a_server_may_name_any_time_at_all(year: datetime) -> None:
    # The next look at our clock comes later than the one by which the difference was taken.
    skew_s = (year - NOW).total_seconds() + 1
    assert "clock.skew" in said(cert=EXPIRED, challenge=nla_fact(skew_s=skew_s))


# --- a renamed or cloned machine

WRONG = "certificate.wrong-machine"


@pytest.mark.parametrize(
    ("made_for", "netbios", "dns", "wrong"),
    [
        (("PC-ANNA",), "PC-ANNA", "PC-ANNA", False),
        (("pc-anna",), "PC-ANNA", None, False),
        (("PC-ANNA",), None, "pc-anna.corp.example", False),
        (("pc-anna.corp.example",), "PC-ANNA", None, False),
        (("OLD-NAME", "PC-ANNA"), "PC-ANNA", None, False),
        (("*.corp.example",), "SRV01", "srv01.corp.example", False),
        # NetBIOS names end after 15 characters.
        ((LONG,), NETBIOS, None, False),
        ((NETBIOS,), NETBIOS, LONG.lower() + ".corp.example", False),
        (("PC-BERTA",), "SRV01", "srv01.corp.example", True),
        (("PC-BERTA", "pc-berta.corp.example"), "SRV01", None, True),
        (("*.other.example",), "SRV01", "srv01.corp.example", True),
        # Nothing to compare.
        ((), "SRV01", None, False),
        (("",), "SRV01", None, False),
        (("PC-BERTA",), None, None, False),
        (("PC-BERTA",), "", "", False),
    ],
)
def test_a_certificate_that_a_machine_made_for_another_name_than_it_has(
    made_for: tuple[str, ...], netbios: str | None, dns: str | None, wrong: bool
) -> None:
    found = said(
        "192.0.2.5",
        cert=certificate_fact(made_for=made_for),
        challenge=nla_fact(netbios=netbios, dns=dns),
    )
    assert (WRONG in found) is wrong


def test_a_wrong_machine_is_told_with_both_names() -> None:
    cert = certificate_fact(made_for=("PC-BERTA.corp.example",), common_name="PC-BERTA")
    found = said(cert=cert, challenge=nla_fact(netbios="SRV01", dns="srv01.corp.example"))
    assert found[WRONG] == {"name": "pc-berta", "computer": "srv01.corp.example"}


@pytest.mark.parametrize("typed", ["pc-berta", "PC-Berta", "pc-berta."])
def test_a_certificate_made_for_the_name_that_people_type_is_on_purpose(typed: str) -> None:
    cert = certificate_fact(made_for=("PC-BERTA",))
    assert WRONG not in said(typed, cert=cert, challenge=nla_fact(netbios="SRV01", dns=None))


def test_a_certificate_of_somebody_else_is_no_sign_of_a_rename() -> None:
    cert = certificate_fact(made_for=("PC-BERTA",), self_issued=False)
    assert WRONG not in said(cert=cert, challenge=nla_fact(netbios="SRV01", dns=None))


# --- another machine than the name says

OTHER = "names.other-machine"
FARM = certificate_fact(made_for=("farm.example",), self_issued=False)  # for neither name


@pytest.mark.parametrize(
    ("typed", "netbios", "dns", "other"),
    [
        ("pc-anna", "PC-ANNA", None, False),
        ("PC-Anna", None, "pc-anna.corp.example", False),
        ("pc-anna.corp.example", "PC-ANNA", "pc-anna.corp.example", False),
        ("pc-anna.corp.example.", "PC-ANNA", "PC-ANNA.corp.example", False),
        ("pc-anna", "PC-BERTA", None, True),
        ("pc-anna", "PC-BERTA", "pc-berta.corp.example", True),
        ("pc-anna.corp.example", "PC-BERTA", "pc-berta.corp.example", True),
        # A name of another domain: dynamic DNS, a farm.
        ("rdp.corp.example", "PC-BERTA", "pc-berta.ad.corp.example", False),
        ("home.dyndns.example", "PC-BERTA", "PC-BERTA", False),
        # NetBIOS names end after 15 characters.
        (LONG.lower(), NETBIOS, None, False),
        (LONG.lower(), "MEETING-ROOM-PD", None, True),
        # An address was typed, or this PC itself.
        ("192.0.2.5", "PC-BERTA", None, False),
        ("fe80::1%eth0", "PC-BERTA", None, False),
        ("localhost", "PC-BERTA", None, False),
        # The server does not say who it is.
        ("pc-anna", None, None, False),
        ("pc-anna", "", "", False),
    ],
)
def test_a_name_that_leads_to_a_machine_with_another_one(
    typed: str, netbios: str | None, dns: str | None, other: bool
) -> None:
    found = said(
        typed,
        cert=FARM,
        challenge=nla_fact(netbios=netbios, dns=dns),
    )
    assert (OTHER in found) is other
    if other:
        assert found[OTHER] == {"typed": typed, "computer": dns or netbios}


BERTA = nla_fact(netbios="PC-BERTA", dns=None)


@pytest.mark.parametrize(("disputed", "other"), [(True, True), (False, False)])
def test_a_machine_without_a_domain_may_be_called_anything_until_somebody_disagrees(
    disputed: bool, other: bool
) -> None:
    resolved = names_fact("pc-anna.corp.example")
    assert resolved.servers is not None
    first = resolved.servers[0]
    elsewhere = replace(first.answers[0], server="192.0.2.2", addresses=("198.51.100.7",))
    second = replace(first, address="192.0.2.2", answers=(elsewhere,))
    resolved = replace(resolved, servers=(first, second) if disputed else (first,))
    assert (OTHER in said("pc-anna.corp.example", cert=FARM, challenge=BERTA, resolved=resolved)) is other


def test_a_name_of_the_hosts_file_alone_is_on_purpose() -> None:
    by_hosts = replace(names_fact("office"), hosts=(HostsLine("192.0.2.5", "office", 1),), servers=())
    assert OTHER in said("office", cert=FARM, challenge=BERTA)
    assert OTHER not in said("office", cert=FARM, challenge=BERTA, resolved=by_hosts)


def test_an_alias_is_another_name_on_purpose() -> None:
    assert OTHER in said(cert=FARM, challenge=BERTA)
    assert OTHER not in said(cert=FARM, challenge=BERTA, resolved=names_fact(alias="pc-berta.corp.example"))


@pytest.mark.parametrize("made_for", [("pc-anna",), ("farm.example", "PC-ANNA")])
def test_a_certificate_for_the_typed_name_says_that_it_is_the_right_machine(
    made_for: tuple[str, ...],
) -> None:
    cert = certificate_fact(made_for=made_for, self_issued=False)
    assert OTHER not in said(cert=cert, challenge=BERTA)


def test_a_star_in_a_certificate_stands_for_one_label() -> None:
    cert = certificate_fact(made_for=("*.corp.example",), self_issued=False)
    berta = nla_fact(netbios="PC-BERTA", dns="pc-berta.corp.example")
    assert OTHER not in said("pc-anna.corp.example", cert=cert, challenge=berta)
    assert OTHER in said("pc-anna", cert=cert, challenge=berta)


def test_without_a_certificate_the_names_alone_decide() -> None:
    facts = rows((names.CHECK, names_fact()), (nla.CHECK, BERTA))
    assert [finding.id for finding in derive(facts, None)] == [OTHER]


# --- whatever a server says


texts = st.text(max_size=40)
moments = st.datetimes(timezones=st.just(UTC))


@given(
    host=st.text(min_size=1, max_size=40),
    netbios=st.none() | texts,
    dns=st.none() | texts,
    made_for=st.lists(texts, max_size=3),
    moments=st.tuples(moments, moments, moments),
    self_issued=st.booleans(),
)
def test_any_answer_gives_findings_and_nothing_else(
    host: str,
    netbios: str | None,
    dns: str | None,
    made_for: list[str],
    moments: tuple[datetime, datetime, datetime],
    self_issued: bool,
) -> None:
    starts, ends, server = moments
    cert = certificate_fact(
        host, made_for=made_for, starts=starts - NOW, ends=ends - NOW, self_issued=self_issued
    )
    challenge = nla_fact(host, netbios=netbios, dns=dns, skew_s=round((server - NOW).total_seconds(), 1))
    facts = rows((names.CHECK, names_fact(host)), (certificate.CHECK, cert), (nla.CHECK, challenge))
    for finding in derive(facts, None):
        assert finding.id in {WRONG, OTHER, "clock.skew", "clock.explains-certificate"}
        assert "" not in finding.args.values(), "nobody is accused without a name"
