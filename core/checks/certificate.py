"""What does the server's certificate say: in time, strong enough, for this machine?

Windows clients ask or refuse over these things; they seldom cut the connection by themselves. Trust is another
matter: Windows makes these certificates for itself, and being self-signed is normal in Remote Desktop.
"""

import asyncio
from datetime import datetime

import msgspec

from core.check import Check, Context, Group, Skip, info, ok, problem, unknown
from core.checks import reach, tls
from core.model import Finding
from core.probes import handshake
from core.wire import certificate
from core.wire.certificate import Certificate
from core.wire.errors import WireError

_SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
_ANY_USAGE = "2.5.29.37.0"
_REMOTE_DESKTOP = "1.3.6.1.4.1.311.54.1.2"  # Remote Desktop Authentication, KB3042780
_SMALLEST_RSA = 2048
_OLD_HASHES = frozenset({"sha1", "md5", "md2"})

# Names with which products that open TLS sign what they put in its place. A hint, never a proof: companies name
# their own CA as they like. General knowledge, to be held against the certificate on the server itself.
_INSPECTORS = (
    "avast",
    "bitdefender",
    "blue coat",
    "checkpoint",
    "check point",
    "cisco umbrella",
    "eset ssl",
    "forcepoint",
    "fortinet",
    "fortigate",
    "kaspersky",
    "mitmproxy",
    "netskope",
    "palo alto",
    "sophos",
    "squid",
    "untrusted ca",
    "watchguard",
    "zscaler",
)


class CertificateFact(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate, or why it could not be read; and the time by which it is judged."""

    host: str
    now: datetime
    certificate: Certificate | None
    damage: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that the certificate was made for, in lower case."""
        if self.certificate is None:
            return ()
        common = (self.certificate.common_name,) if self.certificate.common_name else ()
        return tuple(dict.fromkeys(n.lower() for n in (*common, *self.certificate.names)))


async def probe(context: Context) -> CertificateFact:
    der = await _seen(context)
    if not der:
        raise Skip("no-certificate-seen", settle="tls")
    now = context.machine.clock.now()
    try:
        return CertificateFact(host=context.host, now=now, certificate=certificate.parse(der))
    except WireError as wrong:
        return CertificateFact(host=context.host, now=now, certificate=None, damage=str(wrong))


async def _seen(context: Context) -> bytes:
    """The certificate of the whole handshake, else one that travelled in the clear in answer to an own hello."""
    fact = context.fact(tls.CHECK)
    if fact is None:
        return b""
    if context.attempt == 2:
        again = await asyncio.shield(handshake.of(context, reach.connected(context)).tls)
        if again is not None and again.certificate:
            return again.certificate
    if fact.handshake.certificate:
        return fact.handshake.certificate
    return next((h.certificate for h in fact.hellos if h.certificate), b"")


def judge(fact: CertificateFact) -> tuple[Finding, ...]:
    found = fact.certificate
    if found is None:
        return (unknown("certificate.unreadable", reason="damaged", settle="send-report"),)
    faults = [*_dates(fact, found), *_weak(found), *_inspected(found)]
    notes = [*_not_for(fact), *([info("certificate.self-signed")] if found.self_issued else [])]
    if faults:
        return (*faults, *notes)
    name = found.common_name or next(iter(found.names), "")
    return (ok("certificate.ok", not_after=found.not_after.isoformat(), name=name), *notes)


def _dates(fact: CertificateFact, found: Certificate) -> list[Finding]:
    if fact.now > found.not_after:
        days = (fact.now - found.not_after).days
        return [
            problem("certificate.expired", host=fact.host, not_after=found.not_after.isoformat(), days=days)
        ]
    if fact.now < found.not_before:
        return [problem("certificate.not-yet-valid", host=fact.host, not_before=found.not_before.isoformat())]
    return []


def _weak(found: Certificate) -> list[Finding]:
    if found.key_type == "rsa" and found.key_bits is not None and found.key_bits < _SMALLEST_RSA:
        return [problem("certificate.weak-key", bits=found.key_bits)]
    if found.signature_hash in _OLD_HASHES:
        return [problem("certificate.weak-signature", hash=found.signature_hash)]
    if found.usages and not {_SERVER_AUTH, _ANY_USAGE, _REMOTE_DESKTOP} & set(found.usages):
        return [problem("certificate.wrong-usage")]
    if not found.encipherment:
        return [problem("certificate.wrong-usage")]
    return []


def _inspected(found: Certificate) -> list[Finding]:
    issuer = (found.issuer or "").lower()
    # A machine's own certificate may carry any name: only an issuer apart from it says that somebody else signed.
    if not found.self_issued and any(name in issuer for name in _INSPECTORS):
        return [problem("certificate.from-inspection", issuer=found.issuer)]
    return []


def _not_for(fact: CertificateFact) -> list[Finding]:
    """The certificate does not carry the name that was typed. Normal for short names and addresses: a note."""
    names = fact.names
    typed = fact.host.lower().rstrip(".")
    if not names or any(matches(name, typed) for name in names):
        return []
    return [info("certificate.other-name", typed=fact.host, name=names[0])]


def matches(pattern: str, name: str) -> bool:
    """Does a certificate's name cover this one? A star stands for one label (RFC 9525 section 6.3)."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name


CHECK = Check(
    id="certificate",
    group=Group.REMOTE,
    probe=probe,
    judge=judge,
    needs=("negotiate",),
    reads=("tls",),
    deadline=8.0,
)
