import functools
import hashlib
import ssl
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.wire.errors import WireError
from core.wire.tls_hello import ALERTS, Alert, Group, ServerFlight, Version, client_hello, read_server_flight
from tests.support.openssl_flights import answer, certificate, modern_hello, server

OLD_TLS = (Version.TLS10, Version.TLS11, Version.TLS12)
FATAL = bytes.fromhex("15 0303 0002 02")


def record(content: bytes, kind: int = 22, version: int = 0x0300) -> bytes:
    return struct.pack(">BHH", kind, version, len(content)) + content


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def hello(suite: int, version: int = 0x0300, extensions: bytes = b"", random: bytes = bytes(32)) -> bytes:
    body = struct.pack(">H", version) + random + b"\0" + struct.pack(">H", suite) + b"\0"
    if extensions:
        body += struct.pack(">H", len(extensions)) + extensions
    return message(2, body)


def chain(*certificates: bytes) -> bytes:
    entries = b"".join(len(entry).to_bytes(3, "big") + entry for entry in certificates)
    return message(11, len(entries).to_bytes(3, "big") + entries)


DONE = message(14, b"")
EXPORT_KEY = message(12, struct.pack(">H", 64) + b"\x80" + bytes(63) + b"\0\1\3" + b"\0\2xx")
SSL3_FLIGHT = record(hello(0x0003)) + record(chain(b"leaf", b"issuer")) + record(EXPORT_KEY) + record(DONE)


@functools.cache
def real_flights() -> tuple[bytes, ...]:
    """What OpenSSL answers, one flight of every form."""
    asking = server()
    asking.verify_mode = ssl.CERT_OPTIONAL
    return (
        answer(server(Version.TLS10, kind="ec"), client_hello(Version.TLS10)),
        answer(server(Version.TLS11, ciphers="DHE"), client_hello(Version.TLS11)),
        answer(asking, client_hello(Version.TLS12)),
        answer(server(Version.TLS13), client_hello(Version.TLS13)),
        answer(server(Version.TLS13, curve="X25519"), modern_hello()),
        answer(server(Version.TLS12), client_hello(Version.TLS10)),
        SSL3_FLIGHT,
    )


def refragmented(flight: bytes, size: int) -> bytes:
    """The same handshake messages, cut into records of `size` bytes without regard to where one ends."""
    stream, at = b"", 0
    while at < len(flight):
        (length,) = struct.unpack_from(">H", flight, at + 3)
        assert flight[at] == 22
        stream += flight[at + 5 : at + 5 + length]
        at += 5 + length
    return b"".join(record(stream[start : start + size]) for start in range(0, len(stream), size))


