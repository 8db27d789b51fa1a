import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import pytest

from core import blocking


def call(work: Any) -> Any:
    return asyncio.run(blocking.call(work, name="worker"))


def test_work_is_done_in_a_daemon_thread_with_a_name() -> None:
    thread: threading.Thread = call(threading.current_thread)
    assert thread is not threading.main_thread()
    assert (thread.name, thread.daemon) == ("worker", True)


@pytest.mark.parametrize("error", [OSError(5, "I/O"), KeyError("x"), asyncio.CancelledError()], ids=repr)
def test_what_the_work_raises_reaches_the_caller(error: BaseException) -> None:
    def work() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as caught:
        call(work)
    assert caught.value is error or isinstance(error, asyncio.CancelledError)


def test_an_iterator_at_its_end_reaches_the_caller_too() -> None:
    """No future carries a StopIteration (PEP 479): the caller would wait for ever."""
    with pytest.raises(RuntimeError) as caught:
        call(lambda: next(iter(())))
    assert isinstance(caught.value.__cause__, StopIteration)


def test_the_loop_goes_on_meanwhile() -> None:
    turn = threading.Event()

    async def main() -> bool:
        async def later() -> None:
            turn.set()

        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(blocking.call(lambda: turn.wait(10), name="waits"))
            group.create_task(later())
        return waiting.result()

    assert asyncio.run(main())


class Late:
    """Work that ends only when it is released; the thread that does it is kept."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> str:
        self.thread = threading.current_thread()
        self.release.wait(10)
        return "too late"

    def end(self) -> None:
        self.release.set()
        if self.thread is not None:
            self.thread.join(10)


def test_a_late_answer_is_not_heard_and_makes_no_noise() -> None:
    work = Late()
    noise: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await blocking.call(work, name="late")
        work.end()
        await asyncio.sleep(0)  # what the thread handed over is delivered here

    asyncio.run(main())
    assert noise == []


def test_an_answer_after_the_end_of_the_loop_is_dropped() -> None:
    work = Late()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await blocking.call(work, name="later")

    asyncio.run(main())
    work.end()
    assert work.thread is not None
    assert not work.thread.is_alive()


def test_a_call_that_hangs_does_not_keep_the_program_alive() -> None:
    program = """
import asyncio, threading
from core import blocking

async def main():
    try:
        async with asyncio.timeout(0.01):
            await blocking.call(threading.Event().wait, name="hangs")
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(blocking.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("given up", "")
