"""Certificates and TLS settings for the scripted server."""

import ssl
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.demo.faults import Certificate, Tls


def make(certificate: Certificate, *, now: datetime | None = None) -> tuple[bytes, bytes]:
    """A self-signed certificate and its private key, both PEM; `now` is aware, by default this PC's clock."""
    now = now or datetime.now(UTC)
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if certificate.rsa_bits is None
        else rsa.generate_private_key(public_exponent=65537, key_size=certificate.rsa_bits)
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, certificate.name)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + certificate.starts)
        .not_valid_after(now + certificate.ends)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(certificate.name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        signed.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def server_context(tls: Tls, certificate: Certificate) -> ssl.SSLContext:
    """A context that serves this TLS with this certificate, which is made on the spot."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The level of security is part of the ciphers and decides which keys may be loaded, so they come first.
    if tls.ciphers is not None:
        context.set_ciphers(tls.ciphers)
    with warnings.catch_warnings():
        # TLS 1.0 is deprecated, which is the point of serving it here.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion(tls.oldest)
        context.maximum_version = ssl.TLSVersion(tls.newest)
    chain, key = make(certificate)
    # OpenSSL takes certificates from files only. Nobody else can read this folder, and it is gone at once.
    with tempfile.TemporaryDirectory(prefix="rdpcheckup-demo-") as folder:
        path = Path(folder, "server.pem")
        path.write_bytes(chain + key)
        context.load_cert_chain(path)
    return context
