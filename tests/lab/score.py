"""What a run of the lab is worth: each verdict held against the truth, and the sums over all of them."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from tests.lab.play import Played, Said
from tests.lab.scenario import Scenario


class Mark(StrEnum):
    """How good a verdict is, the best first."""

    RIGHT = "right"
    VAGUE = "vague"
    """It names the cause and, as its twin, one that a client could have told apart."""
    UNKNOWN = "unknown"
    """No cause where there is one; not called fine either."""
    WRONG = "wrong"
    MISSED = "missed"
    """A fault, and the tool says that all is fine."""
    FALSE_ALARM = "false alarm"
    """A cause where everything works."""
    CERTAINLY_WRONG = "certainly wrong"
    """The worst: the wrong cause, without doubt."""
    LAB_FAILED = "lab failed"


def mark(scenario: Scenario, said: Said | None) -> Mark:
    if said is None:
        return Mark.LAB_FAILED
    if said.cause is None and said.family in scenario.accept:
        return Mark.RIGHT
    if scenario.cause is None:
        if said.cause is not None:
            return Mark.FALSE_ALARM
        return Mark.RIGHT if said.family == "fine" else Mark.UNKNOWN
    if said.cause is None:
        return Mark.MISSED if said.family == "fine" else Mark.UNKNOWN
    right = {scenario.cause, *scenario.accept}
    if set(said.candidates) <= right:
        return Mark.RIGHT
    if set(said.candidates) & right:
        return Mark.VAGUE
    return Mark.CERTAINLY_WRONG if said.certainty == "certain" else Mark.WRONG


def doubt(scenario: Scenario, played: Played) -> str:
    """What the real client has against the truth that the scenario claims; empty if nothing."""
    if played.truth is None or scenario.unfelt:
        return ""
    connected = played.truth.code == 0
    if connected and scenario.cause is not None:
        return "the real client gets through"
    if not connected and scenario.cause is None:
        return f"the real client fails: {played.truth.text}"
    return ""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Over all plays of a run. Shares are 0 to 1, of the plays in which the lab did not fail."""

    played: int
    right: float
    false_alarms: int
    certainly_wrong: int
    unknown: float
    lab_failed: int
    median_s: float
    worst_s: float


def sums(results: Sequence[tuple[Scenario, Played]]) -> Sums:
    marks = Counter(mark(scenario, played.said) for scenario, played in results)
    judged = len(results) - marks[Mark.LAB_FAILED]
    times = [played.said.seconds for _, played in results if played.said] or [0.0]
    return Sums(
        played=len(results),
        right=round(marks[Mark.RIGHT] / judged, 4) if judged else 0.0,
        false_alarms=marks[Mark.FALSE_ALARM],
        certainly_wrong=marks[Mark.CERTAINLY_WRONG],
        unknown=round(marks[Mark.UNKNOWN] / judged, 4) if judged else 0.0,
        lab_failed=marks[Mark.LAB_FAILED],
        median_s=round(statistics.median(times), 2),
        worst_s=round(max(times), 2),
    )


class Least(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded score, below which a run fails. It is raised by hand when the product has become better."""

    right: float
    false_alarms: int
    certainly_wrong: int


def falls_short(reached: Sums, least: Least) -> list[str]:
    """What is below the recorded score, in words."""
    wanted = (
        (reached.right < least.right, f"{reached.right:.1%} right, at least {least.right:.1%} wanted"),
        (reached.false_alarms > least.false_alarms, f"{reached.false_alarms} false alarms"),
        (reached.certainly_wrong > least.certainly_wrong, f"{reached.certainly_wrong} certainly wrong"),
        (reached.lab_failed > 0, f"the lab failed {reached.lab_failed} times"),
    )
    return [words for short, words in wanted if short]


# --- For people


_HEAD = ("scenario", "truth", "verdict", "certainty", "mark", "time", "real client")


def line(scenario: Scenario, played: Played) -> tuple[str, ...]:
    said = played.said
    truth = played.truth
    client = "" if truth is None else ("connected" if truth.code == 0 else truth.text or str(truth.code))
    return (
        scenario.name,
        scenario.cause or "healthy",
        "-" if said is None else " | ".join(said.candidates) or said.family,
        (said.certainty if said else None) or "",
        mark(scenario, said),
        f"{said.seconds:.1f}" if said else "",
        client + (f"  ! {doubt(scenario, played)}" if doubt(scenario, played) else ""),
    )


def table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...] = _HEAD) -> str:
    lines = [head, *rows]
    widths = [max(len(row[column]) for row in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )


def confusion(results: Sequence[tuple[Scenario, Played]]) -> str:
    """How often each truth got each verdict, right ones left out where they are all."""
    counts: Counter[tuple[str, str]] = Counter()
    for scenario, played in results:
        if played.said is not None:
            counts[scenario.cause or "healthy", played.said.cause or played.said.family] += 1
    rows = [
        (
            truth,
            verdict,
            str(count),
            "" if truth == verdict or (truth, verdict) == ("healthy", "fine") else "<",
        )
        for (truth, verdict), count in sorted(counts.items())
    ]
    return table(rows, ("truth", "verdict", "times", ""))


def evidence(scenario: Scenario, played: Played) -> Iterator[str]:
    """Why a verdict came out as it did."""
    said = played.said
    yield f"--- {scenario.name}: {mark(scenario, said)}, the truth is {scenario.cause or 'healthy'}"
    if said is None:
        yield f"    {played.trouble}"
        return
    yield f"    verdict {said.cause or said.family} ({said.certainty}) because of {', '.join(said.because) or 'nothing'}"
    if said.also:
        yield f"    also {', '.join(said.also)}"
    for finding in said.findings:
        args = " ".join(f"{key}={value}" for key, value in finding.get("args", {}).items())
        reason = f" [{finding['reason']}]" if "reason" in finding else ""
        yield f"    {finding['state']:8} {finding['id']}{reason} {args}"
        if finding["id"].partition(".")[0] in ("reach", "presence"):
            yield from (f"             {part}" for part in _facts(finding.get("evidence", {})))
    if said.findings and played.truth:
        yield f"    real client: {played.truth.code} {played.truth.text}"


def _facts(evidence: dict[str, Any]) -> Iterator[str]:
    for key, value in evidence.items():
        for one in value if isinstance(value, list) else [value]:
            yield f"{key}: {one}"
