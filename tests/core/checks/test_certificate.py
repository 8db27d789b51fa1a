from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from core.checks import names, negotiate, reach, tls
from core.checks.certificate import CHECK, CertificateFact, judge, matches
from core.demo import negotiation
from core.demo.faults import Script
from core.model import Arg, Row, State
from core.wire import certificate
from core.wire.certificate import Certificate
from core.wire.x224 import Protocol
from tests.support import openssl_flights, running
from tests.support.fakes import FakeClock, FakeMachine
from tests.support.loopback import Peer, listening, run
from tests.support.running import fact, reason, run_one
from tests.support.scripted import serving

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
SERVER_AUTH, CLIENT_AUTH, ANY = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
REMOTE_DESKTOP = "1.3.6.1.4.1.311.54.1.2"

# As a CA of the company makes them: fault of any kind is added below.
GOOD = Certificate(
    common_name="pc.example",
    issuer="Example CA",
    names=("pc.example",),
    not_before=NOW - 100 * DAY,
    not_after=NOW + 100 * DAY,
    key_type="rsa",
    key_bits=2048,
    signature_hash="sha256",
    self_issued=False,
    usages=(SERVER_AUTH,),
    encipherment=True,
    sha1="a" * 40,
    sha256="b" * 64,
)
OWN = replace(GOOD, self_issued=True, issuer="pc.example")


def seen(found: Certificate | None, host: str = "pc.example") -> CertificateFact:
    return CertificateFact(host=host, now=NOW, certificate=found)


@pytest.mark.parametrize(
    ("made", "findings"),
    [
        (GOOD, ["certificate.ok"]),
        (OWN, ["certificate.ok", "certificate.self-signed"]),
        (replace(GOOD, not_after=NOW - SECOND), ["certificate.expired"]),
        (replace(GOOD, not_after=NOW), ["certificate.ok"]),
        (replace(GOOD, not_before=NOW), ["certificate.ok"]),
        (replace(GOOD, not_before=NOW + SECOND), ["certificate.not-yet-valid"]),
        (replace(GOOD, not_before=NOW + DAY, not_after=NOW - DAY), ["certificate.expired"]),
        (replace(GOOD, key_bits=2047), ["certificate.weak-key"]),
        (replace(GOOD, key_bits=None), ["certificate.ok"]),
        (replace(GOOD, key_type="ec", key_bits=256), ["certificate.ok"]),
        (replace(GOOD, key_type="ed25519", key_bits=None, signature_hash=None), ["certificate.ok"]),
        (replace(GOOD, signature_hash="sha1"), ["certificate.weak-signature"]),
        (replace(GOOD, signature_hash="md5"), ["certificate.weak-signature"]),
        (replace(GOOD, key_bits=1024, signature_hash="sha1"), ["certificate.weak-key"]),
        (replace(GOOD, usages=()), ["certificate.ok"]),
        (replace(GOOD, usages=(ANY,)), ["certificate.ok"]),
        (replace(GOOD, usages=(REMOTE_DESKTOP,)), ["certificate.ok"]),
        (replace(GOOD, usages=(CLIENT_AUTH, SERVER_AUTH)), ["certificate.ok"]),
        (replace(GOOD, usages=(CLIENT_AUTH,)), ["certificate.wrong-usage"]),
        (replace(GOOD, encipherment=False), ["certificate.wrong-usage"]),
        (replace(GOOD, issuer="Zscaler Root CA"), ["certificate.from-inspection"]),
        (replace(GOOD, issuer="FORTINET"), ["certificate.from-inspection"]),
        # A machine that is called so has signed for itself.
        (replace(OWN, issuer="squid"), ["certificate.ok", "certificate.self-signed"]),
        (replace(GOOD, issuer=None), ["certificate.ok"]),
        # Several faults of one certificate are all told, and the notes with them.
        (
            replace(OWN, not_after=NOW - DAY, key_bits=1024),
            ["certificate.expired", "certificate.weak-key", "certificate.self-signed"],
        ),
        (
            replace(GOOD, not_after=NOW - DAY, issuer="Sophos SSL CA"),
            ["certificate.expired", "certificate.from-inspection"],
        ),
    ],
)
def test_judge(made: Certificate, findings: list[str]) -> None:
    assert [found.id for found in judge(seen(made))] == findings


def test_states_and_values() -> None:
    def first(made: Certificate) -> tuple[State, dict[str, Arg]]:
        found = judge(seen(made))[0]
        return found.state, dict(found.args)

    assert first(GOOD) == (State.OK, {"not_after": "2027-03-02T09:00:00+00:00", "name": "pc.example"})
    assert first(replace(GOOD, common_name=None, names=("b.example",)))[1]["name"] == "b.example"
    assert first(replace(GOOD, common_name=None, names=()))[1]["name"] == ""
    assert first(replace(GOOD, not_after=NOW - 10 * DAY)) == (
        State.PROBLEM,
        {"host": "pc.example", "not_after": "2026-11-12T09:00:00+00:00", "days": 10},
    )
    assert first(replace(GOOD, not_before=NOW + DAY))[1] == {
        "host": "pc.example",
        "not_before": "2026-11-23T09:00:00+00:00",
    }
    assert first(replace(GOOD, key_bits=1024)) == (State.PROBLEM, {"bits": 1024})
    assert first(replace(GOOD, signature_hash="sha1"))[1] == {"hash": "sha1"}
    assert first(replace(GOOD, issuer="Zscaler")) == (State.PROBLEM, {"issuer": "Zscaler"})
    assert {found.state for found in judge(seen(OWN, "other"))[1:]} == {State.INFO}


