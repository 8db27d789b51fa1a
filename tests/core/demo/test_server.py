"""Each fault does what its name says, seen from outside by blocking sockets, OpenSSL and the codecs."""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.demo import server as server_module
from core.demo.faults import DEFAULT, FAULTS, Step
from core.demo.server import ScriptedServer
from core.wire import credssp, mcs, ntlm, rdpudp, session
from core.wire.errors import WireError
from core.wire.stranger import Stranger
from core.wire.x224 import (
    ConnectionConfirm,
    Disconnect,
    FailureCode,
    NegotiationFailure,
    NotRdp,
    Protocol,
    connection_request,
    data_tpdu,
    new_correlation_id,
    parse_answer,
)
from tests.support.raw_client import ALL, ASK_ALL, Client, modern, permissive
from tests.support.scripted import serving

NLA_UP_TO_TOKEN = (Step.ACCEPTED, Step.REQUEST, Step.HELLO, Step.SECURED, Step.TOKEN)
TLS_UP_TO_INFO = (
    Step.ACCEPTED,
    Step.REQUEST,
    Step.HELLO,
    Step.SECURED,
    Step.CONNECT,
    Step.JOIN,
    Step.INFO,
)


@pytest.mark.parametrize(
    ("fault", "asked", "answered"),
    [
        ("healthy", ALL, Protocol.HYBRID_EX),
        ("healthy", Protocol.SSL | Protocol.HYBRID, Protocol.HYBRID),
        ("healthy", Protocol.SSL, FailureCode.HYBRID_REQUIRED_BY_SERVER),
        ("healthy", Protocol.RDP, FailureCode.HYBRID_REQUIRED_BY_SERVER),
        ("healthy", ALL | Protocol.RDSAAD, Protocol.HYBRID_EX),
        ("nla-required", Protocol.SSL, FailureCode.HYBRID_REQUIRED_BY_SERVER),
        ("healthy-tls", ALL, Protocol.SSL),
        ("healthy-tls", Protocol.RDP, FailureCode.SSL_REQUIRED_BY_SERVER),
        ("server-no-certificate", ALL, FailureCode.SSL_CERT_NOT_ON_SERVER),
        ("server-no-certificate", Protocol.SSL, FailureCode.SSL_CERT_NOT_ON_SERVER),
        ("server-security-layer-old", ALL, None),
        ("server-security-layer-old", Protocol.RDP, None),
        ("server-security-layer-old-strict", ALL, FailureCode.SSL_NOT_ALLOWED_BY_SERVER),
        ("server-security-layer-old-strict", Protocol.RDP, Protocol.RDP),
    ],
)
def test_negotiation(fault: str, asked: Protocol, answered: Protocol | FailureCode | None) -> None:
    with serving(fault) as server, Client(server.port) as client:
        if isinstance(answered, FailureCode):
            assert client.ask(connection_request(asked)) == NegotiationFailure(answered)
        else:
            assert client.agree(connection_request(asked)) == answered


def test_every_form_of_request_is_understood() -> None:
    forms = (
        connection_request(ALL, cookie=None),
        connection_request(ALL, routing_token=b"Cookie: msts=1.2.3"),
        connection_request(ALL, correlation_id=new_correlation_id()),
    )
    with serving("healthy") as server:
        for form in forms:
            with Client(server.port) as client:
                assert client.agree(form) is Protocol.HYBRID_EX


@pytest.mark.parametrize(
    ("fault", "steps", "said", "end"),
    [
        ("not-rdp", 2, NotRdp, "fin"),
        ("not-rdp-ssh", 1, NotRdp, "silence"),
        ("not-rdp-tls", 1, None, "fin"),
        ("server-silent", 1, None, "silence"),
        ("server-hangs-up-early", 2, None, "fin"),
        ("server-hangs-up-early-reset", 2, None, "rst"),
        ("server-garbage", 2, WireError, "silence"),
        ("server-garbage-confirm", 2, WireError, "fin"),
    ],
)
def test_a_request_is_answered_badly(fault: str, steps: int, said: type | None, end: str) -> None:
    with serving(fault) as server, Client(server.port) as client:
        client.sock.sendall(ASK_ALL)
        data, how = client.rest()
    assert how == end
    assert server.connections[0][:2] == (Step.ACCEPTED, Step.REQUEST)[:steps] + (Step.LEFT,) * (2 - steps)
    if said is WireError:
        with pytest.raises(WireError):
            parse_answer(data)
    elif said is NotRdp:
        assert isinstance(parse_answer(data), NotRdp)
    else:
        assert data == b""


