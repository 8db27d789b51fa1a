"""The report as typed data: the one document that JSON, ticket, page and bundle are made from.

The JSON Schema in `resources/schema/report.schema.json` is generated from these types.
"""

from typing import Any, Literal

import msgspec

from core import __version__
from core.model import Arg, Certainty, Family, Finding, Ok, Row, Run, State, Where, Who
from core.text import Texts

SCHEMA: Literal["rdpcheckup/1"] = "rdpcheckup/1"


class ToolPart(msgspec.Struct, frozen=True, kw_only=True):
    version: str


class RunPart(msgspec.Struct, frozen=True, kw_only=True):
    """`connections` counts the TCP connections that the run opened. `started` is in UTC."""

    id: str
    started: str
    duration_ms: int
    connections: int
    cancelled: bool = False


class TargetPart(msgspec.Struct, frozen=True, kw_only=True):
    typed: str
    host: str | None
    port: int
    gateway: str | None
    addresses: list[str]


class ErrorPart(msgspec.Struct, frozen=True, kw_only=True):
    """What the user pasted. Names are official ones where there are; `phase` is the id of the step it falls into."""

    code: int
    extended: int | None
    name: str | None
    extended_name: str | None
    phase: str | None
    activity_id: str | None = None
    when: str | None = None


class VerdictPart(msgspec.Struct, frozen=True, kw_only=True):
    """The one sentence and what belongs to it. Ids are stable, `headline` and `steps` are in the user's language."""

    family: Family
    cause: str | None
    certainty: Certainty | None
    where: Where
    who: Who | None
    candidates: list[str]
    because: list[str]
    headline: str
    explanation: str
    steps: list[str]
    fixes: list[str]
    also: list[str]


class FindingPart(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. A check's evidence and its times stand with its first finding; `tries` counts measurements."""

    check: str
    id: str
    state: State
    args: dict[str, Arg]
    text: str
    reason: str | None
    settle: str | None
    needs: list[str] = msgspec.field(default_factory=list)
    tries: int = 0
    started_ms: int = 0
    duration_ms: int = 0
    first_try: list[str] = msgspec.field(default_factory=list)
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Schema rdpcheckup/1. `changes` lists what this program changed on the PC."""

    schema: Literal["rdpcheckup/1"]
    tool: ToolPart
    run: RunPart
    target: TargetPart
    error: ErrorPart | None
    verdict: VerdictPart
    findings: list[FindingPart]
    changes: list[dict[str, Any]] = msgspec.field(default_factory=list)


def build(run: Run, texts: Texts) -> Report:
    """The report of a run in one language."""
    gateway = run.target.gateway
    return Report(
        schema=SCHEMA,
        tool=ToolPart(version=__version__),
        run=RunPart(
            id=run.id,
            started=run.started,
            duration_ms=run.duration_ms,
            connections=run.connections,
            cancelled=run.cancelled,
        ),
        target=TargetPart(
            typed=run.target.typed,
            host=run.target.host,
            port=run.target.port,
            gateway=f"{gateway.host}:{gateway.port}" if gateway else None,
            addresses=list(run.addresses),
        ),
        error=_error(run),
        verdict=_verdict(run, texts),
        findings=[
            *(part for row in run.rows for part in _row(row, texts)),
            *(_finding(f, texts) for f in run.steering),
        ],
    )


def _error(run: Run) -> ErrorPart | None:
    error = run.error
    if error is None:
        return None
    from core.codes import explain  # noqa: PLC0415 - a run without a pasted error needs no code tables

    said = explain(error.code, error.extended)
    return ErrorPart(
        code=error.code,
        extended=error.extended,
        name=said.code.name if said.code else None,
        extended_name=said.extended.name if said.extended else None,
        phase=said.code.phase if said.code else None,
        activity_id=error.activity_id,
        when=error.when.strftime("%Y-%m-%dT%H:%M:%SZ") if error.when else None,
    )


def _verdict(run: Run, texts: Texts) -> VerdictPart:
    verdict = run.verdict
    if verdict.cause is None:
        headline = texts.say(f"family.{verdict.family}", verdict.args)
        explanation = texts.say(family_body(run), verdict.args)
    else:
        headline = " ".join(texts.say(f"cause.{c}", verdict.args) for c in verdict.candidates)
        explanation = " ".join(texts.say(f"cause.{c}.why", verdict.args) for c in verdict.candidates)
    return VerdictPart(
        family=verdict.family,
        cause=verdict.cause,
        certainty=verdict.certainty,
        where=verdict.where,
        who=verdict.who,
        candidates=list(verdict.candidates),
        because=list(verdict.because),
        headline=headline,
        explanation=explanation,
        steps=[texts.say(f"step.{step}", verdict.args) for step in verdict.steps],
        fixes=list(verdict.fixes),
        also=list(verdict.also),
    )


def _row(row: Row, texts: Texts) -> list[FindingPart]:
    return [
        _finding(
            finding,
            texts,
            needs=list(row.needs),
            tries=row.tries,
            started_ms=row.started_ms,
            duration_ms=row.duration_ms,
            first_try=list(row.first_try),
            evidence=_evidence(row) if place == 0 else {},
        )
        for place, finding in enumerate(row.findings)
    ]


def _finding(finding: Finding, texts: Texts, **of_row: Any) -> FindingPart:
    return FindingPart(
        check=finding.check,
        id=finding.id,
        state=finding.state,
        args=dict(finding.args),
        text=sentence(finding, texts),
        reason=finding.reason,
        settle=finding.settle,
        **of_row,
    )


def _evidence(row: Row) -> dict[str, Any]:
    """What the probe brought home, as plain data; or why it brought nothing."""
    if isinstance(row.measured, Ok):
        fact = msgspec.to_builtins(row.measured.fact, str_keys=True)
        return fact if isinstance(fact, dict) else {"value": fact}
    return {"not_measured": row.measured.why.value, "detail": row.measured.detail}


def family_body(run: Run) -> str:
    """The text id of what a verdict without a cause means. A run without a target has connected to nobody."""
    here = run.verdict.family is Family.FINE and run.target.host is None
    return "family.fine.body-here" if here else f"family.{run.verdict.family}.body"


def sentence(finding: Finding, texts: Texts) -> str:
    """What a finding says, in words."""
    text_id = finding.id
    if finding.state is State.SKIPPED and texts.find(text_id) is None:
        text_id = "finding.not-checked"
    elif finding.state is State.UNKNOWN and texts.find(text_id) is None:
        text_id = "finding.unknown"
    reason = texts.say(f"reason.{finding.reason}") if finding.reason else None
    return texts.say(text_id, {**finding.args, "reason": reason})


def to_json(report: Report) -> str:
    """The report as one JSON document, indented, ending with a line end."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"


def json_schema() -> str:
    """JSON Schema (2020-12) of the report, generated from the types above."""
    schema = msgspec.json.schema(Report)
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2).decode() + "\n"
