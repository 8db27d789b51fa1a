"""Real TLS servers without sockets: OpenSSL answers a ClientHello out of memory, in every version that it still speaks."""

import functools
import ssl
import tempfile
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

# RFC 2409 6.2: the second Oakley group, 1024 bits, as many old servers have it
_OAKLEY = """\
-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""


@functools.cache
def _identity(kind: str) -> tuple[bytes, bytes]:
    """A self-signed certificate as DER and as the PEM (with its key) that OpenSSL loads; `kind` is rsa or ec."""
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pc.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = certificate.public_bytes
    return public(serialization.Encoding.DER), public(serialization.Encoding.PEM) + secret


def certificate(kind: str = "rsa") -> bytes:
    """DER of the certificate that `server(kind=...)` shows."""
    return _identity(kind)[0]


def server(
    version: int = 0x0303,
    *,
    kind: str = "rsa",
    ciphers: str = "ALL",
    curve: str | None = None,
) -> ssl.SSLContext:
    """A server that speaks exactly `version`, with all of OpenSSL's fences down and a DH prime of 1024 bits."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1 are the point here
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion(version)
    if curve is not None:
        context.set_ecdh_curve(curve)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.write_bytes(_identity(kind)[1])
        context.load_cert_chain(path)
        path.write_text(_OAKLEY)
        context.load_dh_params(str(path))
    return context


def answer(context: ssl.SSLContext, hello: bytes) -> bytes:
    """All that the server sends in return for `hello`, alerts included."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(hello)
    try:
        tls.do_handshake()
    except ssl.SSLError:  # it wants more, or it refused and has said so
        return outgoing.read()
    raise AssertionError("no handshake ends after one flight")


def modern_hello() -> bytes:
    """The hello of OpenSSL's own client, which brings key shares along."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a client cannot finish alone")