@pytest.mark.parametrize(("fault", "kind"), [("not-rdp", Stranger.HTTP), ("not-rdp-ssh", Stranger.SSH)])
def test_strangers_are_recognised(fault: str, kind: Stranger) -> None:
    with serving(fault) as server, Client(server.port) as client:
        client.sock.sendall(ASK_ALL)
        answer = parse_answer(client.rest()[0])
    assert isinstance(answer, NotRdp)
    assert answer.kind is kind


def test_a_tls_port_takes_a_hello_at_once() -> None:
    with serving("not-rdp-tls") as server, Client(server.port) as client:
        client.secure()
        assert client.rest() == (b"", "silence")
    assert server.connections == [(Step.ACCEPTED, Step.SECURED, Step.LEFT)]


def test_a_closed_port_refuses() -> None:
    with serving("port-closed") as server:
        assert server.port
        with pytest.raises(ConnectionRefusedError):
            Client(server.port)
    assert server.connections == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("server-key-unusable", "EOF"),
        ("server-key-unusable-reset", "reset"),
        ("tls-version-mismatch", "ALERT_PROTOCOL_VERSION"),
        ("tls-version-mismatch-alert", "ALERT_PROTOCOL_VERSION"),
        ("tls-cipher-mismatch", "ALERT_HANDSHAKE_FAILURE"),
        ("tls-cipher-mismatch-null", "ALERT_HANDSHAKE_FAILURE"),
        ("server-garbage-tls", "PACKET_LENGTH|WRONG_VERSION|RECORD|EOF"),
        ("server-flood-tls", "EXCESSIVE_MESSAGE_SIZE"),
    ],
)
def test_tls_fails(fault: str, reason: str) -> None:
    with serving(fault) as server, Client(server.port) as client:
        assert client.agree() is Protocol.HYBRID_EX
        with pytest.raises(OSError, match=reason):
            client.secure()
    assert server.connections[0][:3] == (Step.ACCEPTED, Step.REQUEST, Step.HELLO)


@pytest.mark.parametrize(
    ("fault", "version", "cipher"),
    [
        ("healthy", "TLSv1.3", "AES"),
        ("tls-version-mismatch", "TLSv1", "AES"),
        ("tls-cipher-mismatch-null", "TLSv1.2", "NULL"),
    ],
)
def test_a_permissive_client_gets_through(fault: str, version: str, cipher: str) -> None:
    with serving(fault) as server, Client(server.port) as client:
        client.agree()
        client.secure(permissive())
        assert client.tls_version() == version
        assert isinstance(client.sock, ssl.SSLSocket)
        assert cipher in str(client.sock.cipher())


def test_tls_1_2_is_served_too() -> None:
    context = modern()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving("healthy") as server, Client(server.port) as client:
        client.agree()
        client.secure(context)
        assert client.token().nego_tokens


def certificate_of(fault: str) -> x509.Certificate:
    with serving(fault) as server, Client(server.port) as client:
        client.agree()
        client.secure(permissive())
        return client.certificate()


@pytest.mark.parametrize(
    ("fault", "name", "begun", "over"),
    [
        ("healthy", "PC-ANNA", True, False),
        (DEFAULT, "PC-ANNA", True, True),
        ("server-certificate-not-yet-valid", "PC-ANNA", False, False),
        ("server-certificate-wrong-name", "PC-BERTA", True, False),
    ],
)
def test_certificates(fault: str, name: str, begun: bool, over: bool) -> None:
    certificate = certificate_of(fault)
    now = datetime.now(UTC)
    assert certificate.subject.rfc4514_string() == f"CN={name}"
    assert certificate.issuer == certificate.subject
    assert (certificate.not_valid_before_utc <= now) is begun
    assert (certificate.not_valid_after_utc < now) is over
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [name]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_a_weak_certificate() -> None:
    key = certificate_of("server-certificate-weak").public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 1024


@pytest.mark.parametrize(
    ("fault", "minutes"),
    [("healthy", 0), (DEFAULT, 0), ("server-certificate-wrong-name", 0), ("clock-skew", 7)],
)
def test_the_challenge_tells_of_windows(fault: str, minutes: int) -> None:
    with serving(fault) as server, Client(server.port) as client:
        client.agree()
        client.secure()
        answer = client.token()
    assert answer.version == 6
    challenge = ntlm.parse_challenge(answer.nego_tokens[0])
    assert (challenge.netbios_computer, challenge.dns_computer) == ("PC-ANNA", "PC-ANNA")
    assert challenge.version == (10, 0, 20348)
    assert ntlm.Flags.TARGET_TYPE_SERVER in challenge.flags
    assert not challenge.is_domain
    assert challenge.timestamp is not None
    ahead = challenge.timestamp - datetime.now(UTC)
    assert abs(ahead - timedelta(minutes=minutes)) < timedelta(seconds=5)
    assert server.connections == [(*NLA_UP_TO_TOKEN, Step.LEFT)]


