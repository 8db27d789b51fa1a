import pytest

from core.wire.tls_suites import (
    GROUPS,
    SUITES,
    Version,
    group_name,
    groups_for,
    suite_name,
    suites_for,
    version_name,
)


def _names(version: Version) -> set[str]:
    return {SUITES[number] for number in suites_for(version)}


def test_every_suite_is_offered_in_some_version_and_has_a_name_of_its_own():
    assert set().union(*(suites_for(version) for version in Version)) == set(SUITES)
    assert len(set(SUITES.values())) == len(SUITES)


# Suites and the first and last version in which they may be asked for
@pytest.mark.parametrize(
    ("suite", "first", "last"),
    [
        ("TLS_AES_128_GCM_SHA256", Version.TLS13, Version.TLS13),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Version.TLS12, Version.TLS12),
        ("TLS_RSA_WITH_AES_128_CCM_8", Version.TLS12, Version.TLS12),
        ("TLS_RSA_WITH_NULL_SHA256", Version.TLS12, Version.TLS12),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", Version.TLS10, Version.TLS12),
        ("TLS_ECDH_RSA_WITH_AES_128_CBC_SHA", Version.TLS10, Version.TLS12),
        ("TLS_RSA_WITH_AES_256_CBC_SHA", Version.SSL3, Version.TLS12),
        ("TLS_RSA_WITH_RC4_128_MD5", Version.SSL3, Version.TLS12),
        ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", Version.SSL3, Version.TLS12),
    ],
)
def test_when_a_suite_exists(suite, first, last):
    assert {version for version in Version if suite in _names(version)} == {
        v for v in Version if first <= v <= last
    }


# Schannel's own suites, newest to oldest: the 64th place is the last that Windows Server 2003 is said to read
def test_suites_of_schannel_come_early():
    early = {SUITES[number] for number in suites_for(Version.TLS12)[:64]}
    assert early >= {
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256",
        "TLS_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_DES_CBC_SHA",
        "TLS_RSA_EXPORT1024_WITH_RC4_56_SHA",
        "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
        "TLS_RSA_WITH_NULL_MD5",
    }


def test_groups_of_each_era():
    assert groups_for(Version.TLS12)[:3] == groups_for(Version.TLS13)[:3] == (29, 23, 24)
    new = {GROUPS[number] for number in groups_for(Version.TLS13)}
    old = {GROUPS[number] for number in groups_for(Version.TLS10)}
    assert new | old == set(GROUPS.values())
    assert new & old == {"x25519", "x448", "secp256r1", "secp384r1", "secp521r1"}
    assert new >= {"ffdhe2048", "X25519MLKEM768"}


def test_names():
    assert [version_name(number) for number in (0x300, 0x301, 0x304, 0x7F1C)] == [
        "SSL 3.0",
        "TLS 1.0",
        "TLS 1.3",
        "0x7f1c",
    ]
    assert suite_name(0xC030) == "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
    assert suite_name(0x00FF) == "0x00ff"
    assert group_name(29) == "x25519"
    assert group_name(0x0101) == "ffdhe3072"
    assert group_name(0x2A2A) == "0x2a2a"
