"""The shipped causes keep their promises, and a file that breaks one is refused with the cause's name."""

import ast
import contextlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import knowledge
from core.checks import ALL
from core.codes import KnowledgeError
from core.knowledge import Cause, Way, parse
from core.model import Certainty, Where, Who

# A contract: reports, outside scripts and translations use these ids. Add freely; drop one only with all its users.
HERE = """
no-network client-firewall-blocks client-tls-disabled client-policy-blocks client-settings-wrong
client-cache-damaged saved-credential-stale client-missing client-known-bad-build network-stack-damaged
network-driver-suspect clock-wrong-here hosts-file-override
"""
WAY = """
name-not-found name-server-not-answering name-points-elsewhere name-needs-full-form name-needs-vpn vpn-off
vpn-no-route subnet-overlap no-route ipv6-path-broken port-filtered link-lossy link-slow mtu-black-hole
connection-cut-midway tls-intercepted udp-blocked
"""
THERE = """
host-not-answering port-closed not-rdp server-silent server-hangs-up-early server-no-certificate
server-key-unusable server-certificate-expired server-certificate-not-yet-valid server-certificate-wrong-name
server-certificate-weak tls-version-mismatch tls-cipher-mismatch server-security-layer-old nla-broken
nla-required server-limits server-licensing clock-skew gateway-not-answering gateway-certificate
gateway-refuses
"""

CAUSES = knowledge.causes()
CORE = Path(knowledge.__file__).parent


# --- what is shipped


@pytest.mark.parametrize(
    ("where", "ids"),
    [(Where.HERE, HERE), (Where.WAY, WAY), (Where.THERE, THERE)],
    ids=["here", "way", "there"],
)
def test_every_promised_cause_is_there_and_in_its_place(where: Where, ids: str) -> None:
    assert {cause_id: CAUSES[cause_id].where for cause_id in ids.split()} == dict.fromkeys(ids.split(), where)


