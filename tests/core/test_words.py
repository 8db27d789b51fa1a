"""Code and catalogues fit together: every id has its words, no words lie about, and they read well.

The ids are read from the source (`problem("reach.silent", host=..., **args)`), so that a new finding without a text, or
a text that asks for a value which one of the call sites does not give, fails here and not on a user's screen.
"""

import ast
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from core import knowledge
from core.checks import ALL, certificate, negotiate
from core.knowledge import Cause
from core.model import Certainty, Family, State, Where, Who
from core.ports import LinkKind, ResolveFailure
from core.probes.dialer import Connect
from core.probes.ending import How, Step
from core.probes.session_step import Reached
from core.wire.stranger import Stranger

ROOT = Path(__file__).resolve().parents[2]
JUDGES = [*sorted((ROOT / "core/checks").glob("*.py")), ROOT / "core/derive.py"]
LOCALE = ROOT / "resources/locale/en/LC_MESSAGES"

CHECKS = {check.id for check in ALL}
# Checks of the design that are not built yet; causes.toml may name their findings already.
PLANNED = {
    *("client", "settings", "cache", "credentials", "history"),
    *("link", "build", "stack", "security-software"),
} - CHECKS
# Checks that run without another computer to reach: a sentence about them cannot name one.
WITHOUT_TARGET = PLANNED | {"network", "vpn", "clock"}
MAKERS = {"ok", "problem", "warn", "info", "unknown", "skipped"}
TARGET = frozenset({"host", "port"})  # diagnose gives these to every verdict

# Values of arguments that are words and not names: every one that can occur.
WORDS = {
    "kind": {*Stranger, *LinkKind} - {LinkKind.LOOPBACK},  # loopback alone is no network
    "protocol": {name for name in negotiate.PROTOCOLS.values() if name != "rdp"},  # that one is a problem
    "how": set(How),
    "outcome": set(Connect) - {Connect.CONNECTED},
    "why": set(ResolveFailure),
    "step": {Step.MCS, Step.LICENSING},
    "reached": {Reached.CHANNELS, Reached.LICENSING, Reached.SESSION},
    "sign": {"echo", "neighbour"},
    "hash": certificate._OLD_HASHES,
}


# --- the catalogues ---


@cache
def catalogue(domain: str) -> dict[str, str]:
    with io.BytesIO((LOCALE / f"{domain}.po").read_bytes()) as file:
        return {str(m.id): str(m.string) for m in read_po(file, locale="en", abort_invalid=True) if m.id}


def texts() -> dict[str, str]:
    return {**catalogue("findings"), **catalogue("causes")}


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.:?])\s+", text)


# --- the ids, read from the source ---


@dataclass(frozen=True)
class Site:
    """One place that makes a finding. `args`: the values it gives, None if they cannot be read from the source."""

    finding: str
    state: str
    args: frozenset[str] | None
    derived: bool


