"""Does TLS come about on the connection, and in which versions? (MS-RDPBCGR 5.4.5.1)

One whole handshake as a client would do it, and one own ClientHello for every version, so that a server that
speaks only what Windows clients no longer speak is told apart from one that speaks to nobody.
"""

import asyncio

import msgspec

from core.check import Check, Context, Group, Skip, info, ok, problem, unknown
from core.checks import negotiate, reach
from core.model import Arg, Finding
from core.probes import handshake, tls_versions
from core.probes.ending import CLOSED, How
from core.probes.tls_step import TlsFact
from core.probes.tls_versions import UP_TO_TLS12, Heard, HelloFact
from core.wire.tls_hello import ALERTS, Version
from core.wire.tls_suites import version_name

_NO_COMMON_VERSION = 70
_NO_COMMON_SUITE = frozenset({40, 71})


class TlsCheckFact(msgspec.Struct, frozen=True, kw_only=True):
    """The whole handshake, and one hello for each version."""

    host: str
    handshake: TlsFact
    hellos: tuple[HelloFact, ...]

    def answered(self, *, modern: bool) -> tuple[HelloFact, ...]:
        """The hellos that the server answered in a version that Windows clients speak today, or in an older one."""
        return tuple(
            h
            for h in self.hellos
            if h.heard is Heard.ANSWERED and h.version is not None and (h.version >= Version.TLS12) is modern
        )


async def probe(context: Context) -> TlsCheckFact:
    said = context.fact(negotiate.CHECK)
    if said is None or said.negotiation is None or not said.negotiation.tls:
        raise Skip("no-tls-chosen")
    address = reach.connected(context)
    hellos = context.shared.start("hellos", lambda: tls_versions.ask_all(context, address, UP_TO_TLS12))
    tls = await handshake.reached(context, address, lambda talk: talk.tls)
    if tls is None:
        # The conversation ended before TLS: what negotiate saw is no longer so.
        raise Skip("conversation-ended-earlier", settle="check-again")
    newest: tuple[HelloFact, ...] = ()
    if tls.version != "TLSv1.3":
        newest = await asyncio.shield(
            context.shared.start(
                "hello 1.3", lambda: tls_versions.ask_all(context, address, (Version.TLS13,))
            )
        )
    return TlsCheckFact(host=context.host, handshake=tls, hellos=newest + await asyncio.shield(hellos))


def judge(fact: TlsCheckFact) -> tuple[Finding, ...]:
    done = fact.handshake
    if done.ending is not None:
        return (_failed(fact),)
    version = done.version or ""
    if version in ("SSLv3", "TLSv1", "TLSv1.1"):
        return (problem("tls.old-only", host=fact.host, version=version),)
    if not windows_knows(done.suite or ""):
        return (problem("tls.no-common-suite", host=fact.host, suite=done.suite),)
    found = [ok("tls.ok", version=version, suite=done.suite, ms=round(done.took_ms, 1))]
    if old := fact.answered(modern=False):
        found.append(info("tls.old-too", versions=", ".join(version_name(h.version or 0) for h in old)))
    return tuple(found)


def _failed(fact: TlsCheckFact) -> Finding:
    """Name the failure by what the server does with hellos of every version, not by one of them."""
    host = fact.host
    ending = fact.handshake.ending
    assert ending is not None
    args: dict[str, Arg] = {"host": host, "ms": round(ending.after_ms)}
    modern, old = fact.answered(modern=True), fact.answered(modern=False)
    # One word in plaintext tells more than a closed connection, whichever of the conversations heard it.
    if How.PLAINTEXT in (ending.how, *(h.ending.how for h in fact.hellos if h.ending)):
        return problem("tls.plaintext", **args)
    if modern:
        if not any(windows_knows(h.suite_name or "") for h in modern):
            return problem("tls.no-common-suite", suite=modern[0].suite_name, **args)
        return _died_after_hello(ending.how, ending.alert, args)
    if old:
        return problem("tls.old-only", version=version_name(old[0].version or 0), **args)
    if ending.how in CLOSED:
        return problem("tls.hung-up", how=ending.how, **args)
    if ending.how is How.SILENCE:
        return problem("tls.silent", **args)
    if ending.how is How.ALERT and _refuses_version(fact):
        return problem("tls.version-refused", **args)
    if ending.how is How.ALERT and ending.alert in _NO_COMMON_SUITE:
        return problem("tls.suite-refused", **args)
    return _died_after_hello(ending.how, ending.alert, args)


def _refuses_version(fact: TlsCheckFact) -> bool:
    """The server calls TLS 1.2 itself the wrong version.

    The answer to TLS 1.3 does not count: a server without it may find none of its suites and say so instead. Nor does
    the answer to the whole handshake: OpenSSL that may speak only TLS 1.0 and must not says "internal error" there.
    """
    return any(h.asked == Version.TLS12 and h.alert == _NO_COMMON_VERSION for h in fact.hellos)


def _died_after_hello(how: How, alert: int | None, args: dict[str, Arg]) -> Finding:
    """The server found a version and a suite, and still did not carry the handshake to its end."""
    match how:
        case How.FIN | How.RST:
            return problem("tls.hung-up", how=how, **args)
        case How.SILENCE | How.INCOMPLETE:
            return problem("tls.silent", **args)
        case How.ALERT:
            return problem("tls.alert", alert=alert, name=ALERTS.get(alert or 0, "?"), **args)
        case _:
            return unknown("tls.failed", reason="handshake-garbled", settle="send-report", **args)


def windows_knows(suite: str) -> bool:
    """Is the suite one that Schannel of Windows 10 and 11 offers by default?

    Takes IANA and OpenSSL names. Source: "TLS Cipher Suites in Windows 11", learn.microsoft.com: AES in all its
    forms with RSA, DHE or ECDHE; ChaCha20 only in TLS 1.3; no RC4, no 3DES in current builds, NULL off.
    """
    name = suite.upper().replace("_", "-")
    if name.startswith(("TLS-CHACHA20", "TLS-AES")):
        return True
    return "AES" in name and not any(
        odd in name for odd in ("PSK", "SRP", "ANON", "ADH", "AECDH", "CCM", "DSS", "ARIA")
    )


CHECK = Check(id="tls", group=Group.REMOTE, probe=probe, judge=judge, needs=("negotiate",), deadline=14.0)
