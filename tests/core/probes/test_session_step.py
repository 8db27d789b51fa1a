from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from core.demo.faults import FAULTS, IO_CHANNEL, USER, VALID_CLIENT, indication
from core.demo.faults import Step as Came
from core.demo.server import ScriptedServer
from core.probes import session_step, x224_step
from core.probes.ending import How, Step
from core.probes.session_step import Reached, SessionFact, connect
from core.probes.tls_step import TlsStream
from core.wire import mcs, session
from core.wire.mcs import AttachUserConfirm, ChannelJoinConfirm, ConnectResponse, Result
from core.wire.x224 import Protocol, TpktReader, data_tpdu, unwrap_data
from tests.support.loopback import (
    MOST_BYTES,
    Peer,
    Talk,
    connected,
    floods,
    hurry,
    listening,
    run,
    says,
    trickles,
)
from tests.support.recorded import recorded

ACCEPTS = ConnectResponse(result=0, encryption_method=0, encryption_level=0, io_channel=IO_CHANNEL)


def response(**known: int) -> bytes:
    return data_tpdu(mcs.encode_connect_response(replace(ACCEPTS, **known)))


def attached(result: int = 0, user: int | None = USER) -> bytes:
    return data_tpdu(mcs.encode_attach_confirm(AttachUserConfirm(result, user)))


def joined(channel: int = IO_CHANNEL, result: int = 0, *, really: bool = True) -> bytes:
    confirm = ChannelJoinConfirm(result, USER, channel if really else None)
    return data_tpdu(mcs.encode_join_confirm(confirm, channel))


def license_error(code: int, transition: int = 1) -> bytes:
    return indication(session.encode_license_error(session.LicenseError(code, transition)))


def error_info(code: int) -> bytes:
    return indication(session.encode_set_error_info(session.SetErrorInfo(code)))


LEAVES = data_tpdu(mcs.encode_disconnect_ultimatum(mcs.Reason.PROVIDER_INITIATED))
CHANNELS = response() + attached() + joined(USER) + joined()
SMALL_TALK = indication(b"small talk")
DEMAND = indication(b"\x06\x00\x11\x00\xea\x03")
LICENSE_REQUEST = data_tpdu(mcs.encode_send_data_indication(1002, IO_CHANNEL, b"\x80\0\0\0\x01\x03\x04\0"))


def walk(talk: Talk, host: str = "127.0.0.1") -> SessionFact:
    return converse(talk, host)[0]


def converse(talk: Talk, host: str = "127.0.0.1") -> tuple[SessionFact, bytes]:
    """The fact, and what the server heard. Without TLS, which the step does not see anyway."""

    async def go() -> tuple[SessionFact, bytes]:
        async with listening(talk, host=host) as server:
            async with connected(server.port, host) as connection:
                fact = await connect(connection, Protocol.SSL)
            return fact, (await server.ended.get()).received

    return run(go())


# --- how far it comes


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (CHANNELS + VALID_CLIENT, {"reached": Reached.LICENSING, "license_code": 7, "license_transition": 2}),
        (CHANNELS + VALID_CLIENT + DEMAND, {"reached": Reached.SESSION, "license_code": 7}),
        (CHANNELS + DEMAND, {"reached": Reached.SESSION, "license_code": None}),
        (CHANNELS + LICENSE_REQUEST, {"reached": Reached.LICENSING, "license_code": None}),
        (
            CHANNELS + SMALL_TALK * 9 + error_info(0) + DEMAND,
            {"reached": Reached.SESSION, "error_info": None},
        ),
        (CHANNELS + license_error(6), {"reached": Reached.LICENSING, "license_code": 6}),
        (CHANNELS + error_info(7) + LEAVES, {"reached": Reached.CHANNELS, "error_info": 7}),
        (CHANNELS + VALID_CLIENT + error_info(0x10A), {"reached": Reached.LICENSING, "error_info": 0x10A}),
        (CHANNELS + LEAVES, {"reached": Reached.CHANNELS, "disconnect": 1}),
        (CHANNELS + VALID_CLIENT + LEAVES, {"reached": Reached.LICENSING, "disconnect": 1}),
        (LEAVES, {"reached": Reached.NOTHING, "disconnect": 1, "mcs_result": None}),
        (response() + LEAVES, {"reached": Reached.MCS, "disconnect": 1, "mcs_result": 0}),
        (
            response(result=Result.TOO_MANY_USERS),
            {"reached": Reached.NOTHING, "mcs_result": Result.TOO_MANY_USERS},
        ),
        (
            response() + attached(Result.TOO_MANY_USERS, None),
            {"reached": Reached.MCS, "mcs_result": Result.TOO_MANY_USERS},
        ),
        (
            response() + attached() + joined(USER) + joined(result=14, really=False),
            {"reached": Reached.MCS, "mcs_result": 14},
        ),
        (
            response(encryption_method=2, encryption_level=3, server_version=0x00080004, multitransport=1),
            {
                "reached": Reached.MCS,
                "encryption_method": 2,
                "encryption_level": 3,
                "server_version": 0x00080004,
                "multitransport": 1,
            },
        ),
    ],
)
def test_how_far_it_comes(monkeypatch: pytest.MonkeyPatch, said: bytes, known: dict[str, object]) -> None:
    monkeypatch.setattr(session_step, "_AFTERWARDS", 0.05)
    fact = walk(says(said, Peer.silence))
    assert {name: getattr(fact, name) for name in known} == known
    assert fact.ending is None


