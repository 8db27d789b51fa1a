"""Facts, rows and whole runs made by hand, as the real checks would bring them from `pc-anna` at 192.0.2.5."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from core.check import Check
from core.checks import certificate, clock, names, negotiate, nla, reach, session, tls, udp
from core.model import Family, Finding, NotMeasured, Ok, Row, Run, State, Target, Why
from core.ports import Resolution, ResolveFailure
from core.probes.credssp_step import NlaFact
from core.probes.dialer import Attempt, Connect
from core.probes.ending import Ending, How, Step
from core.probes.names import Answer, Outcome
from core.probes.tls_step import TlsFact
from core.probes.udp import UdpFact, UdpOutcome
from core.probes.x224_step import Answer as Said
from core.probes.x224_step import NegotiationFact
from core.run import conclude
from core.wire.certificate import Certificate
from core.wire.error_text import PastedError
from core.wire.x224 import Protocol

HOST, ADDRESS = "pc-anna", "192.0.2.5"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TARGET = Target(typed=HOST, host=HOST)


def names_fact(host: str = HOST, *, alias: str | None = None) -> names.NamesFact:
    answer = Answer(
        server="192.0.2.1", name=host, outcome=Outcome.FOUND, addresses=(ADDRESS,), alias=alias, took_ms=2.0
    )
    server = names.AskedServer(address="192.0.2.1", interface="eth0", vpn=False, answers=(answer,))
    system = Resolution(name=host, addresses=(ADDRESS,), took_ms=1.0)
    return names.NamesFact(name=host, addresses=(ADDRESS,), system=system, servers=(server,))


def certificate_fact(
    host: str = HOST,
    *,
    made_for: Sequence[str] = ("PC-ANNA",),
    common_name: str | None = None,
    starts: timedelta = timedelta(days=-30),
    ends: timedelta = timedelta(days=153),
    self_issued: bool = True,
) -> certificate.CertificateFact:
    """Dates are counted from NOW. The common name is the first of the names if it is not given."""
    found = Certificate(
        common_name=common_name or next(iter(made_for), None),
        issuer="PC-ANNA" if self_issued else "Corp CA",
        names=tuple(made_for),
        not_before=NOW + starts,
        not_after=NOW + ends,
        key_type="rsa",
        key_bits=2048,
        signature_hash="sha256",
        self_issued=self_issued,
        usages=("1.3.6.1.5.5.7.3.1",),
        encipherment=True,
        sha1="5f" * 20,
        sha256="a7" * 32,
    )
    return certificate.CertificateFact(host=host, now=NOW, certificate=found)


def nla_fact(
    host: str = HOST,
    *,
    netbios: str | None = "PC-ANNA",
    dns: str | None = "PC-ANNA",
    skew_s: float | None = 0.1,
) -> nla.NlaCheckFact:
    """What the server calls itself, and how far its clock is ahead."""
    challenge = NlaFact(
        took_ms=3.0,
        version=6,
        netbios_computer=netbios,
        dns_computer=dns,
        build=(10, 0, 20348),
        server_time=NOW,
        skew_s=skew_s,
    )
    return nla.NlaCheckFact(
        host=host, chosen=True, challenge=challenge, required=True, forbidden_by_file=False
    )


def reach_fact(host: str = HOST, outcome: Connect = Connect.CONNECTED) -> reach.ReachFact:
    took_ms = 3500.0 if outcome is Connect.SILENT else 0.4
    attempt = Attempt(address=ADDRESS, port=3389, outcome=outcome, took_ms=took_ms)
    return reach.ReachFact(host=host, port=3389, attempts=(attempt,))


def negotiate_fact(host: str = HOST) -> negotiate.NegotiateFact:
    offer = int(Protocol.SSL | Protocol.HYBRID | Protocol.HYBRID_EX)
    said = NegotiationFact(
        asked=offer,
        answer=Said.CONFIRM,
        took_ms=1.2,
        selected=int(Protocol.HYBRID_EX),
        flags=0x1F,
        correlation="0f" * 16,
    )
    return negotiate.NegotiateFact(host=host, port=3389, negotiation=said)


def tls_fact(host: str = HOST, *, ended: How | None = None) -> tls.TlsCheckFact:
    ending = Ending(step=Step.TLS, how=ended, after_ms=5.0) if ended else None
    done = TlsFact(took_ms=6.0, ending=ending) if ended else _TLS_DONE
    return tls.TlsCheckFact(host=host, handshake=done, hellos=())


_TLS_DONE = TlsFact(took_ms=6.0, version="TLSv1.3", suite="TLS_AES_256_GCM_SHA384", flight=1536)


def row(check: Check[Any], fact: Any, **more: Any) -> Row:
    """What the check's own judge says about a fact."""
    return Row(check=check.id, findings=check.judge(fact), measured=Ok(fact), needs=check.needs, **more)


def not_measured(check: Check[Any], why: Why, reason: str, settle: str | None = None) -> Row:
    """A row without a measurement, in the engine's words."""
    skipped = why in (Why.BLOCKED, Why.NOT_NEEDED, Why.STOPPED, Why.UNSUPPORTED)
    finding = Finding(
        id=f"{check.id}.{'not-checked' if skipped else 'unknown'}",
        state=State.SKIPPED if skipped else State.UNKNOWN,
        reason=reason,
        settle=settle,
    )
    measured = NotMeasured(why=why, reason=reason, settle=settle)
    return Row(check=check.id, findings=(finding,), measured=measured, needs=check.needs, tries=0)


