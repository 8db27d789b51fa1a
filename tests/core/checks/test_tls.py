import pytest
from msgspec.structs import replace

from core.checks import names, negotiate, reach
from core.checks.tls import CHECK, TlsCheckFact, judge, windows_knows
from core.demo.faults import FAULTS, TLS_1_0, TLS_1_2, Script, Step, Stop, Then, Tls
from core.model import Arg, Row, State
from core.probes.ending import Ending, How
from core.probes.ending import Step as At
from core.probes.tls_step import TlsFact
from core.probes.tls_versions import Heard, HelloFact
from core.wire.tls_hello import Version
from tests.support.fakes import FakeMachine
from tests.support.loopback import hurry
from tests.support.running import fact, reason, run_one
from tests.support.scripted import serving

GOOD = TlsFact(took_ms=4.56, version="TLSv1.3", suite="TLS_AES_256_GCM_SHA384", certificate=b"x", flight=900)
MODERN_SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


def failed(how: How, alert: int | None = None) -> TlsFact:
    return TlsFact(took_ms=9.9, ending=Ending(step=At.TLS, how=how, after_ms=12.6, alert=alert))


def answered(version: Version, *, asked: Version | None = None, suite: str = MODERN_SUITE) -> HelloFact:
    return HelloFact(
        asked=asked or version, heard=Heard.ANSWERED, took_ms=1.0, version=version, suite=1, suite_name=suite
    )


def refused(version: Version, alert: int) -> HelloFact:
    return HelloFact(asked=version, heard=Heard.ALERT, took_ms=1.0, alert=alert)


def dropped(version: Version) -> HelloFact:
    return HelloFact(asked=version, heard=Heard.ENDED, took_ms=1.0)


V12, V11, V10, SSL3, V13 = Version.TLS12, Version.TLS11, Version.TLS10, Version.SSL3, Version.TLS13
ALL_DROPPED = tuple(dropped(v) for v in (V13, V12, V11, V10, SSL3))
ONLY_MODERN = (answered(V13), answered(V12), *(refused(v, 70) for v in (V11, V10, SSL3)))
ONLY_OLD = (refused(V13, 70), refused(V12, 70), refused(V11, 70), answered(V10), refused(SSL3, 40))