@pytest.mark.parametrize(
    ("server", "last", "reached"),
    [
        ("freerdp-shadow-2.11.7", ("license-valid-client", "demand-active"), Reached.SESSION),
        ("xrdp-0.9.21", ("license-request",), Reached.LICENSING),
    ],
)
def test_what_real_servers_say(server: str, last: Sequence[str], reached: Reached) -> None:
    def said(what: str) -> bytes:
        return data_tpdu(recorded(f"{server}-tls-{what}"))

    words = said("connect-response") + attached() + joined(USER) + joined()
    for what in last:
        words += said(what)
    fact = walk(says(words, Peer.silence))
    assert (fact.reached, fact.ending, fact.mcs_result) == (reached, None, 0)


def test_over_ipv6_and_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_step, "_AFTERWARDS", 0.05)

    async def go() -> tuple[SessionFact, Sequence[Came]]:
        async with (
            ScriptedServer(FAULTS["healthy-tls"], host="::1") as server,
            connected(server.port, "::1") as connection,
        ):
            await x224_step.negotiate(connection)
            stream = TlsStream(connection, None)
            await stream.handshake()
            fact = await connect(stream, Protocol.SSL)
        return fact, server.connections[0]

    fact, steps = run(go())
    assert (fact.reached, fact.license_code, fact.ending) == (Reached.LICENSING, 7, None)
    assert fact.requested_echo == int(x224_step.OFFER)
    assert Came.INFO in steps


# --- what it sends


def pdus(heard: bytes) -> list[bytes]:
    return [unwrap_data(tpdu) for tpdu in TpktReader().feed(heard)]


def test_what_the_server_hears_names_nobody() -> None:
    _, heard = converse(says(CHANNELS + DEMAND, Peer.silence))
    connects, erects, attaches, *joins, info, leaves = pdus(heard)
    assert connects == mcs.encode_connect_initial(Protocol.SSL)
    assert (erects, attaches) == (mcs.ERECT_DOMAIN_REQUEST, mcs.ATTACH_USER_REQUEST)
    assert joins == [mcs.encode_join_request(USER, USER), mcs.encode_join_request(USER, IO_CHANNEL)]
    assert info == mcs.encode_send_data_request(USER, IO_CHANNEL, session.client_info())
    assert leaves == mcs.encode_disconnect_ultimatum(mcs.Reason.USER_REQUESTED)


def test_the_channel_of_the_server_is_used() -> None:
    said = response(io_channel=1010) + attached() + joined(USER) + joined(1010)
    _, heard = converse(says(said, Peer.finish))
    assert mcs.encode_join_request(USER, 1010) in pdus(heard)


def test_nothing_is_sent_in_the_clear_where_rdp_itself_encrypts() -> None:
    _, heard = converse(says(response(encryption_method=2), Peer.silence))
    assert len(pdus(heard)) == 1


# --- how it ends