@dataclass
class Module:
    """A parsed file; `inside` is the function around each call."""

    tree: ast.Module
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=dict)
    inside: dict[ast.Call, ast.FunctionDef | ast.AsyncFunctionDef | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inside = {node: None for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        for function in ast.walk(self.tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions[function.name] = function
                self.inside |= {n: function for n in ast.walk(function) if isinstance(n, ast.Call)}

    def assigned(self, name: str, call: ast.Call) -> list[ast.expr]:
        """All that the name may stand for where the call is: a variable of that function, else of the module."""
        function = self.inside[call]
        for body in ([*ast.walk(function)] if function else []), self.tree.body:
            found = [
                node.value
                for node in body
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
                if isinstance(target, ast.Name) and target.id == name
            ]
            if found:
                return found
        return []

    def strings(self, node: ast.expr | None, call: ast.Call) -> set[str]:
        """Every string that an expression can be; empty where that cannot be read."""
        match node:
            case ast.Constant(value=str() as text):
                return {text}
            case ast.IfExp(body=one, orelse=other):
                return self.strings(one, call) | self.strings(other, call)
            case ast.Dict(values=values):
                return {text for value in values for text in self.strings(value, call)}
            case ast.Subscript(value=table):
                return self.strings(table, call)
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[_, default]):
                return self.strings(table, call) | self.strings(default, call)
            case ast.Name(id=name):
                return {text for value in self.assigned(name, call) for text in self.strings(value, call)}
        return set()

    def keys(self, node: ast.expr | None, call: ast.Call) -> frozenset[str] | None:
        """The keys of a dict that is given as `**node`."""
        match node:
            case ast.Dict(keys=keys):
                found = [key.value for key in keys if isinstance(key, ast.Constant)]
                return frozenset(map(str, found)) if len(found) == len(keys) else None
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                returns = [n.value for n in ast.walk(self.functions[name]) if isinstance(n, ast.Return)]
                return self.keys(returns[0], call) if len(returns) == 1 else None
            case ast.Name(id=name):
                values = self.assigned(name, call)
                if not values:
                    return self._handed_down(name, call)
                return _in_all([self.keys(value, call) for value in values])
        return None

    def _handed_down(self, name: str, call: ast.Call) -> frozenset[str] | None:
        """The keys of a parameter: those that every caller gives."""
        function = self.inside[call]
        parameters = [argument.arg for argument in function.args.args] if function else []
        if function is None or name not in parameters:
            return None
        place = parameters.index(name)
        given = [
            self.keys(node.args[place], node)
            for node in self.inside
            if isinstance(node.func, ast.Name) and node.func.id == function.name and len(node.args) > place
        ]
        return _in_all(given)


def _in_all(given: list[frozenset[str] | None]) -> frozenset[str] | None:
    known = [keys for keys in given if keys is not None]
    return frozenset.intersection(*known) if known and len(known) == len(given) else None


@cache
def module(path: Path) -> Module:
    return Module(ast.parse(path.read_text(encoding="utf-8")))


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for call in module(path).inside:
        if isinstance(call.func, ast.Name):
            yield call, call.func.id


@cache
def sites() -> tuple[Site, ...]:
    found: list[Site] = []
    for path in JUDGES:
        here = module(path)
        for call, maker in calls(path):
            if maker not in MAKERS or not call.args:
                continue
            ids = here.strings(call.args[0], call)
            assert ids, f"{path.name}:{call.lineno}: write the finding's id so that it can be read here"
            args: frozenset[str] | None = frozenset()
            for keyword in call.keywords:
                more = frozenset({keyword.arg}) if keyword.arg else here.keys(keyword.value, call)
                args = None if args is None or more is None else args | more
            if args is not None and maker in ("unknown", "skipped"):
                args -= {"settle"}  # not an argument; the reason's words are
            found += [Site(finding, maker, args, path.stem == "derive") for finding in sorted(ids)]
    return tuple(found)


@cache
def named(keyword: str) -> frozenset[str]:
    """Every id that the core gives as `reason=` or `settle=`, or as the reason of a Skip."""
    found: set[str] = set()
    for path in (ROOT / "core").rglob("*.py"):
        here = module(path)
        for call, maker in calls(path):
            if maker not in MAKERS | {"Skip", "NotMeasured"}:
                continue
            found |= {t for k in call.keywords if k.arg == keyword for t in here.strings(k.value, call)}
            if maker == "Skip" and keyword == "reason":
                found |= here.strings(call.args[0], call)
    return frozenset(found)


def given_always(finding: str) -> frozenset[str]:
    """The arguments that a finding has wherever it is made."""
    known = [site.args for site in sites() if site.finding == finding and site.args is not None]
    return frozenset.intersection(*known) if known else frozenset()


def given_to(cause: Cause) -> frozenset[str]:
    """The arguments that the words of a cause may use: those that every way of proving it brings along."""
    ways = [frozenset().union(*(given_always(finding) for finding in way.all)) for way in cause.when]
    return frozenset.intersection(*ways) | TARGET


def without_target(cause: Cause) -> bool:
    """Can the cause hold in a run that looks only at this computer?"""
    derived = {site.finding for site in sites() if site.derived}
    return any(
        not way.any and all(f.partition(".")[0] in WITHOUT_TARGET and f not in derived for f in way.all)
        for way in cause.when
    )


# --- every id has its words ---


def test_the_source_is_understood() -> None:
    assert {"reach.silent", "clock.skew", "gateway.stopped"} <= {site.finding for site in sites()}
    assert given_always("firewall.blocks") == {"address", "rule", "place", "port"}
    assert given_always("tls.alert") == {"alert", "name", "host", "ms"}
    assert {"timeout", "echo-not-possible", "answered-already"} <= named("reason")
    assert "compare-clock" in named("settle")


def test_every_finding_has_its_words() -> None:
    speaking = {site.finding for site in sites() if site.state not in ("unknown", "skipped")}
    assert speaking - texts().keys() == set()
    assert "{reason}" in texts()["finding.unknown"]
    assert "{reason}" in texts()["finding.not-checked"]


def test_a_text_asks_only_for_what_every_call_gives() -> None:
    missing = {
        site.finding: placeholders(texts().get(site.finding, "")) - site.args
        for site in sites()
        if site.args is not None
    }
    assert {finding: names for finding, names in missing.items() if names} == {}


def test_no_own_text_stands_in_for_what_the_engine_says() -> None:
    """`<check>.unknown` and `<check>.not-checked` come without arguments from every check that could not measure."""
    assert [
        i for i in texts() if i.endswith((".unknown", ".not-checked")) and i.split(".")[0] in CHECKS
    ] == []


def test_every_reason_and_what_would_settle_it_has_words() -> None:
    wanted = {f"reason.{reason}" for reason in named("reason")} | {f"reason.needs-{c}" for c in CHECKS}
    wanted |= {f"settle.{settle}" for settle in named("settle") | CHECKS}
    assert wanted - texts().keys() == set()


def test_every_row_has_a_title_that_fits() -> None:
    titles = {check: texts()[f"check.{check}"] for check in CHECKS | PLANNED}
    assert {check: title for check, title in titles.items() if len(title) > 22} == {}
    assert len(set(titles.values())) == len(titles)


def test_every_word_of_the_vocabulary_is_there() -> None:
    wanted = {f"state.{s}" for s in State} | {f"where.{w}" for w in Where} | {f"who.{w}" for w in Who}
    wanted |= {f"family.{f}" for f in Family} | {f"family.{f}.body" for f in Family}
    wanted |= {f"certainty.{c}" for c in Certainty if c is not Certainty.CERTAIN}
    wanted |= {f"word.{arg}.{value}" for arg, values in WORDS.items() for value in values}
    assert wanted - texts().keys() == set()


@pytest.mark.parametrize("cause_id", knowledge.causes())
def test_every_cause_and_its_steps_have_their_words(cause_id: str) -> None:
    cause = knowledge.causes()[cause_id]
    wanted = {f"cause.{cause_id}{part}" for part in ("", ".title", ".why")}
    wanted |= {f"step.{step}" for step in cause.steps}
    assert wanted - texts().keys() == set()
    allowed = frozenset() if without_target(cause) else TARGET
    allowed |= given_to(cause) - TARGET
    for text_id in wanted:
        assert placeholders(texts()[text_id]) <= allowed, text_id
    assert not placeholders(texts()[f"cause.{cause_id}.title"])  # told without arguments, as "also found"


def test_no_words_lie_about() -> None:
    used = {site.finding for site in sites()} | {"finding.not-checked", "finding.unknown"}
    used |= {f"check.{check}" for check in CHECKS | PLANNED}
    used |= {f"reason.{r}" for r in named("reason")} | {f"reason.needs-{check}" for check in CHECKS}
    used |= {f"settle.{s}" for s in named("settle") | CHECKS}
    used |= {f"word.{arg}.{value}" for arg, values in WORDS.items() for value in values}
    used |= {f"state.{s}" for s in State} | {f"where.{w}" for w in Where} | {f"who.{w}" for w in Who}
    used |= {f"family.{f}{part}" for f in Family for part in ("", ".body")} | {"family.fine.body-here"}
    used |= {f"certainty.{c}" for c in Certainty}
    for cause_id, cause in knowledge.causes().items():
        used |= {f"cause.{cause_id}{part}" for part in ("", ".title", ".why")}
        used |= {f"step.{step}" for step in cause.steps}
    assert texts().keys() - used == set()
    asked = {name for text in texts().values() for name in placeholders(text)}
    assert WORDS.keys() <= asked


def test_no_id_is_in_two_catalogues() -> None:
    ids = [i for path in sorted(LOCALE.glob("*.po")) for i in catalogue(path.stem)]
    assert len(ids) == len(set(ids))


# --- causes.toml names real findings ---


def test_every_finding_that_proves_a_cause_can_be_found() -> None:
    real = {site.finding for site in sites()}
    for cause_id, cause in knowledge.causes().items():
        told = set(cause.supports) | cause.unless
        told |= {finding for way in cause.when for finding in way.all | way.any | way.unless}
        unreal = {finding for finding in told - real if finding.partition(".")[0] not in PLANNED}
        assert not unreal, cause_id


@pytest.mark.parametrize(
    ("cause_id", "twin"),
    [
        (cause_id, way.twin)
        for cause_id, cause in knowledge.causes().items()
        for way in cause.when
        if way.twin is not None
    ],
)
def test_two_causes_that_look_the_same_name_each_other(cause_id: str, twin: str) -> None:
    """A twin counts only if it holds as well: otherwise "one of these two" is never said."""
    causes = knowledge.causes()
    mine = {way.all for way in causes[cause_id].when if way.twin == twin}
    assert mine <= {way.all for way in causes[twin].when if way.twin == cause_id}


# --- how it reads ---

LONGEST_SENTENCE = 22  # words; a step may hold a command
LONGEST_STEP = 150  # characters, so that a line of a ticket holds it

# Advice that makes a computer less safe, or that is known to be no help (CONTRIBUTING.md, "What we do not do").
BAD_ADVICE = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"AllowEncryptionOracle",
        r"\b(disable|deactivate|uninstall|stop|(turn|switch) off)\b.*\b(firewall|antivirus|defender|NLA|UAC|IPv6)\b",
        r"\b(turn|switch)\b.*\b(firewall|antivirus|defender|NLA|UAC|IPv6)\b.*\boff\b",
        r"\b(enable|allow|(turn|switch) on)\b.*\b(TLS 1\.[01]\b|SSL ?[23]|RC4|3DES)",
        r"\b(delete|rename|remove|empty)\b.*\bMachineKeys\b",
        r"\beveryone\b|\bfull control\b.*\busers\b",
        r"grace ?period|MSLicensing",
        r"\bSecurityLayer\b.*\bto 0\b|\bUserAuthentication\b",
        r"\b(change|move)\b.*\bport\b.*\b(Remote Desktop|RDP)\b|\bother password|password again\b",
    )
]


