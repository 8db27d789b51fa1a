import datetime as dt
import functools
import hashlib
import ipaddress
from collections.abc import Callable, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from core.wire import certificate, der
from core.wire.certificate import MAX_BYTES, Certificate
from core.wire.errors import WireError
from tests.support import openssl_flights
from tests.support.recorded import hostile

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SERIAL = 0x1234567812345678

Extension = tuple[x509.ExtensionType, bool]


@functools.cache
def key(kind: str) -> Key:
    makers: dict[str, Callable[[], Key]] = {
        "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),
        "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ed448": ed448.Ed448PrivateKey.generate,
        "dsa": lambda: dsa.generate_private_key(1024),
    }
    return makers[kind]()


def named(**parts: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(getattr(NameOID, oid), text) for oid, text in parts.items()])


def made(
    kind: str = "p256",
    *,
    subject: x509.Name | None = None,
    issuer: x509.Name | None = None,
    extensions: Sequence[Extension] = (),
    digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None = None,
    starts: dt.datetime = NOW - DAY,
    ends: dt.datetime = NOW + DAY,
    pss: bool = False,
) -> bytes:
    subject = named(COMMON_NAME="pc") if subject is None else subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer)
        .public_key(key(kind).public_key())
        .serial_number(SERIAL)
        .not_valid_before(starts)
        .not_valid_after(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    if digest is None and not kind.startswith("ed"):
        digest = hashes.SHA256()
    form = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else None
    return builder.sign(key(kind), digest, rsa_padding=form).public_bytes(serialization.Encoding.DER)


def with_names(*names: x509.GeneralName) -> Extension:
    return x509.SubjectAlternativeName(names), False


def raw(oid: str, value: bytes) -> Extension:
    return x509.UnrecognizedExtension(ObjectIdentifier(oid), value), False


def usage(*allowed: str) -> Extension:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in allowed for name in every}), True


# --- what a certificate says


@pytest.mark.parametrize(
    ("kind", "key_type", "bits"),
    [
        ("rsa-1024", "rsa", 1024),
        ("rsa-2048", "rsa", 2048),
        ("p256", "ec", 256),
        ("p384", "ec", 384),
        ("p521", "ec", 521),
        ("ed25519", "ed25519", None),
        ("ed448", "other", None),
        ("dsa", "other", None),
    ],
)
def test_keys(kind: str, key_type: str, bits: int | None) -> None:
    found = certificate.parse(made(kind))
    assert (found.key_type, found.key_bits) == (key_type, bits)


@pytest.mark.parametrize(
    ("der", "digest"),
    [
        (made(), "sha256"),
        (made(digest=hashes.SHA384()), "sha384"),
        (made("rsa-2048", digest=hashes.SHA512()), "sha512"),
        (made("rsa-2048", pss=True), "sha256"),
        (made("ed25519"), None),
    ],
)
def test_signature_hashes(der: bytes, digest: str | None) -> None:
    assert certificate.parse(der).signature_hash == digest


def test_sha1_which_cryptography_reads_and_no_longer_writes() -> None:
    old = made("rsa-2048").replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105"))
    assert certificate.parse(old).signature_hash == "sha1"


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (named(COMMON_NAME="PC-ANNA"), "PC-ANNA"),
        (named(ORGANIZATION_NAME="Example", COMMON_NAME="pc.example"), "pc.example"),
        (named(ORGANIZATION_NAME="Example", ORGANIZATIONAL_UNIT_NAME="IT"), "IT"),
        (named(ORGANIZATION_NAME="Example"), "Example"),
        (named(COUNTRY_NAME="DE"), None),
        (x509.Name([]), None),
        (named(COMMON_NAME="Bücherei 書"), "Bücherei 書"),
    ],
)
def test_subjects(subject: x509.Name, name: str | None) -> None:
    found = certificate.parse(made(subject=subject))
    assert (found.common_name, found.issuer, found.self_issued) == (name, name, True)


def test_an_issuer_apart() -> None:
    found = certificate.parse(made(issuer=named(COMMON_NAME="Example CA")))
    assert (found.common_name, found.issuer, found.self_issued) == ("pc", "Example CA", False)


