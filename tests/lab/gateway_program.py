"""An RD Gateway's front door as a program inside a lab: HTTPS that answers by method. Its orders come pickled on standard input."""

import asyncio
import contextlib
import sys

from core.demo.certificates import server_context
from core.demo.faults import Certificate, Tls
from tests.lab.scripted_server import arguments


async def main(certificate: Certificate, answers: dict[str, bytes], *, plain: bool, port: int) -> None:
    """`answers` by method; one that is not there gets none, and the connection is closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
            # One request after the other: NTLM wants its three messages on one connection.
            while head := await reader.readuntil(b"\r\n\r\n"):
                answer = answers.get(head.partition(b" ")[0].decode("latin-1"), b"")
                writer.write(answer)
                await writer.drain()
                if not answer:
                    break
        writer.close()

    tls = None if plain else server_context(Tls(), certificate)
    async with await asyncio.start_server(serve, "0.0.0.0", port, ssl=tls):
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    certificate, answers, plain, port = arguments()
    assert isinstance(certificate, Certificate)
    assert isinstance(answers, dict)
    assert isinstance(plain, bool)
    assert isinstance(port, int)
    asyncio.run(main(certificate, answers, plain=plain, port=port))