@pytest.mark.parametrize(
    ("handshake", "hellos", "findings", "args"),
    [
        (
            GOOD,
            ONLY_MODERN,
            ["tls.ok"],
            {"version": "TLSv1.3", "suite": "TLS_AES_256_GCM_SHA384", "ms": 4.6},
        ),
        (
            GOOD,
            (answered(V12), answered(V11), answered(V10), refused(SSL3, 40)),
            ["tls.ok", "tls.old-too"],
            {"version": "TLSv1.3", "suite": "TLS_AES_256_GCM_SHA384", "ms": 4.6},
        ),
        # What a client of today does not speak is no success, though ours went through.
        (
            replace(GOOD, version="TLSv1", suite="AES128-SHA"),
            ONLY_OLD,
            ["tls.old-only"],
            {"host": "pc", "version": "TLSv1"},
        ),
        (
            replace(GOOD, version="TLSv1.1", suite="AES128-SHA"),
            (),
            ["tls.old-only"],
            {"host": "pc", "version": "TLSv1.1"},
        ),
        (
            replace(GOOD, version="TLSv1.2", suite="ECDHE-RSA-NULL-SHA"),
            (),
            ["tls.no-common-suite"],
            {"host": "pc", "suite": "ECDHE-RSA-NULL-SHA"},
        ),
        # The server found a suite, and it is one that no Windows client has.
        (
            failed(How.ALERT, 71),
            (answered(V12, suite="TLS_RSA_WITH_RC4_128_SHA"),),
            ["tls.no-common-suite"],
            {"host": "pc", "ms": 13, "suite": "TLS_RSA_WITH_RC4_128_SHA"},
        ),
        # One common suite among several answers is enough to look on.
        (
            failed(How.FIN),
            (answered(V13, suite="TLS_AES_128_GCM_SHA256"), answered(V12, suite="TLS_RSA_WITH_RC4_128_SHA")),
            ["tls.hung-up"],
            {"host": "pc", "ms": 13, "how": "fin"},
        ),
        (failed(How.ALERT, 40), ONLY_OLD, ["tls.old-only"], {"host": "pc", "ms": 13, "version": "TLS 1.0"}),
        (
            failed(How.FIN),
            (answered(V10, asked=V12),),
            ["tls.old-only"],
            {"host": "pc", "ms": 13, "version": "TLS 1.0"},
        ),
        (failed(How.PLAINTEXT), ALL_DROPPED, ["tls.plaintext"], {"host": "pc", "ms": 13}),
        (failed(How.PLAINTEXT), ONLY_MODERN, ["tls.plaintext"], {"host": "pc", "ms": 13}),
        (failed(How.FIN), ALL_DROPPED, ["tls.hung-up"], {"host": "pc", "ms": 13, "how": "fin"}),
        (failed(How.RST), ALL_DROPPED, ["tls.hung-up"], {"host": "pc", "ms": 13, "how": "rst"}),
        (failed(How.RST), ONLY_MODERN, ["tls.hung-up"], {"host": "pc", "ms": 13, "how": "rst"}),
        (failed(How.SILENCE), ALL_DROPPED, ["tls.silent"], {"host": "pc", "ms": 13}),
        (failed(How.SILENCE), ONLY_MODERN, ["tls.silent"], {"host": "pc", "ms": 13}),
        (failed(How.INCOMPLETE), ALL_DROPPED, ["tls.silent"], {"host": "pc", "ms": 13}),
        (
            failed(How.ALERT, 70),
            tuple(refused(v, 70) for v in (V13, V12, V11, V10, SSL3)),
            ["tls.version-refused"],
            {"host": "pc", "ms": 13},
        ),
        # OpenSSL that may speak only TLS 1.0, and must not, calls it an internal error.
        (
            failed(How.ALERT, 80),
            (refused(V13, 70), refused(V12, 70), refused(V10, 80)),
            ["tls.version-refused"],
            {"host": "pc", "ms": 13},
        ),
        (
            failed(How.ALERT, 40),
            tuple(refused(v, 40) for v in (V13, V12)),
            ["tls.suite-refused"],
            {"host": "pc", "ms": 13},
        ),
        (failed(How.ALERT, 71), ALL_DROPPED, ["tls.suite-refused"], {"host": "pc", "ms": 13}),
        # A server that refuses TLS 1.3 by its version and TLS 1.2 by its suites.
        (
            failed(How.ALERT, 40),
            (refused(V13, 70), refused(V12, 40)),
            ["tls.suite-refused"],
            {"host": "pc", "ms": 13},
        ),
        (
            failed(How.ALERT, 80),
            ALL_DROPPED,
            ["tls.alert"],
            {"host": "pc", "ms": 13, "alert": 80, "name": "internal_error"},
        ),
        (
            failed(How.ALERT, 40),
            ONLY_MODERN,
            ["tls.alert"],
            {"host": "pc", "ms": 13, "alert": 40, "name": "handshake_failure"},
        ),
        (
            failed(How.ALERT, 199),
            ALL_DROPPED,
            ["tls.alert"],
            {"host": "pc", "ms": 13, "alert": 199, "name": "?"},
        ),
        (failed(How.GARBAGE), ALL_DROPPED, ["tls.failed"], {"host": "pc", "ms": 13}),
        (failed(How.FLOOD), ONLY_MODERN, ["tls.failed"], {"host": "pc", "ms": 13}),
    ],
)
def test_judge(
    handshake: TlsFact, hellos: tuple[HelloFact, ...], findings: list[str], args: dict[str, Arg]
) -> None:
    found = judge(TlsCheckFact(host="pc", handshake=handshake, hellos=hellos))
    assert [finding.id for finding in found] == findings
    assert found[0].args == args
    expected = {"tls.ok": State.OK, "tls.failed": State.UNKNOWN}
    assert found[0].state is expected.get(findings[0], State.PROBLEM)


def test_old_versions_beside_new_ones_are_a_note() -> None:
    _, note = judge(TlsCheckFact(host="pc", handshake=GOOD, hellos=(answered(V12), answered(V10))))
    assert (note.state, note.args) == (State.INFO, {"versions": "TLS 1.0"})


