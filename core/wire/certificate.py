"""What a certificate says about itself (RFC 5280), from DER. Trust is not judged here: it is a matter of the PC."""

import hashlib
import warnings
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from core.wire.errors import WireError

if TYPE_CHECKING:
    from cryptography import x509

    E = TypeVar("E", bound=x509.ExtensionType)

_MOST_NAMES = 50
_LONGEST_NAME = 255
MAX_BYTES = 65_536


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that matter for Remote Desktop.

    Attributes:
        names: DNS names and addresses of subjectAltName, at most 50.
        key_bits: RSA modulus or curve size; key_type: `rsa`, `ec`, `ed25519`, `other`.
        signature_hash: `sha256`, `sha1`, `md5`, ... or None for schemes without one.
        self_issued: issuer and subject are the same name, as in the certificates Windows makes for itself.
        usages: OIDs of extendedKeyUsage; empty if the extension is absent, which allows everything.
        encipherment: keyUsage allows what a TLS server does with its key; True if the extension is absent.
        sha1, sha256: thumbprints of the DER as hex; Windows shows the first.
    """

    common_name: str | None
    issuer: str | None
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_type: str
    key_bits: int | None
    signature_hash: str | None
    self_issued: bool
    usages: tuple[str, ...]
    encipherment: bool
    sha1: str
    sha256: str


def parse(der: bytes) -> Certificate:
    """Read one certificate.

    Raises:
        WireError: it is none, or one that cannot be read.
    """
    # cryptography costs tens of milliseconds to import: only runs that see a certificate pay.
    from cryptography import x509  # noqa: PLC0415

    if not der or len(der) > MAX_BYTES:
        raise WireError(f"a certificate of {len(der)} bytes")
    try:
        with warnings.catch_warnings():
            # A serial number of zero and the like: worth no word in this product.
            warnings.simplefilter("ignore")
            certificate = x509.load_der_x509_certificate(der)
            return _read(certificate, der)
    except Exception as wrong:
        # The library raises more kinds of errors on hostile input than it lists; each means the same.
        raise WireError(f"unreadable certificate: {type(wrong).__name__}") from wrong


def _read(certificate: "x509.Certificate", der: bytes) -> Certificate:
    key_type, key_bits = _key(certificate)
    subject, issuer = _readable(lambda: certificate.subject), _readable(lambda: certificate.issuer)
    return Certificate(
        common_name=_name(subject),
        issuer=_name(issuer),
        names=_alternative_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_type=key_type,
        key_bits=key_bits,
        signature_hash=_signature_hash(certificate),
        self_issued=subject is not None and subject == issuer,
        usages=_usages(certificate),
        encipherment=_encipherment(certificate),
        sha1=hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(der).hexdigest(),
    )


# One odd field must not hide the others, so each of these answers "not said" for what it cannot read.


def _key(certificate: "x509.Certificate") -> tuple[str, int | None]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "other", None
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ec", key.key_size
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "other", None


def _signature_hash(certificate: "x509.Certificate") -> str | None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    return algorithm.name if algorithm else None


def _readable(read: "Callable[[], x509.Name]") -> "x509.Name | None":
    try:
        return read()
    except ValueError:
        return None


def _name(name: "x509.Name | None") -> str | None:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    if name is None:
        return None
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(oid):
            return str(attribute.value)[:_LONGEST_NAME]
    return None


def _extension(certificate: "x509.Certificate", kind: "type[E]") -> "E | None":
    from cryptography import x509  # noqa: PLC0415

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return None


def _alternative_names(certificate: "x509.Certificate") -> tuple[str, ...]:
    from cryptography import x509  # noqa: PLC0415

    extension = _extension(certificate, x509.SubjectAlternativeName)
    if extension is None:
        return ()
    dns = extension.get_values_for_type(x509.DNSName)
    addresses = [str(a) for a in extension.get_values_for_type(x509.IPAddress)]
    return tuple(name[:_LONGEST_NAME] for name in (dns + addresses)[:_MOST_NAMES])


def _usages(certificate: "x509.Certificate") -> tuple[str, ...]:
    from cryptography import x509  # noqa: PLC0415

    extension = _extension(certificate, x509.ExtendedKeyUsage)
    return tuple(usage.dotted_string for usage in extension) if extension is not None else ()


def _encipherment(certificate: "x509.Certificate") -> bool:
    from cryptography import x509  # noqa: PLC0415

    usage = _extension(certificate, x509.KeyUsage)
    return usage is None or usage.digital_signature or usage.key_encipherment or usage.key_agreement
