"""Plays scenarios one after the other in a world of its own: names on standard input, JSON on standard output.

`unshare` has given it a network, a process table, a host name and a mount table that nobody else sees; it hides
/run, /tmp and /dev/shm. When this process ends, however it ends, the kernel ends every program that it has started and takes all its
networks away: nothing can be left over.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec

from tests.lab import topology
from tests.lab.lab import ROOT, Lab
from tests.lab.play import Played, play
from tests.lab.scenario import scenarios

UNSHARE = ("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario to play."""

    name: str
    client: bool = True
    seed: int = 1


def settle() -> None:
    """Empty /run and /tmp, except that Python and this project stay where they are."""
    _mount("-t", "tmpfs", "none", "/run")
    fresh = Path("/run/tmp")
    fresh.mkdir(mode=0o1777)
    fresh.chmod(0o1777)
    kept = {Path(path).resolve() for path in (ROOT, sys.prefix, sys.base_prefix)}
    for top in {Path("/tmp", path.parts[2]) for path in kept if path.parts[:2] == ("/", "tmp")}:
        (fresh / top.name).mkdir()
        _mount("--rbind", str(top), str(fresh / top.name))
    _mount("--rbind", "/run/tmp", "/tmp")
    _mount(
        "-t", "tmpfs", "none", "/dev/shm"
    )  # faketime calls its semaphores after process numbers, which are ours alone
    subprocess.run(("hostname", topology.CLIENT_NAME), check=True)
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)


def _mount(*words: str) -> None:
    subprocess.run(("mount", *words), check=True)


def look(name: str, *command: str) -> int:
    """Builds and breaks a lab, and runs a command beside it, or a shell: `ip netns exec client ...`, `nft`, `wg`."""
    with Lab() as lab:
        for action in scenarios()[name].actions:
            action.apply(lab)
        print(
            f"the lab's files are in {lab.folder}; as the client: {shlex.join(lab.client_words)}",
            file=sys.stderr,
        )
        return subprocess.run(command or ("bash",), cwd=ROOT, check=False).returncode


def main() -> None:
    settle()
    if len(sys.argv) > 1:
        sys.exit(look(*sys.argv[1:]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed is trouble, not an answer
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        played: Played = play(scenarios()[order.name], client=order.client, seed=order.seed)
        answers.write(msgspec.json.encode(played) + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
