"""NTLM NEGOTIATE and CHALLENGE."""

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire import credssp, der, ntlm
from core.wire.errors import WireError
from core.wire.ntlm import Challenge, Flags
from tests.support.recorded import hostile, recorded

SHADOW = credssp.parse(recorded("freerdp-shadow-2.11.7-nla-ts-request")).nego_tokens[0]

# MS-NLMP 4.2.4.3
SPEC = bytes.fromhex(
    "4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef 0000000000000000 2400240044000000"
    "0600701700 00000f 530065007200760065007200"
    "02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000"
)

FULL = Challenge(
    target_name="LAB",
    flags=Flags.UNICODE | Flags.TARGET_INFO | Flags.VERSION | Flags.TARGET_TYPE_DOMAIN,
    netbios_computer="RDPHOST01",
    netbios_domain="LAB",
    dns_computer="rdphost01.lab.example",
    dns_domain="lab.example",
    dns_tree="example",
    version=(10, 0, 20348),
    timestamp=datetime(2026, 11, 22, 9, 30, 15, 123456, UTC),
)


def challenge(flags: int, name: bytes = b"", pairs: bytes = b"", offset: int = 56) -> bytes:
    """A CHALLENGE with a name and AV_PAIRs as raw bytes, placed at `offset`."""
    fields = struct.pack(
        "<8sIHHII16xHHI", ntlm.SIGNATURE, 2, len(name), 0, offset, flags, len(pairs), 0, offset + len(name)
    )
    return fields + bytes(8) + name + pairs


def av(av_id: int, value: bytes) -> bytes:
    return struct.pack("<HH", av_id, len(value)) + value


def spnego(*fields: tuple[int, bytes]) -> bytes:
    """A NegTokenResp."""
    inner = (der.encode(der.explicit(number), value) for number, value in fields)
    return der.encode(der.explicit(1), der.encode(der.SEQUENCE, *inner))


def test_negotiate_states_flags_and_version_and_no_names() -> None:
    assert ntlm.negotiate().hex(" ", 8) == (
        "4e544c4d53535000 01000000978208e2 0000000028000000 0000000028000000 0a00614a0000000f"
    )


def test_challenge_of_freerdp() -> None:
    found = ntlm.parse_challenge(SHADOW)
    assert found.target_name == found.netbios_computer == found.netbios_domain == "RDPHOST01"
    assert found.dns_computer == found.dns_domain == "RDPHOST01"
    assert found.dns_tree is None
    assert found.version == (6, 1, 7601)
    assert not found.is_domain
    assert found.timestamp is not None
    assert (found.timestamp.year, found.timestamp.microsecond, found.timestamp.tzinfo) == (2026, 0, UTC)


def test_challenge_of_the_specification() -> None:
    found = ntlm.parse_challenge(SPEC)
    assert (found.target_name, found.netbios_domain, found.netbios_computer) == ("Server", "Domain", "Server")
    assert found.version == (6, 0, 6000)
    assert found.flags == 0xE28A8233
    assert Flags.TARGET_TYPE_SERVER in found.flags
    assert not found.is_domain
    assert (found.dns_computer, found.timestamp) == (None, None)


def test_challenge_inside_of_spnego() -> None:
    states = (0, bytes.fromhex("0a0101")), (1, bytes.fromhex("060a2b06010401823702020a"))
    wrapped = spnego(*states, (2, der.encode(der.OCTET_STRING, SPEC)))
    assert ntlm.parse_challenge(wrapped) == ntlm.parse_challenge(SPEC)


def test_everything_a_windows_server_says() -> None:
    found = ntlm.parse_challenge(ntlm.encode_challenge(FULL))
    assert found == FULL
    assert found.is_domain


