"""What a person reads at a terminal: golden texts of every ending, explained codes, lists."""

import re

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from core import console
from core.checks import ALL
from core.demo.faults import FAULTS
from core.knowledge import causes
from core.text import Texts
from tests.support.runs import EXPIRED, hostile_run, run, scenarios

TEXTS = Texts("en")
SCENARIOS = scenarios()
CODES = [(0x904, 7), (0x904, None), (0x3, 0x5), (0x1B07, 0), (0x3000008, None), (0xABCDEF, 0x999), (0, 0)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(name: str, snapshot: SnapshotAssertion) -> None:
    assert console.result(SCENARIOS[name], TEXTS) == snapshot


@pytest.mark.parametrize(("code", "extended"), CODES)
def test_golden_explanation(code: int, extended: int | None, snapshot: SnapshotAssertion) -> None:
    assert console.explanation(code, extended, TEXTS) == snapshot


def shown() -> dict[str, str]:
    """Everything that this module can print, by what it is."""
    texts = {name: console.result(done, TEXTS) for name, done in SCENARIOS.items()}
    texts |= {f"{code:#x} {extended}": console.explanation(code, extended, TEXTS) for code, extended in CODES}
    texts |= {what: console.listing(what, TEXTS) for what in ("checks", "causes", "fixes", "demos")}
    return texts


@pytest.mark.parametrize("name", shown())
def test_everything_is_plain_lines_that_fit_a_terminal(name: str) -> None:
    text = shown()[name]
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f]+\n", text)
    lines = text.splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert [line for line in lines if len(line) > 100 and "https://" not in line] == []
    # An id in place of words.
    assert not re.search(r"\b(app|family|cause|step|where|who|reason|finding|check|code)\.[a-z]", text)


def test_a_stranger_steers_no_terminal() -> None:
    text = console.result(hostile_run(), TEXTS)
    assert not set(text) & {"\x1b", "\r", "\x00", "\x07", "\u202e"}
    assert not [line for line in text.splitlines() if line.lstrip().startswith("[ok] forged")]


def test_the_verdict_comes_first_and_every_row_follows() -> None:
    done = SCENARIOS["it"]
    text = console.result(done, TEXTS)
    place = text.index(TEXTS.say("cause.server-certificate-expired", done.verdict.args))
    titles = [text.index(f"  {TEXTS.say(f'check.{row.check}')} ") for row in done.rows]
    assert [place, *titles] == sorted([place, *titles])


def test_certainty_is_told_unless_it_is_certain() -> None:
    assert TEXTS.say("certainty.likely") in console.result(SCENARIOS["it"], TEXTS)
    assert TEXTS.say("certainty.one-of-two") in console.result(SCENARIOS["it-one-of-two"], TEXTS)
    assert "certain" not in console.result(SCENARIOS["user"], TEXTS)


def test_other_faults_are_told_beside_the_verdict() -> None:
    done = run(EXPIRED)
    more = replace(done, verdict=replace(done.verdict, also=("clock-skew", "link-slow")))
    both = "; ".join(TEXTS.say(f"cause.{cause}.title") for cause in ("clock-skew", "link-slow"))
    assert f"{TEXTS.say('app.also')} {both}" in " ".join(console.result(more, TEXTS).split())


def test_lists_name_everything_once() -> None:
    def ids(what: str) -> list[str]:
        return [line.split()[0] for line in console.listing(what, TEXTS).splitlines()]

    assert ids("checks") == [check.id for check in ALL]
    assert ids("causes") == list(causes())
    assert ids("demos") == list(FAULTS)
    assert console.listing("fixes", TEXTS) == TEXTS.say("app.no-fixes") + "\n"