def test_what_cannot_be_told_says_what_would_settle_it() -> None:
    (found,) = judge(TlsCheckFact(host="pc", handshake=failed(How.GARBAGE), hellos=()))
    assert (found.reason, found.settle) == ("handshake-garbled", "send-report")


@pytest.mark.parametrize(
    ("suite", "known"),
    [
        ("TLS_AES_128_GCM_SHA256", True),
        ("TLS_CHACHA20_POLY1305_SHA256", True),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", True),
        ("TLS_RSA_WITH_AES_128_CBC_SHA256", True),
        ("ECDHE-RSA-AES256-GCM-SHA384", True),
        ("DHE-RSA-AES128-GCM-SHA256", True),
        ("AES128-SHA", True),
        ("TLS_RSA_WITH_RC4_128_SHA", False),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", False),
        ("ECDHE-ECDSA-NULL-SHA", False),
        ("ECDHE-RSA-CHACHA20-POLY1305", False),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", False),
        ("AES128-CCM", False),
        ("ECDHE-ARIA128-GCM-SHA256", False),
        ("ADH-AES128-SHA", False),
        ("AECDH-AES128-SHA", False),
        ("PSK-AES128-CBC-SHA", False),
        ("SRP-AES-128-CBC-SHA", False),
        ("DHE-DSS-AES128-SHA", False),
        ("TLS_DH_anon_WITH_AES_128_CBC_SHA", False),
        ("CAMELLIA128-SHA", False),
        ("", False),
    ],
)
def test_suites_that_windows_offers(suite: str, known: bool) -> None:
    assert windows_knows(suite) is known


# --- the probe


def check(fault: str | Script) -> tuple[Row, list[tuple[Step, ...]]]:
    with serving(fault) as server:
        row = run_one(
            FakeMachine(),
            names.CHECK,
            reach.CHECK,
            negotiate.CHECK,
            CHECK,
            host="127.0.0.1",
            port=server.port,
        )
    return row, server.connections


def hellos(row: Row) -> list[tuple[int, Heard]]:
    return [(hello.asked, hello.heard) for hello in fact(row).hellos]


def test_a_healthy_server_is_asked_for_every_version_below_its_own() -> None:
    row, connections = check("healthy")
    assert row.findings[0].id == "tls.ok"
    assert fact(row).handshake.version == "TLSv1.3"
    assert hellos(row) == [
        (V12, Heard.ANSWERED),
        (V11, Heard.ALERT),
        (V10, Heard.ALERT),
        (SSL3, Heard.ALERT),
    ]
    # reach, the conversation, and a hello for each version
    assert len(connections) == 6


def test_a_server_below_tls_13_is_asked_for_that_too() -> None:
    row, _ = check(replace(FAULTS["healthy"], tls=Tls(newest=TLS_1_2)))
    assert (row.findings[0].id, row.tries) == ("tls.ok", 1)
    assert hellos(row)[:2] == [(V13, Heard.ALERT), (V12, Heard.ANSWERED)]


def test_old_versions_beside_new_ones_are_seen() -> None:
    row, _ = check(replace(FAULTS["healthy"], tls=Tls(oldest=TLS_1_0, ciphers="ALL:@SECLEVEL=0")))
    assert [found.id for found in row.findings] == ["tls.ok", "tls.old-too"]
    assert row.findings[1].args["versions"] == "TLS 1.1, TLS 1.0"


def test_a_failure_is_tried_again_and_the_hellos_are_not() -> None:
    row, connections = check("server-key-unusable")
    assert (row.findings[0].id, row.tries) == ("tls.hung-up", 2)
    # reach, two conversations, five hellos
    assert len(connections) == 8


def test_silence_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    row, _ = check(replace(FAULTS["healthy"], stop=Stop(at=Step.HELLO, then=Then.SILENCE)))
    assert (row.findings[0].id, row.tries) == ("tls.silent", 2)


@pytest.mark.parametrize("fault", ["server-security-layer-old", "server-security-layer-old-strict"])
def test_without_tls_there_is_nothing_to_check(fault: str) -> None:
    row, _ = check(fault)
    assert (row.findings[0].state, reason(row)) == (State.SKIPPED, "needs-negotiate")
