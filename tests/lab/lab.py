"""One lab: the network of `topology` with what runs in it. Actions break it, the tool and the real client are run in it."""

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Self

import msgspec

from tests.lab import topology
from tests.lab.topology import At, enter
from tests.lab.wire import Both
from tests.support import servers

ROOT = Path(__file__).resolve().parents[2]

_READY_S = 10.0
_ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"}
# The client's own files in place of this PC's. A change of theirs is seen at once.
_OWN_FILES = ("resolv.conf", "hosts", "nsswitch.conf")


class LabError(Exception):
    """The lab itself failed: nothing is known about the product."""


class Lab:
    """A lab while its `with` block runs.

    Attributes:
        folder: for files of this lab, gone with it.
        stack: what ends with the lab, the last thing first.
        server_words: more words before the commands of real servers, such as those of faketime.
        clock_error: how far the tool's clock is ahead.
    """

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self.stack = contextlib.ExitStack()
        self.clock_error = timedelta(0)
        self.server_words: tuple[str, ...] = ()
        self._wan = Both()
        self._numbers = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self.folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="lab-")))
            undo.callback(topology.destroy)
            topology.build()
            undo.push(self.stack)
            self._wire = self.spawn(None, "tests.lab.wire", At.ROUTER, At.GATEWAY, str(self._seed))
            topology.build_wan()
            self.write("nsswitch.conf", "hosts: files dns\n")
            self.write("hosts", f"127.0.0.1 localhost\n127.0.1.1 {topology.CLIENT_NAME}\n::1 localhost\n")
            self.write("resolv.conf", f"nameserver {topology.ROUTER}\n")
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._undo.close()

    # --- The client's files

    def write(self, name: str, text: str, *, append: bool = False) -> None:
        """One of the client's files below /etc. It stays the same file, for it is mounted where programs look."""
        with (self.folder / name).open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)

    # --- The wide-area network

    def change_wan(self, both: Both) -> None:
        assert self._wire.stdin is not None
        assert self._wire.stdout is not None
        self._wan = both
        self._wire.stdin.write(msgspec.json.encode(both) + b"\n")
        self._wire.stdin.flush()
        self._expect(self._wire, "ok")

    @property
    def wan(self) -> Both:
        return self._wan

    # --- Programs

    def server_place(self, port: int) -> servers.Place:
        """Where the RDP server runs: every address of its machine, which has its own name."""
        name = topology.SERVER_NAME
        named = ("unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$0" "$@"')
        return servers.Place(
            enter=(*enter(At.SERVER), *named, *self.server_words), address=None, port=port, name=name
        )

    @property
    def client_words(self) -> tuple[str, ...]:
        """The words that run a command as on the client: its network, its name service files."""
        mounts = "".join(f"mount --bind {self.folder / name} /etc/{name}; " for name in _OWN_FILES)
        return (*enter(At.CLIENT), "sh", "-c", f'{mounts}exec "$0" "$@"')

    def run(self, at: At, *command: str) -> str:
        """Runs a command to its end and returns what it printed.

        Raises:
            LabError: it failed.
        """
        done = subprocess.run(
            (*enter(at), *command), capture_output=True, text=True, timeout=_READY_S, check=False
        )
        if done.returncode:
            raise LabError(f"on {at}, {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def spawn(
        self, at: At | None, module: str, *arguments: str, stdin: bytes = b""
    ) -> subprocess.Popen[bytes]:
        """A module of this project as a program that runs as long as the lab. It says `ready` first; `stdin` is for it."""
        words = () if at is None else enter(at)
        command = ("setpriv", "--pdeathsig", "KILL", *words, sys.executable, "-m", module, *arguments)
        child = self.stack.enter_context(
            subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=(self.folder / f"{module}.log").open("wb"),
                env=_ENVIRONMENT,
            )
        )
        self.stack.callback(child.kill)
        assert child.stdin is not None
        child.stdin.write(stdin)
        child.stdin.flush()
        self._expect(child, "ready")
        return child

    def _expect(self, child: subprocess.Popen[bytes], word: str) -> None:
        assert child.stdout is not None
        readable, _, _ = select.select([child.stdout], [], [], _READY_S)
        said = child.stdout.readline().decode().strip() if readable else "nothing"
        if said != word:
            raise self.error(f"{child.args!r} said {said!r}, not {word!r}")

    def daemon(self, at: At, log: str, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """A program that stays in the foreground and runs as long as the lab. The caller sees to its being ready."""
        self.stack.enter_context(
            servers.process(command, self.folder / log, environment or {}, enter=enter(at))
        )

    def wait_for_udp(self, at: At, port: int) -> None:
        """Until somebody on that machine receives datagrams there."""
        deadline = time.monotonic() + _READY_S
        with topology.inside(at):
            while not _receives(port):
                if time.monotonic() > deadline:
                    raise self.error(f"nobody listens on port {port} of {at}")
                time.sleep(0.005)

    def number(self) -> int:
        """A number that this lab has not used yet."""
        self._numbers += 1
        return self._numbers

    def error(self, what: str) -> LabError:
        """With the last words of everything that runs in the lab."""
        logs = (f"{log.name}:\n{log.read_text(errors='replace')[-600:]}" for log in self.folder.glob("*.log"))
        return LabError("\n".join((what, *logs)))


def _receives(port: int) -> bool:
    """By proc(5), of the network that this thread is in."""
    lines = Path("/proc/thread-self/net/udp").read_text(encoding="ascii").splitlines()[1:]
    return any(int(line.split()[1].rpartition(":")[2], 16) == port for line in lines)