def test_challenge_without_target_info() -> None:
    found = ntlm.parse_challenge(challenge(0, b"OLD\xe4HOST"))
    assert (found.target_name, found.netbios_computer, found.version) == ("OLD\ufffdHOST", None, None)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"", ""),
        ("x".encode("utf-16-le") * 300, "x" * 255),
        (b"\x00\xd8a\x00", "\ufffda"),  # half of a surrogate pair
        (b"a\x00b", "a\ufffd"),  # half of a character
        (b"a\x00\x00\x00\n\x00", "a\0\n"),  # who shows it has to care
    ],
)
def test_names_are_a_strangers_text(raw: bytes, name: str) -> None:
    flags = Flags.UNICODE | Flags.TARGET_INFO
    found = ntlm.parse_challenge(challenge(flags, raw, av(3, raw)))
    assert (found.target_name, found.dns_computer) == (name, name)


@pytest.mark.parametrize(
    ("raw", "time"),
    [
        (0, None),
        (0xFFFFFFFFFFFFFFFF, None),
        (116444736000000000, datetime(1970, 1, 1, tzinfo=UTC)),
        (116444736000000019, datetime(1970, 1, 1, microsecond=1, tzinfo=UTC)),
    ],
)
def test_timestamps(raw: int, time: datetime | None) -> None:
    pairs = av(3, b"a\0") + av(7, raw.to_bytes(8, "little"))
    found = ntlm.parse_challenge(challenge(Flags.TARGET_INFO, pairs=pairs))
    assert (found.timestamp, found.dns_computer) == (time, "a")


def test_list_without_end_and_pairs_behind_the_end() -> None:
    pairs = av(1, b"a\0") + av(0, b"") + av(2, b"b\0")
    found = ntlm.parse_challenge(challenge(Flags.TARGET_INFO, pairs=pairs))
    assert (found.netbios_computer, found.netbios_domain) == ("a", None)
    assert ntlm.parse_challenge(challenge(Flags.TARGET_INFO, pairs=pairs[:6])).netbios_computer == "a"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SPEC[:47],
        SPEC[:60],
        SPEC[:8] + b"\1" + SPEC[9:],
        SPEC[:8] + b"\3" + SPEC[9:],
        challenge(Flags.TARGET_INFO, b"name", offset=60),
        challenge(Flags.TARGET_INFO, pairs=av(1, b"ab")[:-1]),
        challenge(Flags.TARGET_INFO, pairs=av(7, b"short")),
        challenge(Flags.VERSION, offset=48)[:48],
        spnego((0, bytes.fromhex("0a0102"))),
        spnego((2, SPEC)),
        spnego((2, der.encode(der.OCTET_STRING, b"another mechanism, which is longer than a challenge"))),
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(WireError):
        ntlm.parse_challenge(data)


def test_products_are_known_for_supported_servers() -> None:
    assert "Windows Server 2022" in ntlm.BUILDS[20348]
    assert all(products for products in ntlm.BUILDS.values())


names = st.none() | st.text(st.characters(codec="utf-8"), max_size=60)


@given(
    st.builds(
        Challenge,
        target_name=names.map(lambda name: name or ""),
        flags=st.sampled_from((Flags.TARGET_TYPE_DOMAIN, Flags.TARGET_TYPE_SERVER, Flags(0xE0008204))),
        netbios_computer=names,
        netbios_domain=names,
        dns_computer=names,
        dns_domain=names,
        dns_tree=names,
        version=st.none() | st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 0xFFFF)),
        timestamp=st.none() | st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),
    )
)
def test_what_is_written_is_read_back(said: Challenge) -> None:
    read = ntlm.parse_challenge(ntlm.encode_challenge(said))
    added = Flags.UNICODE | Flags.TARGET_INFO | (Flags.VERSION if said.version else Flags(0))
    assert read.flags == said.flags | added
    for field in Challenge.__struct_fields__:
        assert field == "flags" or getattr(read, field) == getattr(said, field)


@given(hostile(SHADOW, SPEC, ntlm.encode_challenge(FULL), spnego((2, der.encode(der.OCTET_STRING, SPEC)))))
def test_strange_bytes_give_a_challenge_or_a_wire_error(data: bytes) -> None:
    try:
        found = ntlm.parse_challenge(data)
    except WireError:
        return
    assert len(found.target_name) <= ntlm.MAX_NAME
    assert found.timestamp is None or found.timestamp.tzinfo is UTC
    assert len(repr(found)) < 20_000