@cache
def loud() -> frozenset[str]:
    """Every finding id that stands in `problem(...)` in a judge, or in a table of ids for one."""
    found: set[str] = set()
    for path in [*(CORE / "checks").glob("*.py"), CORE / "derive.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="problem"), args=[said, *_]):
                    inside: ast.AST = said
                case ast.Assign(value=ast.Dict()) | ast.AnnAssign(value=ast.Dict()):
                    inside = node
                case _:
                    continue
            strings = (n.value for n in ast.walk(inside) if isinstance(n, ast.Constant))
            found |= {text for text in strings if isinstance(text, str)}
    return frozenset(found)


def test_the_judges_are_understood() -> None:
    assert {"reach.silent", "negotiate.refused", "negotiate.no-certificate", "clock.skew"} <= loud()
    assert not {"reach.ok", "reach.ipv6-broken", "certificate.self-signed", "udp.blocked-here"} & loud()


@pytest.mark.parametrize("cause_id", CAUSES)
def test_nothing_is_certain_by_notes_and_warnings_alone(cause_id: str) -> None:
    """A warning is measured once, and lets the connection live: that is not what certainty is made of."""
    built = {check.id for check in ALL} | {"error"}
    for way in CAUSES[cause_id].when:
        proving = way.all | way.any
        if way.certainty is Certainty.CERTAIN and all(f.partition(".")[0] in built for f in proving):
            assert proving & loud(), way


@pytest.mark.parametrize("cause_id", CAUSES)
def test_every_cause_has_been_read_by_somebody_and_leads_somewhere(cause_id: str) -> None:
    cause = CAUSES[cause_id]
    assert cause.reviewed <= datetime.now(UTC).date()
    assert cause.steps
    assert len(set(cause.steps)) == len(cause.steps)
    assert all(" " not in link for link in cause.source)


@pytest.mark.parametrize("cause_id", CAUSES)
def test_every_cause_can_be_proven(cause_id: str) -> None:
    """What one field asks for, no other one forbids; and no way stands in the shadow of a weaker demand."""
    cause = CAUSES[cause_id]
    for way in cause.when:
        assert not (way.all | way.any) & (way.unless | cause.unless), way
        assert not way.all & way.any, way
        weaker = [
            w
            for w in cause.when
            if w is not way and w.certainty is way.certainty and not (w.twin or way.twin)
        ]
        assert not [w for w in weaker if w.all < way.all and not w.any and w.unless <= way.unless], way


def test_the_findings_of_a_cause_are_all_that_it_speaks_of() -> None:
    (cause,) = parse(entry(when=WHEN_ALL_LISTS, supports='["s.s"]', unless='["u.u"]')).values()
    assert cause.findings == {"a.a", "b.b", "c.c", "s.s", "u.u"}


# --- what is refused


WHEN_ALL_LISTS = '[{ all = ["a.a"], any = ["b.b"], unless = ["c.c"], certainty = "certain" }]'


def entry(cause_id: str = "some-cause", /, **changed: str | None) -> str:
    """One good entry in TOML, with some fields changed or, for None, left out."""
    fields: dict[str, str | None] = {
        "where": '"there"',
        "who": '"server-admin"',
        "when": '[{ all = ["a.a"], certainty = "certain" }]',
        "steps": '["mend"]',
        "source": '["https://example.test/"]',
        "reviewed": "2026-11-22",
        **changed,
    }
    lines = [f"{name} = {value}" for name, value in fields.items() if value is not None]
    return "\n".join([f"[{cause_id}]", *lines, ""])


def test_a_good_entry_is_read_as_it_stands() -> None:
    (cause,) = parse(entry(fixes='["flush-dns"]')).values()
    assert isinstance(cause, Cause)
    assert (cause.where, cause.who, cause.steps) == (Where.THERE, Who.SERVER_ADMIN, ("mend",))
    assert (cause.fixes, cause.supports, cause.unless) == (("flush-dns",), (), frozenset())
    (way,) = cause.when
    assert way == Way(all=frozenset({"a.a"}), certainty=Certainty.CERTAIN)


def test_the_order_of_the_file_is_the_order_of_the_root() -> None:
    assert list(parse(entry("b") + entry("a") + entry("c"))) == ["b", "a", "c"]


@pytest.mark.parametrize(
    "changed",
    [
        {"where": None},
        {"where": '"everywhere"'},
        {"who": '"nobody"'},
        {"when": None},
        {"when": "[]"},
        {"when": '[{ all = [], certainty = "certain" }]'},
        {"when": '[{ certainty = "certain" }]'},
        {"when": '[{ all = ["a.a"] }]'},
        {"when": '[{ all = ["a.a"], certainty = "sure" }]'},
        {"when": '[{ all = "a.a", certainty = "certain" }]'},
        {"when": '[{ all = ["a.a"], certainty = "certain", because = 1 }]'},
        {"when": '{ all = ["a.a"], certainty = "certain" }'},
        {"steps": None},
        {"steps": "[]"},
        {"source": "[]"},
        {"source": '["http://example.test/"]'},
        {"source": '["javascript:alert(1)//https://"]'},
        {"reviewed": None},
        {"reviewed": '"some day"'},
        {"reviewed": "12"},
        {"fixes": '"flush-dns"'},
        {"supports": "[1]"},
        {"typo": "1"},
        # Certainty and twins: "one of two" is what a twin makes of a likely way.
        {"when": '[{ all = ["a.a"], certainty = "one-of-two" }]'},
        {"when": '[{ all = ["a.a"], certainty = "certain", twin = "other" }]'},
        {"when": '[{ all = ["a.a"], certainty = "likely", twin = "nobody" }]'},
        {"when": '[{ all = ["a.a"], certainty = "likely", twin = "some-cause" }]'},
    ],
    ids=str,
)
def test_a_bad_entry_is_refused_by_name(changed: dict[str, str | None]) -> None:
    twin = '[{ all = ["a.a"], certainty = "likely", twin = "some-cause" }]'
    with pytest.raises(KnowledgeError, match="cause some-cause: "):
        parse(entry(**changed) + entry("other", when=twin))


def test_twins_name_each_other_for_the_same_findings() -> None:
    """A twin counts only where it holds too: without its own way, "one of these two" is never said."""
    one = entry("one", when='[{ all = ["a.a"], certainty = "likely", twin = "two" }]')
    two = '[{{ all = ["{}"], certainty = "likely"{} }}]'
    assert parse(one + entry("two", when=two.format("a.a", ', twin = "one"')))
    for when in (two.format("a.a", ""), two.format("b.b", ', twin = "one"')):
        with pytest.raises(KnowledgeError, match="cause one: its twin two "):
            parse(one + entry("two", when=when))


@pytest.mark.parametrize(
    "text",
    [
        "[cause",
        "cause = 1",
        "[cause]\n[cause]\n",
        "where = 'there'\n",
        "[[cause]]\nwhere = 'there'\n",
        "\x00",
        "cause = " + "[" * 100_000,
        "a." * 2000 + "a = 1",
        "cause = 1e999999999",
    ],
    ids=lambda text: text[:24],
)
def test_hostile_toml_is_refused(text: str) -> None:
    with pytest.raises(KnowledgeError):
        parse(text)


def test_an_empty_file_knows_no_cause() -> None:
    assert parse("") == {}


SHIPPED = files("resources").joinpath("knowledge", "causes.toml").read_text("utf-8").splitlines(keepends=True)


@given(st.data())
def test_a_line_lost_or_doubled_gives_causes_or_a_named_error(data: st.DataObject) -> None:
    """A slip of the editor never ends in anything but KnowledgeError."""
    start = data.draw(st.integers(0, len(SHIPPED) - 20))
    lines = SHIPPED[start : start + 20]
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place : place + 1] = [lines[place]] * data.draw(st.sampled_from([0, 2]))
    with contextlib.suppress(KnowledgeError):
        assert isinstance(parse("".join(lines)), dict)


@given(st.text(max_size=200))
def test_any_text_gives_causes_or_an_error(text: str) -> None:
    with contextlib.suppress(KnowledgeError):
        assert isinstance(parse(text), dict)