@pytest.mark.parametrize("text_id", texts())
def test_the_reading_rules(text_id: str) -> None:
    text = texts()[text_id]
    assert "!" not in text
    assert text == text.strip()
    assert text.isascii()  # a ticket is
    if not text_id.startswith("step."):
        assert max(len(sentence.split()) for sentence in sentences(text)) <= LONGEST_SENTENCE
    else:
        assert len(text) <= LONGEST_STEP
    for sentence in sentences(text):
        assert not [bad.pattern for bad in BAD_ADVICE if bad.search(sentence)], sentence


@pytest.mark.parametrize("text_id", sorted(i for i in texts() if i.startswith("cause.")))
def test_titles_and_sentences_of_causes(text_id: str) -> None:
    text = texts()[text_id]
    if text_id.endswith(".title"):
        assert 3 <= len(text.split()) <= 8
        assert not text.endswith(".")
    else:
        assert text.endswith(".")


@pytest.mark.parametrize(
    "advice",
    [
        "Switch off the Windows firewall for a test.",
        "Turn the antivirus off.",
        "Enable TLS 1.0 on the server.",
        "Rename the folder MachineKeys.",
        "Set AllowEncryptionOracle to 2.",
        "Give Everyone full control.",
        "Set SecurityLayer to 0.",
        "Disable NLA.",
        "Change the port of Remote Desktop.",
    ],
)
def test_bad_advice_is_recognised(advice: str) -> None:
    assert any(bad.search(advice) for bad in BAD_ADVICE)