def test_a_certificate_that_cannot_be_read_is_no_fault() -> None:
    (found,) = judge(seen(None))
    assert (found.id, found.state, found.reason) == ("certificate.unreadable", State.UNKNOWN, "damaged")


@pytest.mark.parametrize(
    ("host", "common_name", "names", "other"),
    [
        ("pc.example", "pc.example", ("pc.example",), False),
        ("PC.Example.", "pc.example", (), False),
        ("pc.example", "PC.EXAMPLE", (), False),
        ("pc.example", "other.example", ("pc.example",), False),
        ("pc.example", "pc.example", ("other.example",), False),
        ("pc.example", None, ("*.example",), False),
        ("a.pc.example", None, ("*.example",), True),
        ("example", None, ("*.example",), True),
        ("10.0.0.5", "pc.example", ("10.0.0.5",), False),
        ("10.0.0.5", "pc.example", ("pc.example",), True),
        ("pc", "pc.example", ("pc.example",), True),
        ("pc.example", None, (), False),
    ],
)
def test_a_certificate_for_another_name_is_a_note(
    host: str, common_name: str | None, names: tuple[str, ...], other: bool
) -> None:
    findings = judge(seen(replace(GOOD, common_name=common_name, names=names), host))
    assert [found.id for found in findings] == ["certificate.ok", *["certificate.other-name"] * other]
    if other:
        assert findings[1].args == {"typed": host, "name": (common_name or names[0]).lower()}


def test_names_of_a_certificate() -> None:
    both = replace(GOOD, common_name="PC", names=("pc.example", "PC", "10.0.0.5"))
    assert seen(both).names == ("pc", "pc.example", "10.0.0.5")
    assert seen(None).names == ()


def test_a_star_stands_for_one_label() -> None:
    assert matches("*.corp.example", "pc.corp.example")
    assert not matches("*.corp.example", "corp.example")
    assert not matches("*.corp.example", "a.b.corp.example")
    assert not matches("p*.corp.example", "pc.corp.example")
    assert matches("pc", "pc")


# --- the probe


def check(fault: str | Script, now: datetime | None = None) -> Row:
    with serving(fault) as server:
        return run_one(
            FakeMachine(clock=FakeClock(now or datetime.now(UTC))),
            names.CHECK,
            reach.CHECK,
            negotiate.CHECK,
            tls.CHECK,
            CHECK,
            host="127.0.0.1",
            port=server.port,
        )


@pytest.mark.parametrize(
    ("fault", "findings"),
    [
        ("healthy", ["certificate.ok", "certificate.other-name", "certificate.self-signed"]),
        (
            "server-certificate-expired",
            ["certificate.expired", "certificate.other-name", "certificate.self-signed"],
        ),
        (
            "server-certificate-not-yet-valid",
            ["certificate.not-yet-valid", "certificate.other-name", "certificate.self-signed"],
        ),
        (
            "server-certificate-weak",
            ["certificate.weak-key", "certificate.other-name", "certificate.self-signed"],
        ),
        # Also where TLS does not suit: it reads what travelled.
        (
            "tls-version-mismatch",
            ["certificate.ok", "certificate.other-name", "certificate.self-signed"],
        ),
    ],
)
def test_what_the_server_shows(fault: str, findings: list[str]) -> None:
    row = check(fault)
    assert [found.id for found in row.findings] == findings
    assert row.tries == (2 if row.findings[0].state is State.PROBLEM else 1)


def test_our_own_clock_decides() -> None:
    later = datetime.now(UTC) + 200 * DAY
    assert check("healthy", later).findings[0].id == "certificate.expired"
    row = check("server-certificate-expired", later - 230 * DAY)
    assert row.findings[0].id == "certificate.ok"
    assert fact(row).now == later - 230 * DAY


# The versions that our whole handshake offers, in its supported_versions; no single hello of ours has them.
_ALL_VERSIONS = bytes.fromhex("0304 0303 0302 0301")


async def half_hearted(peer: Peer) -> None:
    """Shows its certificate to simple hellos and drops a modern client."""
    await peer.hear()
    await peer.say(negotiation.confirm(Protocol.SSL))
    hello = await peer.hear()
    if _ALL_VERSIONS not in hello:
        await peer.say(openssl_flights.answer(openssl_flights.server(), hello))
    await peer.finish()


def test_a_certificate_that_travelled_in_the_clear_will_do() -> None:
    async def go() -> Row:
        async with listening(half_hearted) as server:
            checks = (names.CHECK, reach.CHECK, negotiate.CHECK, tls.CHECK, CHECK)
            rows = await running.run(FakeMachine(), checks, "127.0.0.1", port=server.port)
            return rows["certificate"]

    assert fact(run(go())).certificate == certificate.parse(openssl_flights.certificate())


@pytest.mark.parametrize("fault", ["server-key-unusable", "tls-version-mismatch-alert"])
def test_without_a_certificate_nothing_is_said(fault: str) -> None:
    row = check(fault)
    assert (row.findings[0].state, reason(row)) == (State.SKIPPED, "no-certificate-seen")


def test_without_tls_there_is_none() -> None:
    row = check("server-security-layer-old")
    assert (row.findings[0].state, reason(row)) == (State.SKIPPED, "needs-negotiate")
