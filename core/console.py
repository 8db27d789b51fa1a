"""What the command line prints for people: the result, an explained code, lists. Plain text, no colour needed."""

import textwrap
from collections.abc import Callable, Iterable

from core.checks import ALL
from core.code_book import Source, Trust
from core.codes import explain
from core.demo.faults import FAULTS
from core.knowledge import causes
from core.model import Certainty, Run
from core.report.document import family_body, sentence
from core.report.ticket import MARKS, counts
from core.text import Texts

_WIDTH = 96


def result(run: Run, texts: Texts) -> str:
    """A run for a person at a terminal: the verdict first, then what was measured."""
    return "\n".join(_result(run, texts)) + "\n"


def _result(run: Run, texts: Texts) -> Iterable[str]:
    verdict = run.verdict
    say: Callable[[str], str] = lambda text_id: texts.say(text_id, verdict.args)  # noqa: E731
    if run.cancelled:
        yield texts.say("app.stopped")
    yield say(f"family.{verdict.family}")
    if verdict.cause is None:
        yield from _wrap(say(family_body(run)))
    else:
        if verdict.certainty is not Certainty.CERTAIN:
            yield say(f"certainty.{verdict.certainty}")
        yield ""
        for number, candidate in enumerate(verdict.candidates, 1):
            mark = f"{number}) " if len(verdict.candidates) > 1 else ""
            yield from _wrap(f"{mark}{say(f'cause.{candidate}')}", indent=2)
            yield from _wrap(say(f"cause.{candidate}.why"), indent=2)
        yield ""
        yield f"  {say(f'where.{verdict.where}')}."
    if verdict.also:
        names = "; ".join(texts.say(f"cause.{c}.title", verdict.args) for c in verdict.also)
        yield from _wrap(f"{texts.say('app.also')} {names}", indent=2)
    if verdict.steps:
        yield ""
        yield texts.say("app.next-steps", {"who": texts.say(f"who.{verdict.who}")})
        for number, step in enumerate(verdict.steps, 1):
            yield from _wrap(f"{number}. {say(f'step.{step}')}", indent=2, hang=5)
    if run.error is not None:
        yield ""
        yield from _error_line(run, texts)
        for finding in run.steering:
            yield from _wrap(sentence(finding, texts))
    yield ""
    yield texts.say(
        "app.summary",
        {
            "counts": counts(run, texts),
            "seconds": round(run.duration_ms / 1000, 1),
            "connections": run.connections,
            "id": run.id,
        },
    )
    yield from _rows(run, texts)


def _rows(run: Run, texts: Texts) -> Iterable[str]:
    for row in run.rows:
        title = texts.say(f"check.{row.check}")
        lines = [f"{MARKS[f.state]} {sentence(f, texts)}" for f in row.findings]
        yield from _wrap(f"{title:<22} {lines[0]}", indent=2, hang=30)
        for more in lines[1:]:
            yield from _wrap(f"{'':<22} {more}", indent=2, hang=30)


def _error_line(run: Run, texts: Texts) -> Iterable[str]:
    error = run.error
    assert error is not None
    said = explain(error.code, error.extended)
    codes = f"{error.code:#x}" + (f" / {error.extended:#x}" if error.extended is not None else "")
    yield from _wrap(texts.say("app.your-error", {"codes": codes, "meaning": texts.say(said.text_id)}))


def explanation(code: int, extended: int | None, texts: Texts) -> str:
    """What a pair of codes means, what about it is certain, and what people wrongly say about it."""
    return "\n".join(_explanation(code, extended, texts)) + "\n"


def _explanation(code: int, extended: int | None, texts: Texts) -> Iterable[str]:
    said = explain(code, extended)
    name = said.code.name if said.code and said.code.name else ""
    yield f"{code:#x} ({code})  {name}".rstrip()
    yield from _wrap(texts.say(said.text_id), indent=2)
    if said.code is None and said.group is not None:
        yield from _wrap(texts.say(said.group.text_id) + _trust(said.group.trust, texts), indent=2)
    if said.code is not None:
        yield from _wrap(
            texts.say("app.phase", {"phase": texts.say(said.code.phase.text_id)})
            + _trust(said.code.phase_trust, texts),
            indent=2,
        )
        yield from _sources(said.code.source)
    if said.extended_number is not None:
        yield ""
        name = said.extended.name if said.extended and said.extended.name else ""
        yield f"{said.extended_number:#x} ({said.extended_number})  {name}".rstrip()
        yield from _wrap(texts.say(said.extended_text_id or "code.unknown"), indent=2)
        if said.extended is not None:
            yield from _sources(said.extended.source)
        if said.detail is not None:
            yield from _wrap(texts.say(said.detail.text_id), indent=2)
    if said.pair is not None:
        yield ""
        yield from _wrap(texts.say(said.pair.text_id))
        for title, facts in (("app.certain", said.pair.certain), ("app.uncertain", said.pair.uncertain)):
            if facts:
                yield ""
                yield texts.say(title)
            for fact in facts:
                yield from _wrap("- " + texts.say(fact.text_id) + _trust(fact.trust, texts), indent=2, hang=4)
                yield from _sources(fact.source)
    if said.claims:
        yield ""
        yield texts.say("app.claims")
    for claim in said.claims:
        yield from _wrap(f"- {texts.say(claim.says_id)}", indent=2, hang=4)
        verdict = texts.say(claim.verdict.text_id)
        yield from _wrap(f"{verdict}: {texts.say(claim.truth_id)}" + _trust(claim.trust, texts), indent=6)


def _trust(trust: Trust, texts: Texts) -> str:
    """Behind everything that is not confirmed stands that it is not."""
    return "" if trust is Trust.VERIFIED else f" ({texts.say(trust.text_id)})"


def _sources(sources: Iterable[Source]) -> Iterable[str]:
    for source in sources:
        yield from _wrap(source.url or source.title, indent=6)


def listing(what: str, texts: Texts) -> str:
    """What this version has of one kind: id and title, a line each."""
    if what == "checks":
        rows = [(c.id, texts.say(f"check.{c.id}")) for c in ALL]
    elif what == "causes":
        rows = [(cause, texts.say(f"cause.{cause}.title")) for cause in causes()]
    elif what == "demos":
        rows = [(fault, "") for fault in FAULTS]
    else:
        rows = []
    if not rows:
        return texts.say("app.no-fixes") + "\n"
    width = max(len(row[0]) for row in rows)
    return "".join(f"{row[0]:<{width}}  {row[1]}".rstrip() + "\n" for row in rows)


def _wrap(text: str, *, indent: int = 0, hang: int | None = None) -> list[str]:
    """Lines of at most _WIDTH characters; long words, such as commands and links, stay whole."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if hang is None else hang),
        break_long_words=False,
        break_on_hyphens=False,
    )