def healthy_rows(host: str = HOST) -> dict[str, Row]:
    """A server in order, as far as a client without a password can see."""
    rows = (
        row(names.CHECK, names_fact(host), started_ms=0, duration_ms=2),
        row(clock.CHECK, clock.ClockFact(now="2026-11-22T09:00:00+00:00", synchronised=True)),
        row(reach.CHECK, reach_fact(host), started_ms=2, duration_ms=1),
        row(negotiate.CHECK, negotiate_fact(host), started_ms=3, duration_ms=2),
        row(tls.CHECK, tls_fact(host), started_ms=5, duration_ms=9),
        row(certificate.CHECK, certificate_fact(host), started_ms=14, duration_ms=3),
        row(nla.CHECK, nla_fact(host), started_ms=5, duration_ms=12),
        not_measured(session.CHECK, Why.NOT_NEEDED, "behind-the-password"),
        row(udp.CHECK, UdpFact(outcome=UdpOutcome.SILENT, took_ms=240.0, sent=3), duration_ms=241),
    )
    return {r.check: r for r in rows}


def run(
    *changed: Row,
    target: Target = TARGET,
    error: PastedError | None = None,
    only: Sequence[str] | None = None,
    cancelled: bool = False,
) -> Run:
    """A run on a healthy server, with some rows in place of its own; `only` names the rows that there are."""
    rows = healthy_rows(target.host or "") | {r.check: r for r in changed}
    return conclude(
        [r for r in rows.values() if only is None or r.check in only],
        target,
        error,
        run_id="7F3A-21",
        started="2026-11-22T09:00:00Z",
        duration_ms=412,
        connections=9,
        cancelled=cancelled,
    )


EXPIRED = row(
    certificate.CHECK,
    certificate_fact(starts=timedelta(days=-193), ends=timedelta(days=-10)),
    tries=2,
    started_ms=14,
    duration_ms=22,
)
PASTED = PastedError(
    code=0x904,
    extended=7,
    activity_id="5d3c2b1a-0000-4000-8000-0123456789ab",
    when=datetime(2026, 11, 22, 8, 58, 3, tzinfo=UTC),
)


def _unreachable(fact: Any, check: Check[Any]) -> list[Row]:
    """The rows after one that is red: nothing that needs it was measured."""
    broken = row(check, fact, tries=2, duration_ms=7001)
    later = [c for c in (reach, negotiate, tls, certificate, nla, session, udp) if c.CHECK is not check]
    reason = f"needs-{check.id}"
    return [broken, *(not_measured(c.CHECK, Why.BLOCKED, reason, check.id) for c in later)]


def _unknown_name() -> names.NamesFact:
    answer = Answer(server="192.0.2.1", name=HOST, outcome=Outcome.NXDOMAIN, took_ms=2.0)
    server = names.AskedServer(address="192.0.2.1", interface="eth0", vpn=False, answers=(answer,))
    system = Resolution(name=HOST, failure=ResolveFailure.NOT_FOUND, took_ms=3.0)
    return names.NamesFact(name=HOST, addresses=(), system=system, servers=(server,))


def scenarios() -> dict[str, Run]:
    """A run for each ending that there is."""
    fixable = run(*_unreachable(_unknown_name(), names.CHECK))
    verdict = replace(fixable.verdict, family=Family.FIX, fixes=("flush-dns",))
    cut = [row(tls.CHECK, tls_fact(ended=How.FIN), tries=2)]
    cut += [not_measured(c, Why.NOT_NEEDED, "no-certificate-seen") for c in (certificate.CHECK, nla.CHECK)]
    here = Target(typed="", host=None)
    return {
        "fix": replace(fixable, verdict=verdict),
        "user": run(*_unreachable(_unknown_name(), names.CHECK)),
        "it": run(EXPIRED, error=PASTED),
        "it-one-of-two": run(*cut),
        "fine": run(),
        "fine-here": run(target=here, only=["clock"]),
        "unknown": run(not_measured(nla.CHECK, Why.TIMEOUT, "timeout")),
        "stopped": run(
            *(not_measured(c, Why.STOPPED, "stopped", "check-again") for c in (tls.CHECK, nla.CHECK)),
            only=["names", "reach", "negotiate", "tls", "nla"],
            cancelled=True,
        ),
    }


HOSTILE = "\x1b[31m<script>alert(1)</script>\u202e\r\n[ok] forged {host} %s\x00\ud7ff" + "\u0301" * 50


def hostile_run() -> Run:
    """A server that puts terminal commands, markup and lines of its own into everything that it may name."""
    made_for = (HOSTILE, HOSTILE * 20)
    cert = certificate_fact(made_for=made_for, ends=timedelta(days=-10), starts=timedelta(days=-193))
    return run(
        row(certificate.CHECK, cert),
        row(nla.CHECK, nla_fact(netbios=HOSTILE, dns=HOSTILE + ".corp.example", skew_s=9e9)),
        row(names.CHECK, names_fact(HOSTILE)),
        row(reach.CHECK, reach_fact(HOSTILE)),
        row(negotiate.CHECK, negotiate_fact(HOSTILE)),
        target=Target(typed=HOSTILE, host=HOSTILE),
        error=PASTED,
    )
