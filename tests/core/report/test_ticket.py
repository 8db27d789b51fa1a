"""The ticket: golden texts of every ending, and what a stranger's name cannot do to it."""

import re

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from core import __version__
from core.model import Run
from core.report.ticket import render
from core.text import Texts
from tests.support.runs import EXPIRED, hostile_run, run, scenarios

TEXTS = Texts("en")
SCENARIOS = scenarios()


def ticket(done: Run) -> str:
    return render(done, TEXTS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(name: str, snapshot: SnapshotAssertion) -> None:
    assert ticket(SCENARIOS[name]).replace(f"tool {__version__}", "tool VERSION") == snapshot


@pytest.mark.parametrize("name", [*SCENARIOS, "hostile"])
def test_a_ticket_fits_into_any_form(name: str) -> None:
    text = ticket(hostile_run() if name == "hostile" else SCENARIOS[name])
    assert re.fullmatch(r"[ -~\n]+\n", text), "printable ASCII and line ends"
    lines = text.splitlines()
    assert 7 <= len(lines) <= 25
    assert all(lines), "no empty line"
    assert all(line == line.rstrip() for line in lines)
    if name != "hostile":
        assert max(map(len, lines)) <= 110


def test_a_stranger_cannot_write_a_line_of_his_own() -> None:
    lines = ticket(hostile_run()).splitlines()
    assert not [line for line in lines if line.lstrip().startswith("[ok] forged")]


def test_umlauts_lose_their_dots_and_not_themselves() -> None:
    verdict = replace(run(EXPIRED).verdict, args={"host": "büro-größe…", "port": 3389})
    assert "On buro-groe..., bind" in ticket(replace(run(EXPIRED), verdict=verdict))


def test_of_two_candidates_both_are_named() -> None:
    first, second = SCENARIOS["it-one-of-two"].verdict.candidates
    head = ticket(SCENARIOS["it-one-of-two"]).splitlines()[0]
    assert TEXTS.say(f"cause.{first}.title") in head
    assert TEXTS.say(f"cause.{second}.title") in head


@pytest.mark.parametrize("name", ["fine", "unknown"])
def test_without_a_cause_there_is_no_place_to_name(name: str) -> None:
    assert TEXTS.say("where.unknown") not in ticket(SCENARIOS[name])


def test_other_faults_are_told_too() -> None:
    done = run(EXPIRED)
    text = ticket(replace(done, verdict=replace(done.verdict, also=("clock-skew",))))
    assert f"Also found : {TEXTS.say('cause.clock-skew.title')}" in text


def test_the_servers_log_can_be_searched_for_our_connection() -> None:
    assert f"Server log : connection id {'0f' * 16}" in ticket(run())
    assert "Server log" not in ticket(run(only=["names", "reach"]))
