"""The ticket: the run in 15 to 25 lines of plain ASCII, ready to paste into a help desk's form."""

import textwrap
import unicodedata
from collections.abc import Iterable

from core.model import Run, State
from core.report.document import Report, build
from core.text import Texts, plain

MARKS = {
    State.OK: "[ok]",
    State.PROBLEM: "[XX]",
    State.WARN: "[!!]",
    State.UNKNOWN: "[??]",
    State.SKIPPED: "[--]",
    State.INFO: "[i ]",
}
_WIDTH = 110
_UNDER_VALUES = " " * 15
_LONGEST = 2000  # characters of one entry


def render(run: Run, texts: Texts) -> str:
    """The ticket text, ending with a line end."""
    lines = (wrapped for line in _lines(build(run, texts), run, texts) for wrapped in _wrap(_ascii(line)))
    return "\n".join(lines) + "\n"


def _lines(report: Report, run: Run, texts: Texts) -> Iterable[str]:
    verdict = report.verdict
    title = verdict.headline
    if verdict.cause:
        titles = (texts.say(f"cause.{c}.title", run.verdict.args) for c in verdict.candidates)
        title = f"{' / '.join(titles)} ({verdict.certainty}) - {texts.say(f'where.{verdict.where}')}"
    yield f"RDP problem: {title}   [report {report.run.id}]"
    yield f"User error : {_error(report)}"
    target = report.target
    yield f"Target     : {target.typed or '-'}   (port {target.port}, gateway: {target.gateway or 'none'})"
    yield f"Addresses  : {', '.join(target.addresses) or '-'}"
    yield f"Checked    : {report.run.started}, {report.run.duration_ms} ms, {report.run.connections} connections   (tool {report.tool.version})"
    yield f"Checks     : {counts(run, texts)}"
    for finding in report.findings:
        if finding.state in (State.PROBLEM, State.WARN, State.UNKNOWN):
            yield f"  {MARKS[finding.state]} {finding.text}   {finding.id}"
    fine = [row.check for row in run.rows if row.state in (State.OK, State.INFO)]
    yield f"  [ok] {', '.join(fine) or '-'}"
    if left := [row.check for row in run.rows if row.state is State.SKIPPED]:
        yield f"  [--] {', '.join(left)}"
    if verdict.also:
        yield "Also found : " + "; ".join(
            texts.say(f"cause.{c}.title", run.verdict.args) for c in verdict.also
        )
    if verdict.who:
        yield f"For        : {texts.say(f'who.{verdict.who}')}"
    for number, step in enumerate(verdict.steps, 1):
        yield f"{'Next steps :' if number == 1 else '            '} {number}. {step}"
    if report.run.cancelled:
        yield f"Stopped    : {texts.say('app.stopped')}"
    if correlation := _correlation(report):
        yield f"Server log : connection id {correlation}"


def _error(report: Report) -> str:
    error = report.error
    if error is None:
        return "none given"
    extended = f" / ext {error.extended:#x}" if error.extended is not None else ""
    return f"{error.code:#x}{extended}, {error.when or 'time unknown'}, activity {error.activity_id or '-'}"


def counts(run: Run, texts: Texts) -> str:
    """`1 problem, 9 OK, ...`: how many rows ended in which state."""
    number = {state: sum(row.state is state for row in run.rows) for state in State}
    parts = (
        (State.PROBLEM, number[State.PROBLEM]),
        (State.OK, number[State.OK] + number[State.INFO]),
        (State.WARN, number[State.WARN]),
        (State.UNKNOWN, number[State.UNKNOWN]),
        (State.SKIPPED, number[State.SKIPPED]),
    )
    return ", ".join(f"{count} {texts.say(f'state.{state}').lower()}" for state, count in parts if count)


def _correlation(report: Report) -> str | None:
    for finding in report.findings:
        if finding.check == "negotiate" and finding.evidence:
            said = finding.evidence.get("negotiation") or {}
            return str(said.get("correlation") or "") or None
    return None


def _wrap(line: str) -> list[str]:
    return textwrap.wrap(
        line, _WIDTH, subsequent_indent=_UNDER_VALUES, break_long_words=False, break_on_hyphens=False
    )


def _ascii(line: str) -> str:
    """ASCII alone, since ticket systems and mails still break the rest; umlauts lose their dots, not themselves."""
    simple = unicodedata.normalize("NFKD", plain(line, _LONGEST).replace("…", "..."))
    return simple.encode("ascii", "ignore").decode()
