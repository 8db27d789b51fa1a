"""The scenarios that CI runs, against the recorded score; and that a lab leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from core import knowledge

if sys.platform != "linux":
    pytest.skip("the fault lab is made of Linux namespaces", allow_module_level=True)

from tests.lab import score
from tests.lab.__main__ import RECORDED, why_not
from tests.lab.crew import play_all
from tests.lab.lab import ROOT
from tests.lab.play import Said
from tests.lab.scenario import Scenario, book, scenarios
from tests.lab.score import Mark
from tests.lab.worker import Order

needs_lab = [
    pytest.mark.lab,
    pytest.mark.skipif(
        why_not() is not None and os.environ.get("CI") != "true", reason=why_not() or "a lab can be built"
    ),
]
"""With CI=true a missing program fails the test in place of skipping it."""


def test_every_file_of_scenarios_is_sound() -> None:
    assert not book().faults


def test_every_truth_is_a_cause_that_the_product_knows() -> None:
    named = {cause for s in scenarios().values() for cause in (s.cause, *s.accept) if cause is not None}
    assert named <= {*knowledge.causes(), "fine", "unknown"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Said(cause="a", family="it", certainty="likely", candidates=("a",)), Mark.RIGHT),
        (Said(cause="b", family="it", certainty="likely", candidates=("b",)), Mark.RIGHT),
        (Said(cause="b", family="it", certainty="one-of-two", candidates=("b", "a")), Mark.RIGHT),
        (Said(cause="a", family="it", certainty="one-of-two", candidates=("a", "c")), Mark.VAGUE),
        (Said(cause="c", family="it", certainty="likely", candidates=("c",)), Mark.WRONG),
        (Said(cause="c", family="it", certainty="certain", candidates=("c",)), Mark.CERTAINLY_WRONG),
        (Said(cause=None, family="unknown"), Mark.UNKNOWN),
        (Said(cause=None, family="fine"), Mark.MISSED),
        (None, Mark.LAB_FAILED),
    ],
)
def test_marks(said: Said | None, expected: Mark) -> None:
    assert score.mark(Scenario(name="x", cause="a", accept=("b",), why="twins"), said) is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Said(cause=None, family="fine"), Mark.RIGHT),
        (Said(cause=None, family="unknown"), Mark.UNKNOWN),
        (Said(cause="a", family="it", certainty="likely", candidates=("a",)), Mark.FALSE_ALARM),
    ],
)
def test_marks_of_a_healthy_one(said: Said, expected: Mark) -> None:
    assert score.mark(Scenario(name="x", cause=None), said) is expected


class TestLab:
    pytestmark = needs_lab

    def test_ci_scenarios_reach_the_recorded_score(self) -> None:
        before = leftovers()
        chosen = [s for s in scenarios().values() if s.ci]
        orders = [Order(name=s.name, client=False) for s in chosen]
        results = list(zip(chosen, play_all(orders, 3, lambda *_: None), strict=True))
        least = msgspec.json.decode(RECORDED.read_bytes(), type=score.Least)
        short = score.falls_short(score.sums(results), least)
        bad = [
            line
            for s, p in results
            if score.mark(s, p.said) is not Mark.RIGHT
            for line in score.evidence(s, p)
        ]
        assert not short, "\n".join((*short, *bad))
        assert leftovers() == before

    @pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGKILL"])
    def test_nothing_is_left_of_a_run_that_is_ended(self, how: str) -> None:
        before = leftovers()
        lab = subprocess.Popen(
            [sys.executable, "-m", "tests.lab", "mtu-hole", "--jobs", "1"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert eventually(lambda: any("tests.lab.wire" in command for command in processes()))
        lab.send_signal(signal.Signals[how])
        lab.wait(20)
        assert eventually(lambda: leftovers() == before), leftovers() - before


def leftovers() -> set[str]:
    """What a lab could leave behind on this machine."""
    listed = subprocess.run(("ip", "netns", "list"), capture_output=True, text=True, check=True).stdout
    links = subprocess.run(("ip", "-br", "link"), capture_output=True, text=True, check=True).stdout
    folders = {str(path) for path in Path("/tmp").glob("lab-*")}
    ours = {command for command in processes() if "tests.lab" in command and "pytest" not in command}
    return {*listed.split(), *(line.split()[0] for line in links.splitlines()), *folders, *ours}


def processes() -> list[str]:
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:
            continue
    return commands


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
