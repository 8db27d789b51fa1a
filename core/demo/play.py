"""The demo's server in a thread of its own, so that the check beside it runs as it does for real servers."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from core.demo.faults import FAULTS
from core.demo.server import ScriptedServer

_START = 10.0  # seconds; making certificates takes a part of one


def names() -> tuple[str, ...]:
    """Everything that `server` can play."""
    return tuple(FAULTS)


@contextlib.contextmanager
def server(fault: str) -> Iterator[int]:
    """The port of a server on 127.0.0.1 with this fault, for the length of the block.

    Raises:
        KeyError: there is no such fault.
        RuntimeError: the server could not be started.
    """
    script = FAULTS[fault]
    ready = threading.Event()
    failure: list[BaseException] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    port: list[int] = []

    async def serve() -> None:
        async with ScriptedServer(script) as running:
            port.append(running.port)
            ready.set()
            await stop.wait()

    def body() -> None:
        try:
            loop.run_until_complete(serve())
        except Exception as error:  # noqa: BLE001 - told to the thread that waits
            failure.append(error)
        finally:
            loop.close()
            ready.set()

    thread = threading.Thread(target=body, name="demo-server", daemon=True)
    thread.start()
    try:
        if not ready.wait(_START) or failure:
            raise RuntimeError("the demo server did not start") from (failure[0] if failure else None)
        yield port[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(_START)