def test_names_are_dns_names_and_addresses() -> None:
    names = with_names(
        x509.RFC822Name("anna@example.com"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.5")),
        x509.DNSName("pc.example"),
        x509.UniformResourceIdentifier("https://pc.example"),
        x509.IPAddress(ipaddress.ip_address("2001:db8::5")),
        x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x04anna"),
        x509.DNSName("*.example"),
    )
    found = certificate.parse(made(extensions=[names]))
    assert found.names == ("pc.example", "*.example", "192.0.2.5", "2001:db8::5")


def test_names_are_bounded() -> None:
    many = [x509.DNSName(f"n{n}.example") for n in range(200)]
    assert len(certificate.parse(made(extensions=[with_names(*many)])).names) == 50
    long = certificate.parse(made(extensions=[with_names(x509.DNSName("n" * 5000))]))
    assert long.names == ("n" * 255,)


def test_times_are_aware() -> None:
    found = certificate.parse(made(starts=NOW - 400 * DAY, ends=NOW - 10 * DAY))
    assert (found.not_before, found.not_after) == (NOW - 400 * DAY, NOW - 10 * DAY)
    far = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert certificate.parse(made(ends=far)).not_after == far


@pytest.mark.parametrize(
    ("extensions", "usages"),
    [
        ([], ()),
        ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)], ("1.3.6.1.5.5.7.3.1",)),
        (
            [
                (
                    x509.ExtendedKeyUsage(
                        [ExtendedKeyUsageOID.CLIENT_AUTH, ObjectIdentifier("1.3.6.1.4.1.311.54.1.2")]
                    ),
                    True,
                )
            ],
            ("1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.54.1.2"),
        ),
    ],
)
def test_extended_usages(extensions: list[Extension], usages: tuple[str, ...]) -> None:
    assert certificate.parse(made(extensions=extensions)).usages == usages


@pytest.mark.parametrize(
    ("extensions", "encipherment"),
    [
        ([], True),
        ([usage("digital_signature")], True),
        ([usage("key_encipherment", "data_encipherment")], True),  # as Windows makes them
        ([usage("key_agreement")], True),
        ([usage("key_cert_sign", "crl_sign")], False),
        ([usage("data_encipherment")], False),
        ([raw("2.5.29.15", bytes.fromhex("030100"))], False),
    ],
)
def test_usages(extensions: list[Extension], encipherment: bool) -> None:
    assert certificate.parse(made(extensions=extensions)).encipherment is encipherment


def test_thumbprints() -> None:
    data = made()
    found = certificate.parse(data)
    assert found.sha1 == hashlib.sha1(data).hexdigest()
    assert found.sha256 == hashlib.sha256(data).hexdigest()


# --- odd ones: one odd field hides no other


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    assert old in data
    return data.replace(old, new)


def reserial(data: bytes, serial: bytes) -> bytes:
    """The certificate with another serial number; the signature no longer fits, which nobody here looks at."""
    outer = der.elements(der.only(data, der.SEQUENCE))
    version, _, *rest = der.elements(outer[0].body)
    body = [der.encode(version.tag, version.body), der.encode(der.INTEGER, serial)]
    body += [der.encode(element.tag, element.body) for element in rest]
    tail = [der.encode(element.tag, element.body) for element in outer[1:]]
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, *body), *tail)


@pytest.mark.parametrize("serial", [b"\x00", b"\x80", b"\xff", b"\x01" * 20, b"\x7f" * 40])
def test_any_serial_number_will_do(serial: bytes) -> None:
    assert certificate.parse(reserial(made(), serial)).common_name == "pc"


NAME = b"\x0c\x02pc"  # UTF8String


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\x13\x02pc", "pc"),  # PrintableString
        (b"\x1e\x02\x00p", "p"),  # BMPString
        (b"\x14\x02pc", "pc"),  # TeletexString
        (b"\x0c\x02\xff\xfe", None),
        (b"\x14\x02p\xfc", None),  # old certificates of Windows with an umlaut
        (b"\x02\x02pc", None),
    ],
)
def test_names_in_every_alphabet(name: bytes, shown: str | None) -> None:
    found = certificate.parse(changed(made(extensions=[with_names(x509.DNSName("a.example"))]), NAME, name))
    assert (found.common_name, found.names, found.key_bits) == (shown, ("a.example",), 256)
    assert found.not_after == NOW + DAY


