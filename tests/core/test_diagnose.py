"""Findings and causes by hand, and what must come out; then the shipped causes with findings as the checks make them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core import knowledge
from core.check import info, ok, problem, skipped, unknown, warn
from core.diagnose import diagnose
from core.knowledge import Cause, Way
from core.model import Certainty, Family, Finding, State, Target, Verdict, Where, Who

CERTAIN, LIKELY, ONE_OF_TWO = Certainty.CERTAIN, Certainty.LIKELY, Certainty.ONE_OF_TWO
TARGET = Target(typed="pc-anna", host="pc-anna")
HERE = Target(typed="", host=None)

# Every step of a connection, as a healthy server with NLA shows it.
THROUGH = (
    ok("reach.ok"),
    ok("negotiate.ok"),
    ok("tls.ok"),
    ok("certificate.ok"),
    ok("nla.ok"),
)


def way(
    *findings: str,
    certainty: Certainty = LIKELY,
    one_of: Sequence[str] = (),
    unless: Sequence[str] = (),
    twin: str | None = None,
) -> Way:
    return Way(
        all=frozenset(findings),
        certainty=certainty,
        any=frozenset(one_of),
        unless=frozenset(unless),
        twin=twin,
    )


def cause(
    *when: Way,
    where: Where = Where.THERE,
    who: Who = Who.SERVER_ADMIN,
    steps: tuple[str, ...] = ("mend",),
    **more: Any,
) -> Cause:
    return Cause(
        where=where,
        who=who,
        when=when,
        steps=steps,
        source=("https://example.test/",),
        reviewed=date(2026, 11, 22),
        **more,
    )


def said(*ids: str) -> list[Finding]:
    return [problem(finding) for finding in ids]


def verdict(causes: Mapping[str, Cause], *findings: str) -> Verdict:
    return diagnose(said(*findings), causes, TARGET)


# --- which ways hold


@pytest.mark.parametrize(
    ("ways", "findings", "holds"),
    [
        ([way("a.x")], ["a.x"], True),
        ([way("a.x")], ["a.y"], False),
        ([way("a.x")], [], False),
        ([way("a.x", "b.y")], ["a.x"], False),
        ([way("a.x", "b.y")], ["b.y", "a.x"], True),
        ([way("a.x", one_of=["b.y", "c.z"])], ["a.x"], False),
        ([way("a.x", one_of=["b.y", "c.z"])], ["b.y", "c.z"], False),
        ([way("a.x", one_of=["b.y", "c.z"])], ["a.x", "c.z"], True),
        ([way("a.x", unless=["b.y"])], ["a.x"], True),
        ([way("a.x", unless=["b.y"])], ["a.x", "b.y"], False),
        # One way is enough, and what rules out one leaves the other.
        ([way("a.x"), way("b.y")], ["b.y"], True),
        ([way("a.x", unless=["c.z"]), way("a.x", "c.z")], ["a.x", "c.z"], True),
    ],
)
def test_a_way_holds_with_all_with_one_of_any_and_with_none_of_unless(
    ways: list[Way], findings: list[str], holds: bool
) -> None:
    found = verdict({"cause": cause(*ways)}, *findings)
    assert (found.cause == "cause") is holds


def test_what_rules_a_cause_out_rules_out_every_way() -> None:
    causes = {"cause": cause(way("a.x"), way("b.y"), unless=frozenset({"c.z"}))}
    assert verdict(causes, "a.x", "b.y").cause == "cause"
    assert verdict(causes, "a.x", "b.y", "c.z").cause is None


# --- which cause wins


def test_the_cause_nearest_to_the_root_wins_and_the_others_are_told() -> None:
    causes = {"first": cause(way("a.x")), "second": cause(way("b.y")), "third": cause(way("c.z"))}
    found = verdict(causes, "c.z", "b.y")
    assert (found.cause, found.candidates, found.also) == ("second", ("second",), ("third",))
    assert verdict(dict(reversed(causes.items())), "c.z", "b.y").cause == "third"


def test_a_certain_cause_does_not_overtake_one_nearer_to_the_root() -> None:
    causes = {"first": cause(way("a.x")), "second": cause(way("b.y", certainty=CERTAIN))}
    found = verdict(causes, "a.x", "b.y")
    assert (found.cause, found.certainty, found.also) == ("first", LIKELY, ("second",))


@pytest.mark.parametrize("turned", [False, True])
def test_the_strongest_way_counts(turned: bool) -> None:
    ways = [way("a.x", twin="other"), way("b.y"), way("c.z", certainty=CERTAIN)]
    causes = {"cause": cause(*(reversed(ways) if turned else ways)), "other": cause(way("a.x", twin="cause"))}
    assert verdict(causes, "a.x").certainty is ONE_OF_TWO
    assert verdict(causes, "a.x", "b.y").certainty is LIKELY
    assert verdict(causes, "a.x", "b.y").candidates == ("cause",)
    assert verdict(causes, "a.x", "b.y", "c.z").certainty is CERTAIN


def test_the_verdict_carries_what_its_cause_says() -> None:
    found = verdict(
        {"cause": cause(way("a.x"), where=Where.WAY, who=Who.NETWORK_ADMIN, steps=("one", "two"))}, "a.x"
    )
    assert (found.where, found.who, found.steps) == (Where.WAY, Who.NETWORK_ADMIN, ("one", "two"))


@pytest.mark.parametrize(
    ("who", "fixes", "family"),
    [
        (Who.USER, (), Family.USER),
        (Who.LOCAL_ADMIN, (), Family.IT),
        (Who.NETWORK_ADMIN, (), Family.IT),
        (Who.SERVER_ADMIN, (), Family.IT),
        (Who.USER, ("flush-dns",), Family.FIX),
        (Who.LOCAL_ADMIN, ("flush-dns",), Family.FIX),
    ],
)
def test_the_family_is_who_can_mend_it(who: Who, fixes: tuple[str, ...], family: Family) -> None:
    found = verdict({"cause": cause(way("a.x"), who=who, fixes=fixes)}, "a.x")
    assert (found.family, found.fixes) == (family, fixes)


def test_the_evidence_is_what_proves_it_and_what_supports_it() -> None:
    causes = {"cause": cause(way("a.x", "b.y", one_of=["c.z", "d.d"]), supports=("e.e", "f.f"))}
    found = verdict(causes, "f.f", "d.d", "b.y", "a.x", "g.g")
    assert found.because == ("a.x", "b.y", "d.d", "f.f")


# --- twins

TWINS = {
    "damaged": cause(way("tls.hung-up", twin="cut"), steps=("renew", "look"), supports=("mtu.small",)),
    "cut": cause(
        way("tls.hung-up", "mtu.ok", certainty=CERTAIN),
        way("tls.hung-up", twin="damaged"),
        where=Where.WAY,
        who=Who.NETWORK_ADMIN,
        steps=("other-network", "look"),
        supports=("vpn.on",),
    ),
}


def test_two_causes_that_look_the_same_are_told_as_one_of_two() -> None:
    found = verdict(TWINS, "tls.hung-up", "mtu.small", "vpn.on")
    assert found.certainty is ONE_OF_TWO
    assert (found.cause, found.candidates, found.also) == ("damaged", ("damaged", "cut"), ())
    assert found.where is Where.UNKNOWN, "they are in different places"
    assert found.who is Who.SERVER_ADMIN
    assert found.steps == ("renew", "look", "other-network")
    assert found.because == ("tls.hung-up", "mtu.small", "vpn.on")


def test_twins_in_the_same_place_say_where() -> None:
    causes = {**TWINS, "cut": cause(way("tls.hung-up", twin="damaged"), where=Where.THERE)}
    assert verdict(causes, "tls.hung-up").where is Where.THERE


def test_a_twin_that_is_ruled_out_leaves_one_likely_cause() -> None:
    causes = {
        **TWINS,
        "cut": cause(way("tls.hung-up", twin="damaged"), unless=frozenset({"route.local"}), where=Where.WAY),
    }
    found = verdict(causes, "tls.hung-up", "route.local")
    assert (found.certainty, found.candidates, found.where) == (LIKELY, ("damaged",), Where.THERE)


def test_a_third_cause_is_told_beside_the_two() -> None:
    found = verdict({**TWINS, "third": cause(way("b.y"))}, "tls.hung-up", "b.y")
    assert (found.candidates, found.also) == (("damaged", "cut"), ("third",))


# --- no cause


@pytest.mark.parametrize("missing", range(len(THROUGH)))
def test_fine_needs_every_step_of_a_connection(missing: int) -> None:
    assert diagnose(THROUGH, {}, TARGET).family is Family.FINE
    findings = [finding for place, finding in enumerate(THROUGH) if place != missing]
    assert diagnose(findings, {}, TARGET).family is Family.UNKNOWN


def test_without_nla_the_session_is_the_last_step() -> None:
    assert diagnose([*THROUGH[:-1], ok("session.ok")], {}, TARGET).family is Family.FINE


@pytest.mark.parametrize("state", [State.UNKNOWN, State.SKIPPED])
def test_a_step_that_was_not_measured_is_no_step_whatever_its_name(state: State) -> None:
    findings = [*THROUGH[:-1], Finding(id="nla.ok", state=state, reason="timeout")]
    assert diagnose(findings, {}, TARGET).family is Family.UNKNOWN


def test_a_problem_without_a_cause_is_never_fine() -> None:
    found = diagnose([*THROUGH, problem("session.odd")], {}, TARGET)
    assert (found.family, found.cause, found.because) == (Family.UNKNOWN, None, ("session.odd",))
    assert (found.certainty, found.where, found.who, found.steps) == (None, Where.UNKNOWN, None, ())


def test_fine_stands_on_the_steps_that_worked_and_a_warning_takes_nothing_from_it() -> None:
    found = diagnose([*THROUGH, warn("clock.not-synchronised")], {}, TARGET)
    assert (found.family, found.because) == (Family.FINE, tuple(f.id for f in THROUGH))


def test_nothing_measured_is_not_fine() -> None:
    assert diagnose([], {}, TARGET).family is Family.UNKNOWN
    assert diagnose([], {}, HERE).family is Family.UNKNOWN


@pytest.mark.parametrize(
    ("findings", "family"),
    [
        ([ok("network.ok"), ok("clock.ok")], Family.FINE),
        ([ok("network.ok"), skipped("names.not-checked", reason="no-target")], Family.FINE),
        ([info("vpn.none")], Family.FINE),
        ([warn("clock.not-synchronised")], Family.FINE),
        ([ok("network.ok"), unknown("clock.unknown", reason="timeout")], Family.UNKNOWN),
        ([ok("network.ok"), problem("clock.before-release")], Family.UNKNOWN),
        ([skipped("names.not-checked", reason="no-target")], Family.UNKNOWN),
    ],
)
def test_a_run_without_a_target_is_fine_if_all_that_was_looked_at_could_be_told(
    findings: list[Finding], family: Family
) -> None:
    assert diagnose(findings, {}, HERE).family is family


def test_without_a_cause_the_rows_are_counted_by_their_gravest_finding() -> None:
    findings = [
        ok("reach.ok"),
        warn("reach.some-addresses-dead"),
        info("vpn.none"),
        unknown("clock.unknown", reason="timeout"),
        skipped("udp.not-checked", reason="needs-reach"),
        ok("names.ok"),
        info("names.note"),
    ]
    args = diagnose(findings, {}, TARGET).args
    assert (args["fine"], args["unfinished"]) == (2, 1)


# --- values for the sentence


def test_the_values_are_those_of_the_evidence_and_the_target_comes_last() -> None:
    findings = [
        problem("a.x", host="liar", ms=1, only="a"),
        problem("b.y", ms=2, more="b"),
        problem("c.z", ms=3, other="c"),
    ]
    found = diagnose(findings, {"cause": cause(way("a.x", "b.y"))}, Target(typed="x", host="pc", port=3390))
    assert found.args == {"host": "pc", "port": 3390, "ms": 1, "only": "a", "more": "b"}
    assert diagnose([problem("a.x")], {}, HERE).args["host"] == ""


# --- whatever is found

CAUSES = knowledge.causes()
NAMED = sorted(frozenset().union(*(c.findings for c in CAUSES.values())) | {f.id for f in THROUGH})
findings_of_all_kinds = st.lists(
    st.builds(
        Finding,
        id=st.sampled_from(NAMED),
        state=st.sampled_from(State),
        reason=st.just("timeout"),
    ),
    max_size=12,
)
targets = st.sampled_from([TARGET, HERE])


def core_of(found: Verdict) -> Verdict:
    """Without the values, which count rows."""
    return replace(found, args={})


@given(findings_of_all_kinds, targets, st.integers(0, 12))
def test_an_unrelated_good_finding_changes_nothing(
    findings: Sequence[Finding], target: Target, place: int
) -> None:
    findings = [
        ok("network.ok"),
        *findings,
    ]  # without a target, the first thing that can be told does change it
    before = diagnose(findings, CAUSES, target)
    unrelated = [*findings[:place], ok("udp.unrelated"), *findings[place:]]
    assert core_of(diagnose(unrelated, CAUSES, target)) == core_of(before)


@given(
    findings_of_all_kinds, targets, st.sampled_from(NAMED), st.sampled_from([State.UNKNOWN, State.SKIPPED])
)
def test_what_was_not_measured_never_makes_it_fine(
    findings: Sequence[Finding], target: Target, finding: str, state: State
) -> None:
    before = diagnose(findings, CAUSES, target)
    after = diagnose([*findings, Finding(id=finding, state=state, reason="timeout")], CAUSES, target)
    assert not (after.family is Family.FINE and before.family is not Family.FINE)


@given(findings_of_all_kinds, targets)
def test_every_verdict_holds_together(findings: Sequence[Finding], target: Target) -> None:
    found = diagnose(findings, CAUSES, target)
    ids = {f.id for f in findings}
    assert set(found.because) <= ids
    if found.cause is None:
        assert found.family in (Family.FINE, Family.UNKNOWN)
        assert (found.candidates, found.also, found.certainty) == ((), (), None)
        return
    assert found.family in (Family.FIX, Family.USER, Family.IT)
    assert found.candidates[0] == found.cause
    assert len(found.candidates) == (2 if found.certainty is ONE_OF_TWO else 1)
    assert not set(found.also) & set(found.candidates)
    assert set(found.because) <= frozenset().union(*(CAUSES[c].findings for c in found.candidates))
    assert found.steps
    if found.certainty is CERTAIN:
        assert any(w.certainty is CERTAIN and w.all <= ids for w in CAUSES[found.cause].when)


# --- the shipped causes: what looks alike, and is not


@pytest.mark.parametrize(
    ("findings", "cause_id", "certainty", "also"),
    [
        # No VPN before no name; a name that only the VPN knows before a name that nobody knows.
        (["names.not-found"], "name-not-found", CERTAIN, ()),
        (["names.not-found", "vpn.off"], "name-needs-vpn", LIKELY, ("name-not-found",)),
        (["names.vpn-server-knows", "vpn.off"], "name-needs-vpn", CERTAIN, ()),
        (["network.none", "names.server-silent"], "no-network", CERTAIN, ("name-server-not-answering",)),
        # Silence, told apart by signs of life.
        (["reach.silent", "presence.alive"], "port-filtered", LIKELY, ()),
        (["reach.silent", "presence.absent"], "host-not-answering", CERTAIN, ()),
        (["reach.silent", "presence.no-sign"], "host-not-answering", ONE_OF_TWO, ()),
        (["reach.silent"], "host-not-answering", ONE_OF_TWO, ()),
        (["reach.no-neighbour", "route.on-link"], "host-not-answering", CERTAIN, ()),
        (["reach.no-neighbour"], "no-route", LIKELY, ()),
        (
            ["reach.silent", "presence.no-sign", "vpn.off"],
            "vpn-off",
            LIKELY,
            ("host-not-answering", "port-filtered"),
        ),
        (["reach.silent", "presence.alive", "vpn.off"], "port-filtered", LIKELY, ()),
        (["reach.silent", "firewall.blocks"], "client-firewall-blocks", CERTAIN, None),
        (["reach.refused"], "port-closed", LIKELY, ()),
        (["reach.refused", "names.hosts-override"], "hosts-file-override", LIKELY, ("port-closed",)),
        # The handshake died before the certificate's dates could matter.
        (["certificate.expired"], "server-certificate-expired", LIKELY, ()),
        (["certificate.expired", "error.certificate-expired"], "server-certificate-expired", CERTAIN, ()),
        (["certificate.expired", "certificate.wrong-machine"], "server-certificate-expired", LIKELY, None),
        (["nla.refused", "certificate.expired"], "nla-broken", LIKELY, ("server-certificate-expired",)),
        (["tls.hung-up", "certificate.expired"], "server-key-unusable", ONE_OF_TWO, None),
        # The clocks explain the certificate.
        (
            ["clock.ok", "certificate.expired", "clock.skew", "clock.explains-certificate"],
            "clock-skew",
            LIKELY,
            (),
        ),
        (["certificate.expired", "clock.skew", "clock.explains-certificate"], "clock-skew", ONE_OF_TWO, ()),
        (["certificate.not-yet-valid", "clock.before-release"], "clock-wrong-here", CERTAIN, ()),
        # TLS that falls silent.
        (["tls.silent"], "server-key-unusable", ONE_OF_TWO, ()),
        (["tls.silent", "mtu.black-hole"], "mtu-black-hole", LIKELY, ()),
        (["tls.old-only"], "tls-version-mismatch", CERTAIN, ()),
        (["tls.alert"], "tls-version-mismatch", ONE_OF_TWO, ()),
        (["tls.suite-refused"], "tls-cipher-mismatch", ONE_OF_TWO, ()),
    ],
)
def test_the_shipped_causes(
    findings: list[str], cause_id: str, certainty: Certainty, also: tuple[str, ...] | None
) -> None:
    found = diagnose(said(*findings), CAUSES, TARGET)
    assert (found.cause, found.certainty) == (cause_id, certainty)
    if also is not None:
        assert found.also == also
