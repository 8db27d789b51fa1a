"""Does Network Level Authentication work up to the point where a password would be needed? (MS-CSSP 3.1.5)"""

import asyncio

import msgspec

from core.check import Check, Context, Group, Skip, info, ok, problem, unknown, warn
from core.checks import negotiate, reach
from core.model import Finding
from core.probes import handshake, x224_step
from core.probes.credssp_step import NlaFact
from core.probes.dialer import Connection
from core.probes.ending import CLOSED, How
from core.probes.x224_step import Answer
from core.wire.x224 import FailureCode, Protocol

_PATCHED_VERSION = 5  # CredSSP versions 5 and 6 came with the fix for CVE-2018-0886


class NlaCheckFact(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered to NLA, whether it insists on it, and whether the given .rdp file forbids it.

    Attributes:
        challenge: None if the server did not choose NLA, or the conversation ended before it.
        required: None if that could not be told.
    """

    host: str
    chosen: bool
    challenge: NlaFact | None
    required: bool | None
    forbidden_by_file: bool


async def probe(context: Context) -> NlaCheckFact:
    said = context.fact(negotiate.CHECK)
    address = reach.connected(context)
    if said is None or said.negotiation is None:
        raise Skip("needs-negotiate", settle="negotiate")
    chosen = said.negotiation.nla
    insists = context.shared.start("without-nla", lambda: _insists(context, address)) if chosen else None
    challenge = await handshake.reached(context, address, lambda talk: talk.nla) if chosen else None
    if chosen and challenge is None:
        raise Skip("conversation-ended-earlier", settle="tls")
    rdp = context.target.rdp
    return NlaCheckFact(
        host=context.host,
        chosen=chosen,
        challenge=challenge,
        required=await asyncio.shield(insists) if insists else False,
        forbidden_by_file=rdp is not None and rdp.credssp is False,
    )


async def _insists(context: Context, address: str) -> bool | None:
    """Ask again for TLS alone: failure code 5 says that NLA is a must."""
    async with context.dialer.dial(address, context.target.port, timeout=handshake.TCP_WAIT) as connection:
        if not isinstance(connection, Connection):
            return None
        answer = await x224_step.negotiate(
            connection, Protocol.SSL, routing_token=handshake.routing_token(context)
        )
    if answer.answer is Answer.FAILURE:
        return answer.failure == FailureCode.HYBRID_REQUIRED_BY_SERVER
    return False if answer.answer is Answer.CONFIRM else None


def judge(fact: NlaCheckFact) -> tuple[Finding, ...]:
    if not fact.chosen:
        return (info("nla.not-offered", host=fact.host),)
    answer = fact.challenge
    assert answer is not None
    if answer.ending is not None:
        return (_failed(fact.host, answer),)
    if answer.error_code:
        return (problem("nla.refused", host=fact.host, code=f"{answer.error_code:#010x}"),)
    if fact.required and fact.forbidden_by_file:
        return (problem("nla.required-but-forbidden", host=fact.host),)
    found = [
        ok(
            "nla.ok",
            host=fact.host,
            computer=answer.computer or "",
            required=fact.required,
            ms=round(answer.took_ms, 1),
        )
    ]
    if answer.version is not None and answer.version < _PATCHED_VERSION:
        found.append(warn("nla.unpatched", version=answer.version))
    return tuple(found)


def _failed(host: str, answer: NlaFact) -> Finding:
    ending = answer.ending
    assert ending is not None
    ms = round(ending.after_ms)
    if ending.how in CLOSED:
        return problem("nla.hung-up", host=host, how=ending.how, ms=ms)
    if ending.how in (How.SILENCE, How.INCOMPLETE):
        return problem("nla.silent", host=host, ms=ms)
    return unknown("nla.garbled", reason="handshake-garbled", settle="send-report", host=host, ms=ms)


CHECK = Check(
    id="nla",
    group=Group.REMOTE,
    probe=probe,
    judge=judge,
    needs=("negotiate",),
    deadline=14.0,
)
