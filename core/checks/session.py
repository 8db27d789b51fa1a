"""Does the server let a client in, past MCS and licensing? Only where it wants no NLA first.

With NLA this stage lies behind the password, and the row says so.
"""

import msgspec

from core.check import Check, Context, Group, Skip, ok, problem, unknown
from core.checks import negotiate, reach
from core.model import Arg, Finding
from core.probes import handshake
from core.probes.ending import CLOSED, How, Step
from core.probes.session_step import Reached, SessionFact
from core.wire.mcs import Result
from core.wire.session import LicenseErrorCode

# Out of memory, connection denied, no right to connect. Other codes end a session for reasons of their own.
_DENIALS = frozenset({0x6, 0x7, 0x9})
_LICENSING_CODES = range(0x100, 0x10B)  # Set Error Info codes about licences (MS-RDPBCGR 2.2.5.1.1)


class SessionCheckFact(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    session: SessionFact


async def probe(context: Context) -> SessionCheckFact:
    said = context.fact(negotiate.CHECK)
    if said is None or said.negotiation is None or said.negotiation.selected is None:
        raise Skip("needs-negotiate", settle="negotiate")
    if said.negotiation.nla:
        raise Skip("behind-the-password")
    session = await handshake.reached(context, reach.connected(context), lambda talk: talk.session)
    if session is None:
        raise Skip("conversation-ended-earlier", settle="tls")
    return SessionCheckFact(host=context.host, session=session)


def judge(fact: SessionCheckFact) -> tuple[Finding, ...]:
    return (_judged(fact.host, fact.session),)


def _judged(host: str, seen: SessionFact) -> Finding:
    args: dict[str, Arg] = {"host": host, "ms": round(seen.took_ms)}
    if seen.error_info is not None:
        code = f"{seen.error_info:#x}"
        if seen.error_info in _LICENSING_CODES:
            return problem("session.licensing", code=code, **args)
        if seen.error_info in _DENIALS:
            return problem("session.denied", code=code, **args)
        return problem("session.ended", code=code, **args)
    if seen.license_code is not None and seen.license_code != LicenseErrorCode.STATUS_VALID_CLIENT:
        return problem("session.licensing", code=f"{seen.license_code:#x}", **args)
    if seen.mcs_result:
        return problem("session.refused", result=_result(seen.mcs_result), **args)
    if seen.disconnect is not None:
        return problem("session.sent-away", reason_code=seen.disconnect, step=_step(seen), **args)
    if seen.ending is not None:
        return _ended(seen, args)
    if seen.encryption_method:
        return ok("session.mcs-ok", **args)
    if seen.reached not in (Reached.LICENSING, Reached.SESSION):
        # It refused nothing and went no further: it talked on, or gave us no user and called that a success.
        return _garbled(_step(seen), args)
    return ok("session.ok", reached=seen.reached, **args)


def _ended(seen: SessionFact, args: dict[str, Arg]) -> Finding:
    ending = seen.ending
    assert ending is not None
    if ending.how in CLOSED:
        return problem("session.hung-up", how=ending.how, step=ending.step, **args)
    if ending.how in (How.SILENCE, How.INCOMPLETE):
        return problem("session.silent", step=ending.step, **args)
    return _garbled(ending.step, args)


def _garbled(step: Step, args: dict[str, Arg]) -> Finding:
    return unknown("session.garbled", reason="handshake-garbled", settle="send-report", step=step, **args)


def _step(seen: SessionFact) -> Step:
    return Step.MCS if seen.reached in (Reached.NOTHING, Reached.MCS) else Step.LICENSING


def _result(number: int) -> str:
    try:
        return Result(number).name.lower().replace("_", "-")
    except ValueError:
        return str(number)


CHECK = Check(
    id="session",
    group=Group.REMOTE,
    probe=probe,
    judge=judge,
    needs=("reach",),
    reads=("negotiate",),
    deadline=14.0,
)
