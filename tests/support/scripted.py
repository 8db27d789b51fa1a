"""The scripted server in a thread of its own, for tests that block."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from core.demo.faults import FAULTS, Script
from core.demo.server import ScriptedServer


@contextlib.contextmanager
def serving(
    fault: str | Script, *, host: str = "127.0.0.1", port: int = 0, udp: bool = False
) -> Iterator[ScriptedServer]:
    """The server in a loop of its own. Its block makes sure that no task is left, and raises what the server raises."""
    script = FAULTS[fault] if isinstance(fault, str) else fault
    server = ScriptedServer(script, host=host, port=port, udp=udp)
    ready = threading.Event()
    failures: list[BaseException] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        async with server:
            done = asyncio.Event()
            stop.append((asyncio.get_running_loop(), done))
            ready.set()
            await done.wait()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    worker = threading.Thread(target=thread)
    worker.start()
    ready.wait()
    try:
        yield server
    finally:
        for loop, done in stop:
            loop.call_soon_threadsafe(done.set)
        worker.join()
        for failure in failures:
            raise failure