@pytest.mark.parametrize("version", OLD_TLS)
@pytest.mark.parametrize(
    ("kind", "ciphers", "suite", "group"),
    [
        ("rsa", "AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", None),
        ("rsa", "DHE-RSA-AES256-SHA", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", Group("DH", 1024)),
        ("rsa", "ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", Group("secp384r1")),
        ("ec", "ECDHE-ECDSA-AES256-SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", Group("secp384r1")),
        ("rsa", "NULL-SHA", "TLS_RSA_WITH_NULL_SHA", None),
    ],
)
def test_old_tls(version, kind, ciphers, suite, group):
    context = server(version, kind=kind, ciphers=ciphers, curve="secp384r1")
    flight = read_server_flight(answer(context, client_hello(version)))
    assert flight.suite_name == suite
    assert flight == ServerFlight(
        version=version, suite=flight.suite, group=group, certificates=(certificate(kind),), complete=True
    )


@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1", "X25519", "X448"])
def test_tls13_server_asks_for_another_hello_and_names_its_group(curve):
    flight = read_server_flight(answer(server(Version.TLS13, curve=curve), client_hello(Version.TLS13)))
    name = {"prime256v1": "secp256r1"}.get(curve, curve.lower())
    assert flight == ServerFlight(
        version=Version.TLS13, suite=0x1302, group=Group(name), hello_retry=True, complete=True
    )
    assert flight.suite_name == "TLS_AES_256_GCM_SHA384"


def test_tls13_server_that_got_a_key_goes_on():
    flight = read_server_flight(answer(server(Version.TLS13, curve="X25519"), modern_hello()))
    assert (flight.version, flight.group, flight.hello_retry) == (Version.TLS13, Group("x25519"), False)
    assert flight.complete
    assert flight.certificates == ()


def test_server_asks_for_a_client_certificate():
    context = server()
    assert not read_server_flight(answer(context, client_hello(Version.TLS12))).certificate_requested
    context.verify_mode = ssl.CERT_OPTIONAL
    flight = read_server_flight(answer(context, client_hello(Version.TLS12)))
    assert flight.certificate_requested
    assert flight.complete


# What the server speaks with which key, what it is asked for, and the alert that it answers with
@pytest.mark.parametrize(
    ("speaks", "kind", "asked", "suites", "alert"),
    [
        (Version.TLS12, "rsa", Version.TLS10, None, "protocol_version"),
        (Version.TLS13, "rsa", Version.TLS12, None, "protocol_version"),
        (Version.TLS12, "ec", Version.TLS12, (0x002F, 0x009C), "handshake_failure"),
        (Version.TLS13, "rsa", Version.TLS13, (0x1305,), "handshake_failure"),
    ],
)
def test_alerts(speaks, kind, asked, suites, alert):
    flight = read_server_flight(answer(server(speaks, kind=kind), client_hello(asked, suites=suites)))
    assert flight.alert is not None
    assert (flight.alert.level, flight.alert.name, flight.alert.final) == (2, alert, True)
    assert flight == ServerFlight(alert=flight.alert, complete=True)


def test_ssl3_with_a_temporary_export_key():
    flight = read_server_flight(SSL3_FLIGHT)
    assert flight.suite_name == "TLS_RSA_EXPORT_WITH_RC4_40_MD5"
    assert flight == ServerFlight(
        version=Version.SSL3,
        suite=3,
        group=Group("RSA", 512),
        certificates=(b"leaf", b"issuer"),
        complete=True,
    )


def test_all_messages_in_one_record():
    one = record(hello(0x0003) + chain(b"leaf", b"issuer") + EXPORT_KEY + DONE)
    assert read_server_flight(one) == read_server_flight(SSL3_FLIGHT)


def test_explicit_curve():
    flight = read_server_flight(record(hello(0xC013, 0x0301) + message(12, b"\x01\x00\x20")))
    assert flight.group == Group("explicit curve")


def test_numbers_that_nobody_knows_survive():
    extensions = bytes.fromhex("002b 0002 7f1c") + bytes.fromhex("0033 0002 2a2a")
    flight = read_server_flight(record(hello(0x4A4A, 0x0303, extensions)))
    assert flight == ServerFlight(version=0x7F1C, suite=0x4A4A, group=Group("0x2a2a"), complete=True)
    assert flight.suite_name == "0x4a4a"
    assert read_server_flight(FATAL + b"\x63").alert == Alert(2, 99)
    assert Alert(2, 99).name == "alert 99"


def test_suite_without_known_name_leaves_its_key_exchange_unread():
    flight = read_server_flight(record(hello(0xC0FF, 0x0303) + message(12, b"\xff\xff") + DONE))
    assert flight == ServerFlight(version=Version.TLS12, suite=0xC0FF, complete=True)


def test_marker_of_hello_retry_request():
    marker = hashlib.sha256(b"HelloRetryRequest").digest()
    assert read_server_flight(record(hello(0x1301, 0x0303, random=marker))).hello_retry
    assert not read_server_flight(record(hello(0x1301, 0x0303, random=marker[::-1]))).hello_retry


def test_a_warning_does_not_end_the_flight():
    warning = record(b"\x01\x70", kind=21)
    flight = read_server_flight(warning + SSL3_FLIGHT)
    assert flight.alert == Alert(1, 112)
    assert flight.alert.name == "unrecognized_name"
    assert flight.certificates == (b"leaf", b"issuer")
    assert read_server_flight(warning) == ServerFlight(alert=Alert(1, 112))


def test_a_final_alert_ends_the_flight_and_is_the_last():
    assert read_server_flight(record(b"\x01\x00", kind=21)).complete
    both = record(b"\x02\x28", kind=21) + record(b"\x01\x00", kind=21)
    assert read_server_flight(both).alert == Alert(2, 40)
    assert read_server_flight(record(b"\x01\x70\x02\x28\x01\x00", kind=21)).alert == Alert(2, 40)
    assert read_server_flight(record(hello(0x002F))[:60] + record(b"\x02\x50", kind=21)).alert == Alert(2, 80)


def test_an_alert_behind_a_complete_flight_is_seen():
    flight = read_server_flight(SSL3_FLIGHT + record(b"\x02\x33", kind=21))
    assert flight.alert == Alert(2, 51)
    assert flight.certificates == (b"leaf", b"issuer")


@pytest.mark.parametrize(
    "rest", ["1403030001 01", "1603030028" + "aa" * 40, "1503030020" + "bb" * 32, "ffffffffff", "48545450"]
)
def test_what_else_follows_a_complete_flight_does_not_matter(rest):
    assert read_server_flight(SSL3_FLIGHT + bytes.fromhex(rest)) == read_server_flight(SSL3_FLIGHT)


@pytest.mark.parametrize(
    "data",
    [
        b"\x03",
        bytes.fromhex("03000009 02f080 2180"),  # xrdp whose key does not fit its certificate
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100,
        b"\x16\x04",
        b"\x80\x03\x00\x00\x01",  # an error of SSL 2.0
    ],
)
def test_an_answer_that_is_no_tls(data):
    assert read_server_flight(data) == ServerFlight(plaintext=data[:64], complete=True)


def test_nothing_yet():
    assert read_server_flight(b"") == ServerFlight()
    assert read_server_flight(b"\x16") == ServerFlight()
    assert read_server_flight(b"\x15\x03\x03\x00\x02\x02") == ServerFlight()


HUGE = b"\x0b\x01\x00\x00"  # a Certificate message of 64 KB and its header


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (record(b"\x01", kind=20), "record of type 20"),
        (record(b"\x01", kind=23), "record of type 23"),
        (record(hello(0x002F)) + record(b"x", kind=24), "record of type 24"),
        (record(hello(0x002F)) + record(DONE, version=0x0200), "major version 2"),
        (record(b""), "record of 0 bytes"),
        (b"\x16\x03\x03\x40\x01", "record of 16385 bytes"),
        (record(b"\x02\x28\x01", kind=21), "alert record of 3 bytes"),
        (record(DONE), "message 14 in front"),
        (record(chain(b"leaf")), "message 11 in front"),
        (record(hello(0x002F) + hello(0x002F)), "second ServerHello"),
        (record(hello(0x002F) + HUGE), "message of 65540 bytes"),
        (record(message(2, b"\x03\x03")), "beyond the end"),
        (record(message(2, bytes(34) + b"\xff" + bytes(40))), "beyond the end"),
        (record(hello(0x002F, 0x0303, b"\0\x2b\0\x02\x03")), "beyond the end"),
        (record(hello(0x002F, 0x0303, b"\0\x2b\0\x01\x03")), "beyond the end"),
        (record(hello(0x002F) + message(11, b"\0\0\4\0\0\2x")), "beyond the end"),
        (record(hello(0x0033) + message(12, b"\1\0\xff")), "beyond the end"),
        (record(hello(0x002F)) + record(message(22, bytes(1000))) * 70, "within 64 KB"),
        (record(message(0, b"")) * 8000, "within 64 KB"),
    ],
)
def test_damaged(data, reason):
    with pytest.raises(WireError, match=reason):
        read_server_flight(data)


