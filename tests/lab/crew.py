"""Plays many scenarios, several side by side."""

import contextlib
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import msgspec

from tests.lab.lab import ROOT
from tests.lab.play import Played
from tests.lab.worker import UNSHARE, Order

_LONGEST_S = 120.0  # for one scenario; then its worker has lost its way


class _Worker:
    """A process in its own world. What ends it ends everything in there."""

    def __init__(self) -> None:
        command = ("setpriv", "--pdeathsig", "KILL", *UNSHARE, sys.executable, "-m", "tests.lab.worker")
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl+C is for the program that started this one, which then ends it.
            start_new_session=True,
            env={**os.environ, "PATH": os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"},
        )

    def play(self, order: Order) -> Played | None:
        """None if it did not end."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            process.stdin.flush()
            readable, _, _ = select.select([process.stdout], [], [], _LONGEST_S)
            line = process.stdout.readline() if readable else b""
        except OSError:
            return None
        return msgspec.json.decode(line, type=Played) if line else None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def play_all(orders: Sequence[Order], jobs: int, tell: Callable[[Order, Played], None]) -> list[Played]:
    """Every order played, in the order in which they are given; `tell` hears of each one when it is done.

    To be called by the main thread: the kernel ends a worker with the thread that started it.
    """
    waiting: queue.SimpleQueue[tuple[int, Order]] = queue.SimpleQueue()
    for numbered in enumerate(orders):
        waiting.put(numbered)
    played: dict[int, Played] = {}
    done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def work(worker: _Worker) -> None:
        with contextlib.suppress(queue.Empty):
            while not stopped.is_set():
                number, order = waiting.get_nowait()
                result = worker.play(order)
                played[number] = result or Played(name=order.name, trouble="the worker died or hung")
                done.put(number)
                if result is None:
                    return

    stopped = threading.Event()
    with _workers(min(jobs, len(orders)), stopped) as workers:
        threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
        for thread in threads:
            thread.start()
        for _ in orders:
            number = done.get()
            tell(orders[number], played[number])
    return [played[number] for number in range(len(orders))]


@contextlib.contextmanager
def _workers(count: int, stopped: threading.Event) -> Iterator[list[_Worker]]:
    with contextlib.ExitStack() as stack:
        workers = []
        for _ in range(count):
            worker = _Worker()
            stack.callback(worker.end)
            workers.append(worker)
        stack.callback(stopped.set)
        yield workers
