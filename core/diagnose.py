"""Findings and causes give the verdict. Pure.

Of all causes that hold, the one nearest to the root is named. Green needs measurements: without a cause the verdict
is `fine` only if every step that a real connection needs was seen to work, else `unknown`.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from core.knowledge import Cause, Way
from core.model import Arg, Certainty, Family, Finding, State, Target, Verdict, Where, Who, gravest

# What a client must get through, and the findings that say that it did. NLA, or the session where the server wants
# no NLA, is the last step that can be seen without a password.
_STEPS_OF_A_CONNECTION = (
    frozenset({"reach.ok"}),
    frozenset({"negotiate.ok"}),
    frozenset({"tls.ok"}),
    frozenset({"certificate.ok"}),
    frozenset({"nla.ok", "session.ok"}),
)
# Findings that speak of nothing wrong: a cause needs more than these.
_LOUD = frozenset({State.PROBLEM, State.WARN})


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A cause that holds, by its best way."""

    id: str
    cause: Cause
    way: Way
    because: tuple[str, ...]


def diagnose(findings: Sequence[Finding], causes: Mapping[str, Cause], target: Target) -> Verdict:
    """The verdict for everything that was found.

    Args:
        findings: of all checks and of derive, in the order of the panel.
        causes: in the order of the root.
    """
    ids = {f.id for f in findings}
    proofs = [proof for name, cause in causes.items() if (proof := _prove(name, cause, ids)) is not None]
    if not proofs:
        return _no_cause(findings, target)
    first = proofs[0]
    by_id = {proof.id: proof for proof in proofs}
    twin = by_id.get(first.way.twin or "")
    candidates = (first.id, twin.id) if twin else (first.id,)
    cause = first.cause
    because = tuple(dict.fromkeys((*first.because, *(twin.because if twin else ()))))
    steps = tuple(dict.fromkeys((*cause.steps, *(twin.cause.steps if twin else ()))))
    return Verdict(
        family=_family(cause),
        cause=first.id,
        certainty=Certainty.ONE_OF_TWO if twin else first.way.certainty,
        where=cause.where if twin is None or twin.cause.where is cause.where else Where.UNKNOWN,
        who=cause.who,
        candidates=candidates,
        because=because,
        steps=steps,
        fixes=cause.fixes,
        also=tuple(p.id for p in proofs if p.id not in candidates),
        args=_args(findings, because, target),
    )


def _prove(name: str, cause: Cause, ids: set[str]) -> Proof | None:
    """The strongest way that holds, or None."""
    if cause.unless & ids:
        return None
    holding = [w for w in cause.when if w.all <= ids and (not w.any or w.any & ids) and not w.unless & ids]
    if not holding:
        return None
    way = min(holding, key=lambda w: (w.certainty is not Certainty.CERTAIN, w.twin is not None))
    proving = [*sorted(way.all), *sorted(way.any & ids), *(s for s in cause.supports if s in ids)]
    return Proof(id=name, cause=cause, way=way, because=tuple(proving))


def _family(cause: Cause) -> Family:
    if cause.fixes:
        return Family.FIX
    return Family.USER if cause.who is Who.USER else Family.IT


def _no_cause(findings: Sequence[Finding], target: Target) -> Verdict:
    problems = tuple(f.id for f in findings if f.state is State.PROBLEM)
    measured = {f.id for f in findings if f.state not in (State.UNKNOWN, State.SKIPPED)}
    if target.host is None:
        seen = bool(measured) and not any(f.state is State.UNKNOWN for f in findings)
    else:
        seen = all(step & measured for step in _STEPS_OF_A_CONNECTION)
    fine = seen and not problems
    loud = tuple(f.id for f in findings if f.state in _LOUD)
    steps = tuple(f.id for f in findings if any(f.id in step for step in _STEPS_OF_A_CONNECTION))
    because = steps if fine else problems or loud
    return Verdict(
        family=Family.FINE if fine else Family.UNKNOWN,
        because=because,
        args={**_args(findings, because, target), **_counts(findings)},
    )


def _counts(findings: Iterable[Finding]) -> dict[str, Arg]:
    """How many rows are fine and how many could not be told."""
    rows: dict[str, list[State]] = {}
    for finding in findings:
        rows.setdefault(finding.check, []).append(finding.state)
    states = [gravest(row) for row in rows.values()]
    fine = sum(state in (State.OK, State.INFO) for state in states)
    unfinished = states.count(State.UNKNOWN)
    return {"fine": fine, "unfinished": unfinished}


def _args(findings: Sequence[Finding], because: tuple[str, ...], target: Target) -> dict[str, Arg]:
    """Values for the sentence: the target's, and those of the findings on which the verdict stands."""
    args: dict[str, Arg] = {}
    for finding_id in reversed(because):
        for finding in findings:
            if finding.id == finding_id:
                args.update(finding.args)
    args["host"] = target.host or ""
    args["port"] = target.port
    return args
