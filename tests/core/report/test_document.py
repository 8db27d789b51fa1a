"""The report: one golden document, its schema, and facts and names of every kind that go into it."""

import json
from typing import Any, get_type_hints

import jsonschema
import msgspec
import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from core import __version__
from core.check import Check, warn
from core.checks import ALL, nla, tls
from core.model import Gateway, Ok, Row, Run, State, Target, Why
from core.report.document import build, json_schema, to_json
from core.text import Texts
from resources import FOLDER
from tests.support.runs import EXPIRED, HOSTILE, hostile_run, not_measured, run, scenarios

TEXTS = Texts("en")
SCENARIOS = scenarios()
SCHEMA = FOLDER / "schema" / "report.schema.json"


def document(done: Run) -> Any:
    return json.loads(to_json(build(done, TEXTS)))


def findings(done: Run) -> dict[str, Any]:
    return {finding["id"]: finding for finding in document(done)["findings"]}


# --- as a whole


def test_golden(snapshot: SnapshotAssertion) -> None:
    assert to_json(build(SCENARIOS["it"], TEXTS)).replace(f'"{__version__}"', '"VERSION"') == snapshot


def test_the_schema_that_ships_is_the_one_of_the_types() -> None:
    renew = (
        "python -c \"from core.report.document import json_schema; print(json_schema(), end='')\""
        " > resources/schema/report.schema.json"
    )
    shipped = SCHEMA.read_text("utf-8")
    assert shipped == json_schema(), f"The report has changed. If that is meant, renew its schema: {renew}"


@pytest.mark.parametrize("name", [*SCENARIOS, "hostile"])
def test_every_report_keeps_to_the_schema(name: str) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    done = document(hostile_run() if name == "hostile" else SCENARIOS[name])
    validator.validate(done)
    assert not validator.is_valid({**done, "verdict": None})


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_report_tells_what_the_run_knows(name: str) -> None:
    done = SCENARIOS[name]
    told = document(done)
    assert told["schema"] == "rdpcheckup/1"
    assert told["tool"] == {"version": __version__}
    assert told["run"] == {
        "id": "7F3A-21",
        "started": "2026-11-22T09:00:00Z",
        "duration_ms": 412,
        "connections": 9,
        "cancelled": name == "stopped",
    }
    assert told["verdict"]["family"] == done.verdict.family
    assert told["verdict"]["candidates"] == list(done.verdict.candidates)
    assert [finding["id"] for finding in told["findings"]] == [finding.id for finding in done.findings]
    assert told["changes"] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_finding_is_told_in_words(name: str) -> None:
    for finding in document(SCENARIOS[name])["findings"]:
        assert " " in finding["text"]
        assert "?" not in finding["text"], "a value is missing"
        if finding["state"] in (State.UNKNOWN, State.SKIPPED):
            assert finding["reason"]


# --- its parts


def test_the_target_as_it_was_typed_and_as_it_is_used() -> None:
    target = Target(typed="PC-Anna:3390", host="pc-anna", port=3390, gateway=Gateway(host="gw.example"))
    assert document(run(target=target))["target"] == {
        "typed": "PC-Anna:3390",
        "host": "pc-anna",
        "port": 3390,
        "gateway": "gw.example:443",
        "addresses": ["192.0.2.5"],
    }


def test_the_pasted_error_with_the_names_of_its_codes() -> None:
    error = document(SCENARIOS["it"])["error"]
    assert (error["code"], error["extended"]) == (2308, 7)
    assert error["name"]
    assert error["extended_name"]
    assert error["when"] == "2026-11-22T08:58:03Z"
    assert error["activity_id"] == "5d3c2b1a-0000-4000-8000-0123456789ab"
    assert document(SCENARIOS["fine"])["error"] is None


def test_of_two_candidates_both_are_told() -> None:
    verdict = document(SCENARIOS["it-one-of-two"])["verdict"]
    assert verdict["certainty"] == "one-of-two"
    assert len(verdict["candidates"]) == 2
    for candidate in verdict["candidates"]:
        assert TEXTS.say(f"cause.{candidate}", SCENARIOS["it-one-of-two"].verdict.args) in verdict["headline"]


