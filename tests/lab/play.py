"""Plays one scenario: builds the lab, breaks it, runs the tool in it as a user would, and then the real client."""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import msgspec

from core.intake import Intake, read
from tests.lab.lab import ROOT, Lab
from tests.lab.scenario import Scenario
from tests.support import servers

_TOOL_S = 45.0  # the tool ends by itself after 30
_CLIENT_S = 8.0
_REASON = re.compile(r"ERRINFO_\w+|STATUS_[A-Z_]+|(HYBRID|SSL)_[A-Z_]+|ERRCONNECT_\w+")
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
_TELLING = ("problem", "warn", "unknown")
_ALWAYS_TOLD = ("reach", "presence", "route", "names")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the tool says: its verdict, and what it stood on."""

    cause: str | None
    family: str
    certainty: str | None = None
    candidates: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0
    measured_ms: int = 0
    exit_code: int = 0


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """How the real client ended: 0 is connected, None is still trying after its time."""

    code: int | None
    text: str


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario after it was played. Without `said` the lab failed, and `trouble` tells how."""

    name: str
    said: Said | None = None
    truth: Truth | None = None
    trouble: str = ""
    up_s: float = 0.0
    whole_s: float = 0.0


def play(scenario: Scenario, *, client: bool, seed: int) -> Played:
    """One scenario from nothing to nothing. Whatever fails in the lab is told, not raised."""
    started = time.perf_counter()
    try:
        with Lab(seed) as lab:
            for action in scenario.actions:
                action.apply(lab)
            up = time.perf_counter() - started
            said = _tool(lab, scenario)
            truth = _client(lab, scenario) if client else None
    except Exception as error:
        detail = getattr(error, "stderr", "") or ""
        return Played(name=scenario.name, trouble=f"{type(error).__name__}: {error} {detail}".strip())
    return Played(name=scenario.name, said=said, truth=truth, up_s=up, whole_s=time.perf_counter() - started)


def _tool(lab: Lab, scenario: Scenario) -> Said:
    user = _NOBODY if scenario.user else ()
    program = _python(lab.clock_error)
    command = (*lab.client_words, *user, *program, "check", scenario.target, *scenario.options, "--json")
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(lab.folder), "LANG": "C.UTF-8", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TOOL_S,
        check=False,
    )
    seconds = time.perf_counter() - started
    try:
        report = json.loads(done.stdout)
        verdict = report["verdict"]
    except (ValueError, KeyError):
        raise RuntimeError(
            f"the tool left with {done.returncode} and no report: {done.stderr[-2000:]}"
        ) from None
    return Said(
        cause=verdict["cause"],
        family=verdict["family"],
        certainty=verdict["certainty"],
        candidates=tuple(verdict["candidates"]),
        also=tuple(verdict["also"]),
        because=tuple(verdict["because"]),
        findings=tuple(_short(finding) for finding in report["findings"] if _tells(finding)),
        seconds=seconds,
        measured_ms=report["run"]["duration_ms"],
        exit_code=done.returncode,
    )


def _python(clock_error: timedelta) -> tuple[str, ...]:
    """The tool as its users start it; with a wrong clock, by the only door through which it sees one."""
    if not clock_error:
        return (sys.executable, "-m", "core.cli")
    return (sys.executable, "-m", "tests.lab.wrong_clock", str(clock_error.total_seconds()))


def _tells(finding: dict[str, Any]) -> bool:
    return finding["state"] in _TELLING or finding["check"] in _ALWAYS_TOLD


def _short(finding: dict[str, Any]) -> dict[str, Any]:
    return {
        key: finding[key]
        for key in ("id", "state", "reason", "args", "evidence", "first_try", "duration_ms")
        if finding.get(key)
    }


def _client(lab: Lab, scenario: Scenario) -> Truth | None:
    gateway = dict(itertools.pairwise(scenario.options)).get("--gateway")
    target = read(Intake(target=scenario.target, gateway=gateway))
    if target.host is None:
        return None
    through = (f"/g:{gateway}", f"/gu:{servers.USER}", f"/gp:{servers.PASSWORD}") if gateway else ()
    result = servers.real_client(
        target.port,
        host=target.host,
        more=through,
        timeout=_CLIENT_S,
        place=servers.Place(enter=lab.client_words),
    )
    return Truth(code=result.code, text=_reason(result.code, result.text))


def _reason(code: int | None, log: str) -> str:
    """Why the client gave up, in its own word where it has one."""
    if code is None:
        return "still trying"
    if code == 0:
        return ""
    named = _REASON.search(log)
    errors = [line for line in log.splitlines() if "[ERROR]" in line]
    return named.group() if named else (errors[0].rpartition("] - ")[2][:80] if errors else "")
