import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire.tls_hello import Version, client_hello, read_server_flight
from core.wire.tls_suites import groups_for, suites_for
from tests.support.openssl_flights import answer, server

WITH_EXTENSIONS = tuple(version for version in Version if version > Version.SSL3)


def parts(hello: bytes) -> tuple[list[int], dict[int, bytes], bytes]:
    """Suites, extensions and session id of a hello, whose lengths must all fit."""
    kind, record_version, length = struct.unpack_from(">BHH", hello)
    assert (kind, record_version, length) == (22, min(record_version, 0x0301), len(hello) - 5)
    assert hello[5] == 1
    assert int.from_bytes(hello[6:9], "big") == len(hello) - 9
    at = 9 + 2 + 32
    session = hello[at + 1 : at + 1 + hello[at]]
    at += 1 + len(session)
    (length,) = struct.unpack_from(">H", hello, at)
    suites = list(struct.unpack_from(f">{length // 2}H", hello, at + 2))
    at += 2 + length
    assert hello[at : at + 2] == b"\x01\x00"
    at += 2
    extensions: dict[int, bytes] = {}
    if at < len(hello):
        assert struct.unpack_from(">H", hello, at)[0] == len(hello) - at - 2
        at += 2
    while at < len(hello):
        number, length = struct.unpack_from(">HH", hello, at)
        extensions[number] = hello[at + 4 : at + 4 + length]
        at += 4 + length
    assert at == len(hello)
    return suites, extensions, session


def seen_name(hello: bytes) -> str | None:
    """The server name that OpenSSL reads from a hello."""
    names: list[str | None] = []
    context = server()
    context.sni_callback = lambda _tls, name, _context: names.append(name)
    answer(context, hello)
    (name,) = names
    return name


def test_ssl3_hello_has_its_own_version_and_no_extensions():
    hello = client_hello(Version.SSL3, server_name="pc.example")
    suites, extensions, session = parts(hello)
    assert hello[1:3] == hello[9:11] == b"\x03\x00"
    assert suites == [*suites_for(Version.SSL3), 0x00FF]
    assert (extensions, session) == ({}, b"")
    assert hello.endswith(b"\x01\x00")


@pytest.mark.parametrize("version", [Version.TLS10, Version.TLS11, Version.TLS12])
def test_old_tls_hello(version):
    hello = client_hello(version)
    suites, extensions, session = parts(hello)
    assert hello[1:3] == b"\x03\x01"
    assert hello[9:11] == version.to_bytes(2, "big")
    assert suites == [*suites_for(version), 0x00FF]
    assert session == b""
    # 43 is supported_versions, 51 key_share: the old versions do not know them
    assert set(extensions) == {10, 11, 23} | ({13} if version == Version.TLS12 else set())


def test_tls13_hello_offers_nothing_else_and_brings_no_key():
    hello = client_hello(Version.TLS13)
    suites, extensions, session = parts(hello)
    assert hello[9:11] == b"\x03\x03"
    assert suites == list(suites_for(Version.TLS13))
    assert extensions[43] == b"\x02\x03\x04"
    assert extensions[51] == b"\x00\x00"
    assert extensions[10] == struct.pack(">H", 2 * len(groups_for(Version.TLS13))) + b"".join(
        group.to_bytes(2, "big") for group in groups_for(Version.TLS13)
    )
    assert len(session) == 32


def test_no_two_hellos_are_the_same():
    assert len({client_hello(Version.TLS13)[11:76] for _ in range(20)}) == 20


def test_chosen_suites_are_offered_in_their_order():
    assert parts(client_hello(Version.TLS12, suites=(0x002F, 0xC030)))[0] == [0x002F, 0xC030, 0x00FF]
    assert parts(client_hello(Version.TLS13, suites=(0x1303,)))[0] == [0x1303]


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("pc-anna", "pc-anna"),
        ("PC_1.corp.example.", "PC_1.corp.example"),
        ("3com.example", "3com.example"),
        ("müller.example", "xn--mller-kva.example"),
        (None, None),
        ("", None),
        ("10.0.0.5", None),
        ("127.1", None),
        ("0x7f000001", None),
        ("2130706433", None),
        ("１２７.０.０.１", None),
        ("::1", None),
        ("fe80::1%eth0", None),
        ("[::1]", None),
        ("a..b", None),
        ("two words", None),
        ("x" * 64, None),
        ("x." * 126 + "x", "x." * 126 + "x"),
        ("x." * 126 + "xx", None),
    ],
)
def test_only_host_names_are_sent_as_server_name(typed, sent):
    assert seen_name(client_hello(Version.TLS12, server_name=typed)) == sent


@given(st.text(max_size=300))
def test_any_name_makes_a_hello(name):
    parts(client_hello(Version.TLS13, server_name=name))


@pytest.mark.parametrize("version", WITH_EXTENSIONS)
def test_padding_reaches_the_length(version):
    plain = len(client_hello(version, server_name="pc.example"))
    for length in (plain + 4, 512, 1800, 2800, 16389):
        hello = client_hello(version, server_name="pc.example", pad_to=length)
        assert len(hello) == length
        padding = parts(hello)[1][21]
        assert padding == bytes(length - plain - 4)
    # Not even an empty extension fits into less than four bytes
    for more in (1, 2, 3):
        assert len(client_hello(version, server_name="pc.example", pad_to=plain + more)) == plain + 4
    for length in (0, plain):
        assert 21 not in parts(client_hello(version, server_name="pc.example", pad_to=length))[1]


@pytest.mark.parametrize(("version", "length"), [(Version.SSL3, 1800), (Version.TLS12, 16390)])
def test_padding_that_cannot_be(version, length):
    with pytest.raises(ValueError, match="padded"):
        client_hello(version, pad_to=length)


@pytest.mark.parametrize("pad_to", [None, 1800, 16389])
@pytest.mark.parametrize("version", WITH_EXTENSIONS)
def test_openssl_answers_every_hello_in_its_version(version, pad_to):
    flight = read_server_flight(
        answer(server(version), client_hello(version, server_name="pc.example", pad_to=pad_to))
    )
    assert (flight.version, flight.complete, flight.alert) == (version, True, None)


def test_one_suite_after_the_other_until_the_server_has_none_left():
    context = server(ciphers="ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA:DHE-RSA-AES128-SHA256:NULL-SHA256")
    left = list(suites_for(Version.TLS12))
    found = []
    while (
        flight := read_server_flight(answer(context, client_hello(Version.TLS12, suites=left)))
    ).suite is not None:
        left.remove(flight.suite)
        found.append(flight.suite_name)
    assert set(found) == {
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_RSA_WITH_NULL_SHA256",
    }
    assert len(found) == 4
    assert flight.alert is not None
    assert flight.alert.name == "handshake_failure"