def test_a_flight_that_ends_just_within_the_bound():
    padding = (1 << 16) - len(record(hello(0x002F)) + record(DONE)) - 5 * 5
    stuffing = b"".join(
        record(message(22, bytes(size - 4))) for size in [padding // 5] * 4 + [padding - 4 * (padding // 5)]
    )
    data = record(hello(0x002F)) + stuffing + record(DONE)
    assert len(data) == 1 << 16
    assert read_server_flight(data).complete


@pytest.mark.parametrize("number", range(7))
def test_every_beginning_of_a_real_flight_agrees_with_the_whole(number):
    flight = real_flights()[number]
    whole = read_server_flight(flight)
    assert whole.complete
    known = ServerFlight()
    for end in range(len(flight) + 1):
        part = read_server_flight(flight[:end])
        assert part.plaintext is None
        for name in ("version", "suite", "group", "alert"):
            assert getattr(part, name) in (getattr(known, name), getattr(whole, name))
        assert part.certificates in (known.certificates, whole.certificates)
        assert part.complete >= known.complete
        known = part
    assert known == whole


@pytest.mark.parametrize("number", [0, 1, 2, 6])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 1400])
def test_records_may_be_cut_anywhere(number, size):
    flight = real_flights()[number]
    assert read_server_flight(refragmented(flight, size)) == read_server_flight(flight)


@given(
    st.binary(max_size=300)
    | st.tuples(st.sampled_from((21, 22)), st.binary(max_size=200)).map(lambda x: record(x[1], x[0]))
)
def test_any_bytes_are_a_flight_or_a_wire_error(data):
    try:
        flight = read_server_flight(data)
    except WireError:
        return
    assert flight.plaintext in (None, data[:64])


@settings(deadline=None)  # the first example makes the keys
@given(
    st.integers(0, 6), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_mutated_real_flights(number, changes):
    data = bytearray(real_flights()[number])
    for at, value in changes:
        data[at % len(data)] = value
    try:
        flight = read_server_flight(bytes(data))
    except WireError:
        return
    assert sum(map(len, flight.certificates)) <= len(data)


def test_alert_names():
    assert [ALERTS[number] for number in (0, 40, 70, 71, 80, 112)] == [
        "close_notify",
        "handshake_failure",
        "protocol_version",
        "insufficient_security",
        "internal_error",
        "unrecognized_name",
    ]
