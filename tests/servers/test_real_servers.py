"""The real servers do what their names say, and what our scripted server imitates; a real client judges both."""

import socket
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from core.wire import mcs, ntlm, session
from core.wire.x224 import (
    ConnectionConfirm,
    Disconnect,
    FailureCode,
    NegotiationFailure,
    Protocol,
    connection_request,
    parse_answer,
)
from tests.support.raw_client import ALL, Client, permissive
from tests.support.scripted import serving
from tests.support.servers import Keys, needs_servers, real_client, shadow, xrdp

pytestmark = needs_servers

OLD_CIPHERS = "ALL:@SECLEVEL=0"


def answers(port: int) -> list[Protocol | FailureCode | None]:
    """To a request for everything, for TLS, and for Standard RDP Security."""
    found: list[Protocol | FailureCode | None] = []
    for protocols in (ALL, Protocol.SSL, Protocol.RDP):
        with Client(port) as client:
            answer = client.ask(connection_request(protocols))
        if isinstance(answer, NegotiationFailure):
            found.append(FailureCode(answer.code))
        else:
            assert isinstance(answer, ConnectionConfirm)
            found.append(answer.selected)
    return found


@pytest.mark.parametrize(
    ("security_layer", "keys", "expected"),
    [
        ("negotiate", Keys.GOOD, [Protocol.SSL, Protocol.SSL, Protocol.RDP]),
        ("negotiate", Keys.MISSING, [Protocol.RDP, Protocol.RDP, Protocol.RDP]),
        ("tls", Keys.GOOD, [Protocol.SSL, Protocol.SSL, FailureCode.SSL_REQUIRED_BY_SERVER]),
        ("tls", Keys.MISMATCHED, [Protocol.SSL, Protocol.SSL, FailureCode.SSL_REQUIRED_BY_SERVER]),
        ("tls", Keys.MISSING, [FailureCode.SSL_CERT_NOT_ON_SERVER] * 3),
        ("rdp", Keys.GOOD, [Protocol.RDP, Protocol.RDP, Protocol.RDP]),
    ],
)
def test_xrdp_negotiates(
    security_layer: str, keys: Keys, expected: list[Protocol | FailureCode | None]
) -> None:
    with xrdp(security_layer=security_layer, keys=keys) as server:
        assert answers(server.port) == expected


def test_xrdp_hangs_up_on_rdsaad() -> None:
    with xrdp() as server, Client(server.port) as client:
        assert client.ask(connection_request(ALL | Protocol.RDSAAD)) == Disconnect(3)


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        ("nla", [Protocol.HYBRID] + [FailureCode.HYBRID_REQUIRED_BY_SERVER] * 2),
        ("tls", [Protocol.SSL, Protocol.SSL, FailureCode.SSL_REQUIRED_BY_SERVER]),
        ("rdp", [FailureCode.SSL_NOT_ALLOWED_BY_SERVER] * 2 + [Protocol.RDP]),
    ],
)
def test_freerdp_negotiates(security: str, expected: list[Protocol | FailureCode | None]) -> None:
    with shadow(security=security) as server:
        assert answers(server.port) == expected


@pytest.mark.parametrize(
    ("protocols", "ciphers", "version", "modern_fails"),
    [
        ("TLSv1", OLD_CIPHERS, "TLSv1", "ALERT_PROTOCOL_VERSION"),
        ("TLSv1.1", OLD_CIPHERS, "TLSv1.1", "ALERT_PROTOCOL_VERSION"),
        ("TLSv1.2", "HIGH", "TLSv1.2", None),
        ("TLSv1.3", "HIGH", "TLSv1.3", None),
        ("TLSv1.2", "ECDHE-RSA-NULL-SHA:@SECLEVEL=0", "TLSv1.2", "ALERT_HANDSHAKE_FAILURE"),
    ],
)
def test_xrdp_speaks_one_version(
    protocols: str, ciphers: str, version: str, modern_fails: str | None
) -> None:
    with xrdp(ssl_protocols=protocols, tls_ciphers=ciphers, old_tls=ciphers != "HIGH") as server:
        with Client(server.port) as client:
            client.agree()
            client.secure(permissive())
            assert client.tls_version() == version
        with Client(server.port) as client:
            client.agree()
            if modern_fails is None:
                client.secure()
            else:
                with pytest.raises(OSError, match=modern_fails):
                    client.secure()


@pytest.mark.parametrize("kind", ["xrdp", "shadow"])
@pytest.mark.parametrize(
    ("keys", "begun", "over", "bits", "digest"),
    [
        (Keys.GOOD, True, False, 2048, "sha256"),
        (Keys.EXPIRED, True, True, 2048, "sha256"),
        (Keys.NOT_YET_VALID, False, False, 2048, "sha256"),
        (Keys.WRONG_NAME, True, False, 2048, "sha256"),
        (Keys.WEAK, True, False, 1024, "sha1"),
    ],
)
def test_certificates(kind: str, keys: Keys, begun: bool, over: bool, bits: int, digest: str) -> None:
    old = keys is Keys.WEAK
    started = (
        shadow(keys=keys)
        if kind == "shadow"
        else xrdp(keys=keys, old_tls=old, tls_ciphers=OLD_CIPHERS if old else "HIGH")
    )
    with started as server, Client(server.port) as client:
        client.agree()
        client.secure(permissive())
        certificate = client.certificate()
    now = datetime.now(UTC)
    assert (certificate.not_valid_before_utc <= now) is begun
    assert (certificate.not_valid_after_utc < now) is over
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == bits
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == digest
    own_name = certificate.subject.rfc4514_string() == f"CN={socket.gethostname()}"
    assert own_name is (keys not in {Keys.WRONG_NAME, Keys.WEAK})