def test_a_log_on_is_refused_whatever_it_says() -> None:
    with serving("healthy") as server, Client(server.port) as client:
        client.agree()
        client.secure()
        client.token()
        assert client.token().error_code == 0xC000006D
    assert server.connections == [(*NLA_UP_TO_TOKEN, Step.AUTHENTICATE, Step.LEFT)]


@pytest.mark.parametrize(("fault", "end"), [("nla-broken", "fin"), ("nla-broken-silent", "silence")])
def test_nla_ends(fault: str, end: str) -> None:
    with serving(fault) as server, Client(server.port) as client:
        client.agree()
        client.secure()
        client.sock.sendall(credssp.encode_negotiate(ntlm.negotiate()))
        assert client.rest() == (b"", end)
    assert server.connections[0][:5] == NLA_UP_TO_TOKEN


def test_nla_is_blocked_by_policy() -> None:
    with serving("nla-broken-blocked") as server, Client(server.port) as client:
        client.agree()
        client.secure()
        answer = client.token()
        assert (answer.error_code, answer.nego_tokens) == (0xC0000418, ())
        assert client.rest() == (b"", "fin")


def test_nla_answers_with_lies() -> None:
    with serving("server-garbage-nla") as server, Client(server.port) as client:
        client.agree()
        client.secure()
        answer = client.token()
    assert answer.version == -1
    with pytest.raises(WireError):
        ntlm.parse_challenge(answer.nego_tokens[0])


@contextlib.contextmanager
def secured(fault: str) -> Iterator[tuple[ScriptedServer, Client]]:
    with serving(fault) as server, Client(server.port) as client:
        assert client.agree() is Protocol.SSL
        client.secure()
        yield server, client


def test_a_server_without_nla_lets_the_client_wait_for_its_session() -> None:
    with secured("healthy-tls") as (server, client):
        settings = client.connect_mcs()
        assert settings.result == mcs.Result.SUCCESSFUL
        assert settings.requested_protocols == ALL
        assert settings.io_channel is not None
        assert (settings.encryption_method, settings.encryption_level) == (0, 0)
        client.join(settings.io_channel)
        assert client.inform(settings.io_channel) == session.LicenseError(7, 2)
        assert client.rest() == (b"", "silence")
    assert server.connections == [(*TLS_UP_TO_INFO, Step.LEFT)]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("server-limits", session.SetErrorInfo(7)),
        ("server-licensing", session.LicenseError(6, session.LicenseTransition.TOTAL_ABORT)),
    ],
)
def test_the_session_is_refused_after_the_client_info(fault: str, answer: session.Indication) -> None:
    with secured(fault) as (server, client):
        channel = client.connect_mcs().io_channel
        assert channel is not None
        client.join(channel)
        assert client.inform(channel) == answer
        if fault == "server-limits":
            assert mcs.parse_domain_pdu(client.pdu()) == mcs.DisconnectUltimatum(1)
        assert client.rest() == (b"", "fin")
    assert server.connections == [TLS_UP_TO_INFO]


def test_the_session_is_refused_in_mcs() -> None:
    with secured("server-limits-full") as (_, client):
        assert client.connect_mcs().result == mcs.Result.TOO_MANY_USERS
        assert client.rest() == (b"", "fin")
    with secured("server-limits-disconnect") as (_, client):
        client.sock.sendall(data_tpdu(mcs.encode_connect_initial(Protocol.SSL)))
        data, how = client.rest()
        assert (parse_answer(data), how) == (Disconnect(1), "fin")
    with secured("server-garbage-mcs") as (_, client), pytest.raises(WireError):
        client.connect_mcs()


@pytest.mark.parametrize("fault", ["server-security-layer-old", "server-security-layer-old-strict"])
def test_standard_rdp_security_goes_on_without_tls(fault: str) -> None:
    with serving(fault) as server, Client(server.port) as client:
        client.agree(connection_request(Protocol.RDP))
        settings = client.connect_mcs()
    assert (settings.encryption_method, settings.encryption_level) == (2, 2)
    assert server.connections == [(Step.ACCEPTED, Step.REQUEST, Step.CONNECT, Step.LEFT)]


def test_a_flood_ends_with_the_client() -> None:
    received = 0
    with serving("server-flood") as server, Client(server.port) as client:
        client.sock.sendall(ASK_ALL)
        while received < 4_000_000:
            received += len(client.sock.recv(1 << 20))
    assert server.connections == [(Step.ACCEPTED, Step.REQUEST, Step.LEFT)]


