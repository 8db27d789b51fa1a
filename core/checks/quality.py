"""Is the way to the server steady: round trip, jitter, loss? A look of one second, after the other questions."""

import asyncio

import msgspec

from core.check import Check, Context, Group, Skip, ok, unknown, warn
from core.checks import negotiate, reach
from core.model import Finding, State
from core.probes import quality
from core.probes.quality import Sample

# No standard draws these lines, so they are drawn wide. A session over a 300 ms satellite link works, and is felt.
_SLOW_MS = 300
_JITTER_MS = 100
# Of 30 packets at 2 % loss, four or more are lost once in 300 runs; at 20 %, nine times of ten.
_LOST_AT_LEAST = 4
_LOST_SHARE = 0.1


class QualityFact(msgspec.Struct, frozen=True, kw_only=True):
    """Two series. `echoes` is None where ping is not to be had or not answered: that alone says nothing."""

    connects: Sample
    echoes: Sample | None

    @property
    def sent(self) -> int:
        return self.connects.sent + (self.echoes.sent if self.echoes else 0)

    @property
    def lost(self) -> int:
        return self.connects.lost + (self.echoes.lost if self.echoes else 0)


async def probe(context: Context) -> QualityFact:
    address = reach.connected(context)
    said = context.rows.get(negotiate.CHECK.id)
    # A server that fails at the first words is not knocked at ten times more: its queue may be what fails.
    knock = said is None or said.state is not State.PROBLEM
    async with asyncio.TaskGroup() as group:
        echoes = group.create_task(quality.echoes(context, address), name="echoes")
        connects = Sample()
        if knock:
            connects = await quality.connects(context, address, context.target.port)
    if not knock and echoes.result() is None:
        raise Skip("needs-negotiate", settle="negotiate")
    return QualityFact(connects=connects, echoes=echoes.result())


def judge(fact: QualityFact) -> tuple[Finding, ...]:
    best = fact.connects if fact.connects.median is not None else (fact.echoes or fact.connects)
    args = {"ms": best.median, "jitter": best.jitter, "lost": fact.lost, "sent": fact.sent}
    if fact.lost >= _LOST_AT_LEAST and fact.lost / fact.sent >= _LOST_SHARE:
        return (warn("quality.lossy", percent=round(100 * fact.lost / fact.sent), **args),)
    if best.median is None or best.jitter is None:
        return (unknown("quality.unknown", reason="needs-reach", settle="check-again"),)
    if best.median >= _SLOW_MS:
        return (warn("quality.slow", **args),)
    if best.jitter >= _JITTER_MS:
        return (warn("quality.unsteady", **args),)
    return (ok("quality.ok", **args),)


CHECK = Check(
    id="quality",
    group=Group.REMOTE,
    probe=probe,
    judge=judge,
    needs=("reach",),
    after=("negotiate", "tls", "nla", "session", "mtu"),
    deadline=6.0,
    retry=False,
)
