"""TLS inspection that understands RDP, as a program inside a lab. Its orders come pickled on standard input."""

import asyncio
import contextlib
import ssl
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.wire.x224 import ConnectionConfirm, Protocol, parse_answer
from tests.lab.scripted_server import arguments

_TPKT = 4


def _pretend(issuer: str, subject: str) -> ssl.SSLContext:
    """A context with a certificate for `subject`, signed by an authority called `issuer`."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(
            signed.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context.load_cert_chain(file)
    return context


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _packet(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(_TPKT)
    return head + await reader.readexactly(int.from_bytes(head[2:]) - _TPKT)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()


async def main(issuer: str, subject: str, server: str, port: int) -> None:
    ours = _pretend(issuer, subject)

    async def inspect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            far_reader, far_writer = await asyncio.open_connection(server, port)
            far_writer.write(await _packet(reader))
            said = await _packet(far_reader)
            writer.write(said)
            answer = parse_answer(said)
            if isinstance(answer, ConnectionConfirm) and answer.selected not in (None, Protocol.RDP):
                await writer.start_tls(ours)
                await far_writer.start_tls(_trusting(), server_hostname=server)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
            far_writer.close()
        writer.close()

    async with await asyncio.start_server(inspect, "127.0.0.1", port):
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    issuer, subject, server, port = arguments()
    assert isinstance(issuer, str)
    assert isinstance(subject, str)
    assert isinstance(server, str)
    assert isinstance(port, int)
    asyncio.run(main(issuer, subject, server, port))
