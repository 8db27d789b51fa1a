"""The scripted server as a program inside a lab: script and port come pickled on standard input, which ends it."""

import asyncio
import pickle
import sys

from core.demo.faults import Script
from core.demo.server import ScriptedServer


async def main(script: Script, port: int) -> None:
    async with ScriptedServer(script, port=port, udp=script.listens):
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


def arguments() -> tuple[object, ...]:
    """What the lab hands over: a length, then a pickle."""
    size = int.from_bytes(sys.stdin.buffer.read(4))
    data: tuple[object, ...] = pickle.loads(sys.stdin.buffer.read(size))
    return data


if __name__ == "__main__":
    script, port = arguments()
    assert isinstance(script, Script)
    assert isinstance(port, int)
    asyncio.run(main(script, port))