@pytest.mark.parametrize(
    ("talk", "step", "how", "reached"),
    [
        (says(b""), Step.MCS, How.FIN, Reached.NOTHING),
        (says(b"", Peer.reset), Step.MCS, How.RST, Reached.NOTHING),
        (says(response()), Step.MCS, How.FIN, Reached.MCS),
        (says(response() + attached()), Step.MCS, How.FIN, Reached.MCS),
        (says(CHANNELS), Step.LICENSING, How.FIN, Reached.CHANNELS),
        (says(CHANNELS + VALID_CLIENT), Step.LICENSING, How.FIN, Reached.LICENSING),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Step.MCS, How.GARBAGE, Reached.NOTHING),
        (says(data_tpdu(b"\x7f\x66\x82\xff\xff\x0a\x01\x00")), Step.MCS, How.GARBAGE, Reached.NOTHING),
        (says(data_tpdu(b"")), Step.MCS, How.GARBAGE, Reached.NOTHING),
        (says(response() + data_tpdu(b"")), Step.MCS, How.GARBAGE, Reached.MCS),
        (says(response() + response()), Step.MCS, How.GARBAGE, Reached.MCS),
        (says(response() + joined() * 99), Step.MCS, How.GARBAGE, Reached.MCS),
        (
            says(CHANNELS, says(b"\x16\x03\x03\x00\x01\x01")),
            Step.LICENSING,
            How.GARBAGE,
            Reached.CHANNELS,
        ),
        (
            says(CHANNELS + indication(b"\x80\0\0\0\xff\x03\x04\0")),
            Step.LICENSING,
            How.GARBAGE,
            Reached.CHANNELS,
        ),
        (says(CHANNELS + joined() * 99), Step.LICENSING, How.GARBAGE, Reached.CHANNELS),
    ],
)
def test_endings(talk: Talk, step: Step, how: How, reached: Reached) -> None:
    fact = walk(talk)
    assert fact.ending is not None
    assert (fact.ending.step, fact.ending.how, fact.reached) == (step, how, reached)
    assert bool(fact.ending.detail) is (how is How.GARBAGE)


@pytest.mark.parametrize(
    ("talk", "step", "how", "received"),
    [
        (says(b"", Peer.silence), Step.MCS, How.SILENCE, 0),
        (says(response()[:50], Peer.silence), Step.MCS, How.INCOMPLETE, 50),
        (trickles(b"\x03\x00\xff\xff" + bytes(100)), Step.MCS, How.INCOMPLETE, None),
        # That it said much before does not make its silence an answer.
        (says(CHANNELS, Peer.silence), Step.LICENSING, How.SILENCE, 0),
        (says(CHANNELS, says(LICENSE_REQUEST[:-1], Peer.silence)), Step.LICENSING, How.INCOMPLETE, 21),
    ],
)
def test_waiting_has_an_end(
    monkeypatch: pytest.MonkeyPatch, talk: Talk, step: Step, how: How, received: int | None
) -> None:
    hurry(monkeypatch, 0.1)
    fact = walk(talk)
    assert fact.ending is not None
    assert (fact.ending.step, fact.ending.how) == (step, how)
    assert received in {None, fact.ending.received}
    assert fact.ending.after_ms >= 1000 * session_step.WAIT - 1


def test_silence_after_the_licence_is_where_we_wanted_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_step, "_AFTERWARDS", 0.05)
    fact = walk(says(CHANNELS + VALID_CLIENT, Peer.silence))
    assert (fact.reached, fact.ending) == (Reached.LICENSING, None)


@pytest.mark.parametrize("last", [license_error(6), error_info(7), LICENSE_REQUEST, DEMAND])
def test_nothing_is_waited_for_once_the_matter_is_settled(last: bytes) -> None:
    assert walk(says(CHANNELS + last)).ending is None


def test_small_talk_is_not_listened_to_forever() -> None:
    fact = walk(says(CHANNELS + SMALL_TALK * 500, Peer.silence))
    assert fact.reached is Reached.CHANNELS
    assert fact.took_ms < 1000 * session_step.WAIT


@pytest.mark.parametrize("said", [b"\x03\x00\xff\xff" + bytes(0xFFFF - 4), SMALL_TALK * 5000])
def test_a_flood_is_not_swallowed(said: bytes) -> None:
    fact = walk(floods(said))
    assert fact.ending is not None
    assert fact.ending.how is How.GARBAGE
    assert fact.ending.received <= MOST_BYTES