def test_a_subject_that_cannot_be_read_is_not_its_issuer() -> None:
    data = made(issuer=named(COMMON_NAME="CA"))
    found = certificate.parse(changed(data, NAME, b"\x0c\x02\xff\xfe"))
    assert (found.common_name, found.issuer, found.self_issued) == (None, "CA", False)


GENERAL_NAME = b"\x82\x0apc.example"


@pytest.mark.parametrize(
    "name",
    [
        b"\xa3\x0apc.example",  # x400Address
        b"\xa5\x0apc.example",  # ediPartyName
        b"\x87\x0apc.example",  # an address of ten bytes
        b"\x82\x0apc.exampl\xff",
        b"\x8f\x0apc.example",
    ],
)
def test_an_alternative_name_of_no_known_kind(name: bytes) -> None:
    data = made("rsa-1024", extensions=[with_names(x509.DNSName("pc.example"))])
    found = certificate.parse(changed(data, GENERAL_NAME, name))
    assert (found.common_name, found.names, found.key_bits) == ("pc", (), 1024)


@pytest.mark.parametrize(
    "oid", ["2.5.29.15", "2.5.29.17", "2.5.29.37", "2.5.29.32", "1.3.6.1.4.1.11129.2.4.2"]
)
def test_an_extension_of_nonsense(oid: str) -> None:
    found = certificate.parse(made(extensions=[raw(oid, b"nonsense")]))
    assert (found.common_name, found.names, found.usages, found.encipherment) == ("pc", (), (), True)


def test_an_extension_that_comes_twice() -> None:
    twice = [with_names(x509.DNSName("a.example")), raw("2.5.29.99", b"\x30\x00")]
    data = changed(made(extensions=twice), bytes.fromhex("0603551d63"), bytes.fromhex("0603551d11"))
    found = certificate.parse(data)
    assert (found.common_name, found.names) == ("pc", ())


@pytest.mark.parametrize(
    ("old", "new", "key_type", "digest"),
    [
        ("06072a8648ce3d0201", "06072a8648ce3d027f", "other", "sha256"),  # a key of no known kind
        ("06082a8648ce3d030107", "06082a8648ce3d03017f", "other", "sha256"),  # on no known curve
        ("06082a8648ce3d040302", "06082a8648ce3d04037f", "ec", None),  # signed in no known way
    ],
)
def test_algorithms_that_nobody_knows(old: str, new: str, key_type: str, digest: str | None) -> None:
    found = certificate.parse(changed(made(), bytes.fromhex(old), bytes.fromhex(new)))
    assert (found.key_type, found.signature_hash, found.common_name) == (key_type, digest, "pc")


# --- no certificates


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30\x00",
        b"-----BEGIN CERTIFICATE-----",
        made()[:-1],
        made() + b"\x00",
        changed(made(), b"\x17\x0d2611", b"\x17\x0d2699"),
        bytes(MAX_BYTES + 1),
    ],
)
def test_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(WireError, match="certificate"):
        certificate.parse(data)


SAMPLES = (
    made("rsa-1024", extensions=[usage("key_encipherment"), with_names(x509.DNSName("pc.example"))]),
    made(extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]),
    openssl_flights.certificate("ec"),
)


@given(hostile(*SAMPLES))
def test_any_bytes(data: bytes) -> None:
    try:
        found = certificate.parse(data)
    except WireError:
        return
    assert isinstance(found, Certificate)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert len(found.names) <= 50
    assert found.not_before.tzinfo is not None


@given(st.data(), st.sampled_from(SAMPLES))
def test_one_changed_byte(draw: st.DataObject, sample: bytes) -> None:
    at = draw.draw(st.integers(0, len(sample) - 1))
    data = sample[:at] + bytes((draw.draw(st.integers(0, 255)),)) + sample[at + 1 :]
    try:
        certificate.parse(data)
    except WireError:
        return
