"""Servers that are no RDP servers, or one that hangs."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.actions import PORT, Server
from tests.lab.topology import At, inside
from tests.support import servers

if TYPE_CHECKING:
    from tests.lab.lab import Lab

_READY_S = 10.0


class Program(Server, frozen=True, kw_only=True):
    """Any program that stays in the foreground and listens on that TCP port of the server."""

    command: tuple[str, ...]
    port: int = PORT

    def apply(self, lab: "Lab") -> None:
        lab.daemon(At.SERVER, f"program-{self.port}.log", *self.command)
        deadline = time.monotonic() + _READY_S
        with inside(At.SERVER):
            while not _listens(self.port):
                if time.monotonic() > deadline:
                    raise lab.error(f"{self.command[0]} does not listen on port {self.port}")
                time.sleep(0.01)


class Frozen(Server, frozen=True, kw_only=True):
    """xrdp that hangs: its machine still accepts connections, for the kernel does that, and nobody reads them."""

    port: int = PORT

    def apply(self, lab: "Lab") -> None:
        if sys.platform == "win32":
            raise lab.error("a lab needs Linux")
        server = lab.stack.enter_context(servers.xrdp(place=lab.server_place(self.port)))
        os.killpg(server.pid, signal.SIGSTOP)
        lab.stack.callback(os.killpg, server.pid, signal.SIGCONT)  # or it could not hear that it is to end


def _listens(port: int) -> bool:
    """By proc(5), of the network that this thread is in: a socket in state 0A."""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/thread-self/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                return True
    return False