def test_a_trickle_comes_byte_by_byte() -> None:
    script = FAULTS["server-trickle"]
    assert script.stop is not None
    assert script.stop.pause_s == 1.0
    quick = replace(script, stop=replace(script.stop, pause_s=0.005))
    with serving(quick) as server, Client(server.port) as client:
        client.sock.sendall(ASK_ALL)
        pieces = [client.sock.recv(4096) for _ in range(3)]
        assert [len(piece) for piece in pieces] == [1, 1, 1]
        data, how = client.rest()
    assert how == "silence"
    assert parse_answer(b"".join(pieces) + data) == parse_answer(script.stop.say)


def test_udp_answers_on_the_same_port() -> None:
    with serving("healthy", udp=True) as server, socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", server.port))
        sock.send(b"not a SYN")
        sock.send(rdpudp.syn(0xCAFE))
        answer = sock.recv(2000)
    assert len(answer) == rdpudp.DATAGRAM_SIZE
    assert rdpudp.parse_answer(answer, 0xCAFE).version == rdpudp.Version.V2


def test_without_the_flag_udp_is_refused() -> None:
    with serving("healthy") as server, socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", server.port))
        sock.send(rdpudp.syn(0xCAFE))
        with pytest.raises(ConnectionError):
            sock.recv(2000)


def test_several_clients_at_once_and_on_ipv6() -> None:
    with serving("healthy", host="::1") as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port, "::1")) for _ in range(10)]
        for client in clients:
            client.agree()
        for client in clients:
            client.secure()
            client.token()
        assert server.connections == [NLA_UP_TO_TOKEN] * 10


def test_only_loopback_is_served() -> None:
    with pytest.raises(ValueError, match="loopback"):
        ScriptedServer(FAULTS["healthy"], host="0.0.0.0")


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with (
            pytest.raises(OSError, match=r"in use|10048"),
            serving("healthy", port=sock.getsockname()[1], udp=True),
        ):
            pass


def test_a_conversation_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "DEADLINE_S", 0.05)
    with serving("server-silent") as server, Client(server.port) as client:
        assert client.sock.recv(1) == b""


def test_input_is_bounded() -> None:
    with serving("server-silent") as server, Client(server.port) as client:
        with pytest.raises(OSError, match=r"reset|pipe"):
            client.sock.sendall(bytes(20_000_000))
        assert server.connections == [(Step.ACCEPTED, Step.LEFT)]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_unwinds_while_clients_are_connected(fault: str) -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            async with ScriptedServer(FAULTS[fault], udp=True) as server:
                for request in (
                    b"",
                    ASK_ALL,
                    ASK_ALL + b"\x16\x03\x01\x00\x00",
                ):
                    sock = stack.enter_context(socket.socket())
                    sock.setblocking(False)
                    with contextlib.suppress(ConnectionRefusedError):
                        await loop.sock_connect(sock, ("127.0.0.1", server.port))
                        await loop.sock_sendall(sock, request)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(go(), debug=True)
    gc.collect()


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("clients", [1, 2, 3])
def test_leaving_while_clients_arrive_loses_no_socket(turns: int, clients: int) -> None:
    """One turn of the loop more or less decides whether the server ends before, while or after it accepts."""

    async def go() -> None:
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(socket.socket()) for _ in range(clients)]
            async with ScriptedServer(FAULTS["server-silent"]) as server:
                await asyncio.sleep(0)
                for sock in socks:
                    sock.connect(("127.0.0.1", server.port))
                for _ in range(turns):
                    await asyncio.sleep(0)

    asyncio.run(go())
    gc.collect()


def test_an_error_inside_the_block_comes_out_as_it_is() -> None:
    async def go() -> None:
        async with ScriptedServer(FAULTS["healthy"]):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(go())


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["raw", "nla", "mcs", "joins"]))
def test_any_bytes_are_survived(shared_servers: dict[str, ScriptedServer], data: bytes, layer: str) -> None:
    server = shared_servers["healthy" if layer == "nla" else "healthy-tls"]
    with Client(server.port) as client:
        if layer != "raw":
            client.agree()
            client.secure()
        if layer == "joins":
            client.connect_mcs()
            data = data_tpdu(data)
        client.sock.sendall(data)
    with Client(server.port) as client:
        assert isinstance(client.ask(), ConnectionConfirm)


@pytest.fixture(scope="module")
def shared_servers() -> Iterator[dict[str, ScriptedServer]]:
    with serving("healthy") as nla, serving("healthy-tls") as tls:
        yield {"healthy": nla, "healthy-tls": tls}
