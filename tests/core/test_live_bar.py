import io
import subprocess
import sys
from pathlib import Path

import pytest

from core import live_bar
from core.live_bar import LiveBar
from core.model import CheckDone, CheckStarted, RunDone
from core.text import Texts
from tests.support.runs import healthy_rows

TEXTS = Texts("en")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watch(stream: io.StringIO) -> None:
    rows = tuple(healthy_rows().values())
    with LiveBar(stream, TEXTS, total=len(rows)) as bar:
        for row in rows:
            bar(CheckStarted(row.check))
            bar(CheckDone(row))
        bar(CheckStarted("reach"))


def test_a_terminal_shows_what_is_being_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    watch(terminal)
    assert TEXTS.say("check.reach") in terminal.getvalue()
    assert f"{len(healthy_rows())}/{len(healthy_rows())}" in terminal.getvalue()


def test_a_file_gets_nothing() -> None:
    stream = io.StringIO()
    watch(stream)
    assert stream.getvalue() == ""


def test_events_before_and_after_are_no_mistake() -> None:
    bar = LiveBar(Terminal(), TEXTS, total=1)
    bar(CheckStarted("reach"))
    bar(RunDone((), cancelled=False, connections=0))


def test_only_who_watches_pays_for_the_bar() -> None:
    program = """
import io, sys
from core.live_bar import LiveBar
from core.text import Texts
with LiveBar(io.StringIO(), Texts("en"), total=1):
    print("rich" in sys.modules)
"""
    folder = Path(live_bar.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "False\n"
