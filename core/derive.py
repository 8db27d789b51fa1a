"""Findings that need two facts. Pure.

Every rule looks at what was measured, says one thing about it, and knows nothing of causes.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_address

from core.check import Check, info, problem, warn
from core.checks import certificate, names, nla, reach
from core.model import F, Finding, Ok, Row, State
from core.wire.error_text import PastedError

# Kerberos tolerates five minutes unless a domain says otherwise (MS-GPSB, MaxClockSkew).
KERBEROS_TOLERANCE_S = 300

_DISPUTED = frozenset({"names.hosts-override", "names.servers-disagree", "names.system-differs"})

# IMsTscAxEvents::OnDisconnected
_CODE_SOCKET_CLOSED = 0x904  # disconnectReasonAtClientWinsockFDCLOSE: it had been open
_CODE_CERTIFICATE_EXPIRED = 0x1B07  # SSL_ERR_CERT_EXPIRED


def derive(rows: Mapping[str, Row], error: PastedError | None) -> tuple[Finding, ...]:
    """Everything that follows from several facts together, in the order of RULES."""
    return tuple(f for rule in RULES for f in rule(rows, error))


def _fact(rows: Mapping[str, Row], check: Check[F]) -> F | None:
    row = rows.get(check.id)
    return row.measured.fact if row is not None and isinstance(row.measured, Ok) else None


Rule = Callable[[Mapping[str, Row], PastedError | None], tuple[Finding, ...]]


def _pasted(rows: Mapping[str, Row], error: PastedError | None) -> tuple[Finding, ...]:
    """What the code says beside the measurements. It steers; it never decides alone."""
    if error is None:
        return ()
    if error.code == _CODE_CERTIFICATE_EXPIRED:
        return (info("error.certificate-expired"),)
    opened_then = error.code == _CODE_SOCKET_CLOSED
    opens_now = reach.CHECK.id not in rows or rows[reach.CHECK.id].state is not State.PROBLEM
    if opened_then and not opens_now:
        return (info("error.got-further-then"),)
    return ()


def _clock_skew(rows: Mapping[str, Row], _error: PastedError | None) -> tuple[Finding, ...]:
    seen = _fact(rows, nla.CHECK)
    challenge = seen.challenge if seen else None
    if challenge is None or challenge.skew_s is None or abs(challenge.skew_s) <= KERBEROS_TOLERANCE_S:
        return ()
    found = [
        problem("clock.skew", seconds=round(challenge.skew_s), minutes=round(abs(challenge.skew_s) / 60))
    ]
    if _explains(_fact(rows, certificate.CHECK), challenge.skew_s):
        found.append(info("clock.explains-certificate"))
    return tuple(found)


def _explains(seen: certificate.CertificateFact | None, skew_s: float) -> bool:
    """The certificate is out of its time by our clock and inside it by the server's."""
    if seen is None or seen.certificate is None:
        return False
    # Differences, because a server may name a time so late that the calendar ends before it.
    first, last = seen.certificate.not_before - seen.now, seen.certificate.not_after - seen.now
    return not first <= timedelta(0) <= last and first <= timedelta(seconds=skew_s) <= last


def _machine_renamed(rows: Mapping[str, Row], _error: PastedError | None) -> tuple[Finding, ...]:
    """A certificate that the machine made for itself, and for another name than it has now: renamed or cloned."""
    seen, answer = _fact(rows, certificate.CHECK), _fact(rows, nla.CHECK)
    challenge = answer.challenge if answer else None
    if seen is None or seen.certificate is None or challenge is None or not seen.certificate.self_issued:
        return ()
    own = [n.lower() for n in (challenge.netbios_computer, challenge.dns_computer) if n]
    made_for = [n for n in seen.names if n]
    if not own or not made_for or any(_same_machine(name, o) for name in made_for for o in own):
        return ()
    typed = seen.host.lower().rstrip(".")
    if any(certificate.matches(name, typed) for name in made_for):
        return ()  # made on purpose for the name that people type
    return (problem("certificate.wrong-machine", name=made_for[0], computer=challenge.computer),)


def _other_machine(rows: Mapping[str, Row], _error: PastedError | None) -> tuple[Finding, ...]:
    """The name leads to a machine that calls itself otherwise, in the same domain or without one.

    A name of another domain (a dynamic DNS name, a farm's public name) proves nothing, nor a long name for a machine
    without a domain, nor an alias; and a certificate made for the typed name says that this is on purpose.
    """
    answer, cert = _fact(rows, nla.CHECK), _fact(rows, certificate.CHECK)
    resolved = _fact(rows, names.CHECK)
    challenge = answer.challenge if answer else None
    if answer is None or challenge is None or not challenge.computer or resolved is None:
        return ()
    typed = answer.host.lower().rstrip(".")
    if _is_address(typed) or typed == "localhost" or resolved.alias:
        return ()
    label, _, domain = typed.partition(".")
    own = {n.lower().partition(".")[0] for n in (challenge.netbios_computer, challenge.dns_computer) if n}
    own_domain = (challenge.dns_computer or "").lower().partition(".")[2]
    # NetBIOS names end after 15 characters.
    if label in own or label[:15] in own:
        return ()
    # A machine without a domain may be called anything, unless somebody else knows the name at another address.
    disputed = any(f.id in _DISPUTED for f in rows[names.CHECK.id].findings)
    if domain and domain != own_domain and (own_domain or not disputed):
        return ()
    # Somebody wrote this name into the hosts file, and nobody knows it otherwise: that is on purpose.
    if resolved.hosts and not disputed:
        return ()
    if cert is not None and any(certificate.matches(name, typed) for name in cert.names):
        return ()
    return (warn("names.other-machine", typed=answer.host, computer=challenge.computer),)


def _same_machine(name: str, own: str) -> bool:
    """`pc-anna` and `pc-anna.corp.example` are one machine; a NetBIOS name ends after 15 characters."""
    first, second = name.partition(".")[0], own.partition(".")[0]
    return first[:15] == second[:15] or certificate.matches(name, own)


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


RULES: tuple[Rule, ...] = (_pasted, _clock_skew, _machine_renamed, _other_machine)
