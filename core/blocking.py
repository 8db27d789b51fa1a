"""Blocking calls in daemon threads.

The executor of asyncio joins its threads when the process ends: one call that hangs (getaddrinfo, a Windows
API) would keep the program alive long after its answer was given up. A daemon thread does not.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def call(work: Callable[[], T], *, name: str) -> T:
    """Run `work` in a thread of its own and await its result. Cancelling leaves the thread behind, unheard."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except StopIteration as caught:
            # No future carries this one (PEP 479): its caller would wait for ever.
            error = RuntimeError("StopIteration")
            error.__cause__ = caught
        except BaseException as caught:  # noqa: BLE001 - carried over to the loop's thread
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: the answer comes too late
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