def test_a_run_without_a_target_does_not_claim_a_connection() -> None:
    here = document(SCENARIOS["fine-here"])["verdict"]["explanation"]
    there = document(SCENARIOS["fine"])["verdict"]["explanation"]
    assert here != there
    assert here == TEXTS.say("family.fine.body-here")


def test_evidence_and_times_stand_with_the_first_finding_of_a_row() -> None:
    told = findings(SCENARIOS["it"])
    first, second = told["certificate.expired"], told["certificate.self-signed"]
    assert first["evidence"]["certificate"]["sha256"] == "a7" * 32
    assert first["evidence"]["now"] == "2026-11-22T09:00:00Z"
    assert second["evidence"] == {}
    for finding in (first, second):
        assert (finding["tries"], finding["started_ms"], finding["duration_ms"]) == (2, 14, 22)
        assert finding["needs"] == ["negotiate"]


def test_a_first_try_that_was_contradicted_is_told() -> None:
    row = replace(EXPIRED, first_try=("certificate.ok",))
    assert findings(run(row))["certificate.expired"]["first_try"] == ["certificate.ok"]


def test_a_row_without_a_measurement_tells_why() -> None:
    row = replace(not_measured(nla.CHECK, Why.BUG, "bug", "send-report"))
    told = findings(run(row))["nla.unknown"]
    assert told["evidence"] == {"not_measured": "bug", "detail": ""}
    assert (told["state"], told["reason"], told["settle"], told["tries"]) == (
        "unknown",
        "bug",
        "send-report",
        0,
    )


def test_what_the_pasted_error_says_belongs_to_no_row() -> None:
    done = run()
    steering = (warn("error.certificate-expired"),)
    (told,) = [f for f in document(replace(done, steering=steering))["findings"] if f["check"] == "error"]
    assert (told["tries"], told["evidence"]) == (0, {})


# --- whatever goes into it


@pytest.mark.parametrize("real", ALL, ids=lambda c: c.id)
def test_every_fact_of_a_real_check_is_plain_data(real: Check[Any]) -> None:
    """Evidence is what a probe brings home: a type that JSON does not know would lose the whole report."""
    (fact,) = [kind for name, kind in get_type_hints(real.judge).items() if name != "return"]
    unknown: list[object] = []

    def custom(kind: type) -> dict[str, Any]:
        unknown.append(kind)
        return {}

    msgspec.json.schema(fact, schema_hook=custom)
    assert unknown == []


class Odd(msgspec.Struct, frozen=True):
    """Kinds of values that facts are made of."""

    raw: bytes
    keys: dict[int, str]
    nothing: float
    big: int


def test_evidence_of_every_kind_becomes_json() -> None:
    odd = Odd(raw=b"\x00\xff", keys={7: "seven"}, nothing=float("nan"), big=2**63)
    row = Row(check="tls", findings=run().rows[4].findings, measured=Ok(odd))
    told = findings(run(row))["tls.ok"]["evidence"]
    assert told == {"raw": "AP8=", "keys": {"7": "seven"}, "nothing": None, "big": 2**63}
    bare = Row(check="tls", findings=run().rows[4].findings, measured=Ok((1, 2)))
    assert findings(run(bare))["tls.ok"]["evidence"] == {"value": [1, 2]}


def test_strangers_names_are_data_and_their_words_are_harmless() -> None:
    done = hostile_run()
    text = to_json(build(done, TEXTS))
    assert not set(text) & set(map(chr, range(32))) - {"\n"}
    told = json.loads(text)
    assert told["target"]["typed"] == HOSTILE
    ours = [told["verdict"]["headline"], told["verdict"]["explanation"], *told["verdict"]["steps"]]
    for sentence in ours + [finding["text"] for finding in told["findings"]]:
        assert not set(sentence) & {"\x1b", "\n", "\r", "\x00", "\u202e"}


def test_the_tls_row_is_where_the_tests_look_for_it() -> None:
    assert run().rows[4].check == tls.CHECK.id