def test_xrdp_with_the_wrong_key_says_goodbye_in_the_clear() -> None:
    with xrdp(security_layer="tls", keys=Keys.MISMATCHED) as server, Client(server.port) as client:
        client.agree()
        client.sock.sendall(b"\x16\x03\x01\x00\x01\x01")
        assert parse_answer(client.rest()[0]) == Disconnect(3)


def test_freerdp_with_the_wrong_key_sends_an_alert() -> None:
    with shadow(keys=Keys.MISMATCHED) as server, Client(server.port) as client:
        client.agree()
        with pytest.raises(OSError, match="ALERT_HANDSHAKE_FAILURE"):
            client.secure()


def test_freerdp_tells_its_names_in_nla() -> None:
    with shadow() as server, Client(server.port) as client:
        client.agree()
        client.secure()
        answer = client.token()
    assert answer.version == 6
    challenge = ntlm.parse_challenge(answer.nego_tokens[0])
    assert challenge.version == (6, 1, 7601)
    assert (challenge.netbios_computer or "").casefold() == socket.gethostname()[:15].casefold()
    assert challenge.timestamp is not None
    assert abs((challenge.timestamp - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.parametrize(
    ("kind", "settings", "then"),
    [
        ("xrdp", (0, 0, 0x00080004), session.LicenseRequest()),
        ("shadow", (0, 0, 0x0008000C), session.LicenseError(7, 2)),
    ],
)
def test_a_session_begins(kind: str, settings: tuple[int, int, int], then: session.Indication) -> None:
    started = xrdp(security_layer="tls") if kind == "xrdp" else shadow(security="tls")
    with started as server, Client(server.port) as client:
        client.agree()
        client.secure()
        answer = client.connect_mcs()
        assert answer.result == mcs.Result.SUCCESSFUL
        assert (answer.encryption_method, answer.encryption_level, answer.server_version) == settings
        assert answer.io_channel is not None
        client.join(answer.io_channel)
        assert client.inform(answer.io_channel) == then


def test_xrdp_encrypts_by_itself() -> None:
    with xrdp(security_layer="rdp") as server, Client(server.port) as client:
        client.agree()
        answer = client.connect_mcs()
    assert (answer.encryption_method, answer.encryption_level) == (2, 3)


@pytest.mark.parametrize("kind", ["xrdp", "shadow"])
def test_a_server_ends_with_its_block_even_while_a_client_is_there(kind: str) -> None:
    with xrdp() if kind == "xrdp" else shadow() as server:
        client = Client(server.port)
        client.agree()
    with client:
        assert client.rest()[1] in {"fin", "rst"}
    with pytest.raises(ConnectionRefusedError):
        Client(server.port)
    assert not server.log.exists()


@pytest.mark.parametrize(
    ("keys", "password", "code"),
    [(Keys.GOOD, None, 0), (Keys.GOOD, "wrong", 147), (Keys.MISMATCHED, None, 143)],
)
def test_a_real_client_at_a_real_server(keys: Keys, password: str | None, code: int) -> None:
    with shadow(keys=keys) as server:
        result = real_client(server.port) if password is None else real_client(server.port, password=password)
    assert result.code == code, result.text


def test_a_real_client_is_not_waited_for_forever() -> None:
    with serving("server-silent") as server:
        assert real_client(server.port, timeout=1).code is None


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("healthy", "STATUS_LOGON_FAILURE"),
        ("nla-broken-blocked", "STATUS_NTLM_BLOCKED"),
        ("server-no-certificate", "SSL_CERT_NOT_ON_SERVER"),
        ("server-security-layer-old-strict", "SSL_NOT_ALLOWED_BY_SERVER"),
        ("server-key-unusable", "ERRCONNECT_TLS_CONNECT_FAILED"),
        ("tls-version-mismatch", "ERRCONNECT_TLS_CONNECT_FAILED"),
        ("tls-cipher-mismatch", "ERRCONNECT_TLS_CONNECT_FAILED"),
        ("server-limits", "ERRINFO_SERVER_DENIED_CONNECTION"),
        ("server-limits-disconnect", "mcs_recv_connect_response failure"),
        ("server-licensing", "license connection sequence aborted"),
    ],
)
def test_the_scripted_server_convinces_a_real_client(fault: str, says: str) -> None:
    with serving(fault) as server:
        result = real_client(server.port)
    assert result.code
    assert says in result.text


def test_a_real_client_at_the_scripted_server_comes_as_far_as_the_session() -> None:
    with serving("healthy-tls") as server:
        assert real_client(server.port, timeout=2).code is None
    assert server.connections[0][-2:] == ("info", "left")
