"""The whole product against real servers: which cause it names. A real client says whether that can be so."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from core import run
from core.check import Group
from core.checks import ALL
from core.checks.quality import CHECK as QUALITY
from core.machine import this_machine
from core.model import Certainty, Family, Run, State, Target
from core.wire import rdp_file
from core.wire.rdp_file import RdpFile
from tests.support.servers import Keys, RealServer, needs_servers, real_client, shadow, xrdp

pytestmark = needs_servers

CHECKS = frozenset(check.id for check in ALL if check.group is Group.REMOTE) - {QUALITY.id}
OLD_CIPHERS = "ALL:@SECLEVEL=0"
WITHOUT_NLA = rdp_file.parse(b"full address:s:pc-anna\r\nenablecredsspsupport:i:0\r\n")

Server = Callable[[], contextlib.AbstractContextManager[RealServer]]


def check(port: int, rdp: RdpFile | None = None) -> Run:
    target = Target(typed="127.0.0.1", host="127.0.0.1", port=port, rdp=rdp)
    done = asyncio.run(run.check(this_machine(), target, lambda _: None, options=run.Options(only=CHECKS)))
    assert all(finding.reason != "bug" for finding in done.findings)
    return done


# --- healthy ones


@pytest.mark.parametrize(
    ("server", "protocol", "last"),
    [
        (xrdp, "tls", "session.ok"),
        (lambda: xrdp(security_layer="tls"), "tls", "session.ok"),
        (lambda: xrdp(ssl_protocols="TLSv1.2"), "tls", "session.ok"),
        (shadow, "nla", "nla.ok"),
        (lambda: shadow(security="tls"), "tls", "session.ok"),
    ],
)
def test_a_healthy_server_is_fine_and_a_real_client_logs_on(server: Server, protocol: str, last: str) -> None:
    with server() as running:
        done = check(running.port)
        client = real_client(running.port)
    assert client.code == 0, client.text
    found = {finding.id: finding for finding in done.findings}
    assert (done.verdict.family, done.verdict.cause) == (Family.FINE, None), found
    assert found["negotiate.ok"].args["protocol"] == protocol
    assert last in found
    assert not [f for f in done.findings if f.state in {State.PROBLEM, State.WARN, State.UNKNOWN}]


def test_what_a_real_server_says_of_itself() -> None:
    with shadow() as running:
        done = check(running.port)
    (found,) = (finding for finding in done.findings if finding.id == "nla.ok")
    assert found.args["computer"]
    assert found.args["required"] is True
    assert done.connections < 12


# --- faults


@dataclass(frozen=True, slots=True)
class Fault:
    """A server, and the verdict on it. `client` is what a real client says, where it fails over the same."""

    server: Server
    cause: str
    certainty: Certainty
    because: str
    twin: str | None = None
    client: str | None = None


CERTAIN, LIKELY, ONE_OF_TWO = Certainty.CERTAIN, Certainty.LIKELY, Certainty.ONE_OF_TWO
TLS_FAILED = "ERRCONNECT_TLS_CONNECT_FAILED"

FAULTS = {
    "xrdp expired": Fault(
        lambda: xrdp(keys=Keys.EXPIRED), "server-certificate-expired", LIKELY, "certificate.expired"
    ),
    "shadow expired": Fault(
        lambda: shadow(keys=Keys.EXPIRED), "server-certificate-expired", LIKELY, "certificate.expired"
    ),
    "xrdp not yet valid": Fault(
        lambda: xrdp(keys=Keys.NOT_YET_VALID),
        "server-certificate-not-yet-valid",
        LIKELY,
        "certificate.not-yet-valid",
    ),
    "shadow of another name": Fault(
        lambda: shadow(keys=Keys.WRONG_NAME),
        "server-certificate-wrong-name",
        LIKELY,
        "certificate.wrong-machine",
    ),
    "xrdp with a weak key": Fault(
        lambda: xrdp(keys=Keys.WEAK, tls_ciphers=OLD_CIPHERS, old_tls=True),
        "server-certificate-weak",
        LIKELY,
        "certificate.weak-key",
    ),
    "xrdp without certificate": Fault(
        lambda: xrdp(security_layer="tls", keys=Keys.MISSING),
        "server-no-certificate",
        CERTAIN,
        "negotiate.no-certificate",
        client="SSL_CERT_NOT_ON_SERVER",
    ),
    "xrdp with the key of another": Fault(
        lambda: xrdp(security_layer="tls", keys=Keys.MISMATCHED),
        "server-key-unusable",
        CERTAIN,
        "tls.plaintext",
        client=TLS_FAILED,
    ),
    "shadow with the key of another": Fault(
        lambda: shadow(keys=Keys.MISMATCHED),
        "tls-cipher-mismatch",
        ONE_OF_TWO,
        "tls.suite-refused",
        twin="server-key-unusable",
        client=TLS_FAILED,
    ),
    "xrdp with TLS 1.0": Fault(
        lambda: xrdp(ssl_protocols="TLSv1", tls_ciphers=OLD_CIPHERS, old_tls=True),
        "tls-version-mismatch",
        CERTAIN,
        "tls.old-only",
        client=TLS_FAILED,
    ),
    "xrdp with TLS 1.1": Fault(
        lambda: xrdp(ssl_protocols="TLSv1.1", tls_ciphers=OLD_CIPHERS, old_tls=True),
        "tls-version-mismatch",
        CERTAIN,
        "tls.old-only",
        client=TLS_FAILED,
    ),
    # Its OpenSSL may not speak the only version that it is allowed.
    "xrdp with TLS 1.0 that it cannot speak": Fault(
        lambda: xrdp(ssl_protocols="TLSv1"),
        "tls-version-mismatch",
        ONE_OF_TWO,
        "tls.alert",
        twin="server-key-unusable",
        client=TLS_FAILED,
    ),
    "xrdp with a suite of no use": Fault(
        lambda: xrdp(ssl_protocols="TLSv1.2", tls_ciphers="ECDHE-RSA-NULL-SHA:@SECLEVEL=0", old_tls=True),
        "tls-cipher-mismatch",
        CERTAIN,
        "tls.no-common-suite",
        client=TLS_FAILED,
    ),
    "xrdp without TLS": Fault(
        lambda: xrdp(security_layer="rdp"),
        "server-security-layer-old",
        LIKELY,
        "negotiate.standard-security-only",
    ),
    # Left without a certificate, it falls back to Standard RDP Security by itself.
    "xrdp fallen back": Fault(
        lambda: xrdp(keys=Keys.MISSING),
        "server-security-layer-old",
        LIKELY,
        "negotiate.standard-security-only",
    ),
    "shadow without TLS": Fault(
        lambda: shadow(security="rdp"),
        "server-security-layer-old",
        LIKELY,
        "negotiate.standard-security-only",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name: str) -> None:
    fault = FAULTS[name]
    with fault.server() as running:
        done = check(running.port)
        client = real_client(running.port) if fault.client else None
    verdict = done.verdict
    assert (verdict.cause, verdict.certainty, verdict.family) == (fault.cause, fault.certainty, Family.IT), [
        finding for finding in done.findings if finding.state is State.PROBLEM
    ]
    assert verdict.candidates == tuple(cause for cause in (fault.cause, fault.twin) if cause)
    assert fault.because in verdict.because
    assert verdict.also == ()
    if client is not None:
        assert client.code != 0
        assert fault.client is not None
        assert fault.client in client.text


def test_a_file_that_forbids_nla_at_a_server_that_wants_it() -> None:
    with shadow() as running:
        done = check(running.port, WITHOUT_NLA)
        client = real_client(running.port, more=("/sec:tls",))
    assert (done.verdict.cause, done.verdict.certainty) == ("nla-required", CERTAIN)
    assert done.verdict.family is Family.USER
    assert "HYBRID_REQUIRED_BY_SERVER" in client.text


def test_the_same_file_at_a_server_without_nla_does_no_harm() -> None:
    with xrdp() as running:
        done = check(running.port, WITHOUT_NLA)
    assert (done.verdict.cause, done.verdict.family) == (None, Family.FINE)


def test_a_server_that_has_ended() -> None:
    with xrdp() as running:
        pass
    done = check(running.port)
    assert (done.verdict.cause, done.verdict.certainty) == ("port-closed", LIKELY)


def test_a_wrong_password_is_not_ours_to_see() -> None:
    """We say that all is fine up to the password, and a real client fails over nothing else."""
    with shadow() as running:
        done = check(running.port)
        client = real_client(running.port, password="wrong")
    assert done.verdict.family is Family.FINE
    assert client.code == 147  # log-on failed
