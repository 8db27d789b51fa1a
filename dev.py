"""Every task of this project, on any computer with Python 3.11 to 3.13: `python dev.py` lists them.

Uses only the standard library, because it makes the environment that holds everything else. It has to parse on
older Pythons too, so that they get a sentence instead of a SyntaxError.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Callable, NamedTuple  # noqa: UP035 - collections.abc needs 3.9 here

OLDEST, NEWEST = (3, 11), (3, 13)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".dev"  # environments of programs that are not part of the product
UV = "uv==0.13.9"


class SetupError(Exception):
    """Something that a task needs is not there and cannot be had; the message is for the person at the keyboard."""


def say(text: str) -> None:
    """Tells progress and trouble; standard output belongs to the task itself."""
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


class Task(NamedTuple):
    """One verb of the command line; `takes` names its arguments, empty if it takes none."""

    takes: str
    run: Callable[..., int]


TASKS: dict[str, Task] = {}


def task(takes: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Makes a verb of a function; the first line of its docstring is its line in the list."""

    def register(function: Callable[..., int]) -> Callable[..., int]:
        TASKS[function.__name__] = Task(takes, function)
        return function

    return register


@task("[FAULT...]")
def demo(*arguments: str) -> int:
    """Checks a server that it starts itself, healthy or with a FAULT."""
    return rdpcheckup("demo", *arguments)


@task("TARGET [OPTION...]")
def check(*arguments: str) -> int:
    """Checks a real computer."""
    return rdpcheckup("check", *arguments)


def rdpcheckup(*arguments: str) -> int:
    """Runs the product in the caller's folder, where his files lie; -P: a folder `core` there is not ours."""
    return run(project(), "-P", "-m", "core.cli", *arguments)


@task("[PYTEST OPTION...]")
def test(*arguments: str) -> int:
    """Sets up all that the tests need and runs them."""
    python = project()
    provide("tests")
    provide("lab")
    return run(python, "-m", "pytest", *arguments, folder=ROOT)


@task("[NAME...] [OPTION...]")
def lab(*arguments: str) -> int:
    """Judges the diagnosis by real faults in a network of its own; needs root."""
    if sys.platform != "linux" or os.geteuid() != 0:
        say("the fault lab makes network namespaces, which needs root on Linux")
        return 2
    python = project()
    provide("tests")
    provide("lab")
    return run(python, "-m", "tests.lab", *arguments, folder=ROOT)


@task("")
def lint() -> int:
    """Runs ruff and mypy, for Linux and for Windows; all of them, even if the first one complains."""
    python = project()
    # mypy keeps one cache for both platforms otherwise, and would start from nothing each time.
    mypy = [("mypy", "--platform", name, "--cache-dir", f".mypy_cache/{name}") for name in ("linux", "win32")]
    tools = [("ruff", "check", "."), ("ruff", "format", "--check", "."), *mypy]
    return max([run(python, "-m", *tool, folder=ROOT) for tool in tools])


@task("[OPTION...]")
def bench(*arguments: str) -> int:
    """Measures our speed beside nmap's and sslyze's on the same loopback server."""
    python = project()
    provide("bench")
    nmap = shutil.which("nmap")
    if nmap is None:
        raise SetupError("the benchmark compares with nmap, which is not installed")
    # sslyze is under the AGPL: it is a program that we run, in an environment of its own, never a part of ours.
    their_python = environment(TOOLS / "sslyze", "--require-hashes", "-r", "requirements/bench.txt")
    rivals = ("--nmap", nmap, "--sslyze", their_python.with_stem("sslyze"))
    return run(python, "tests/bench/bench.py", *rivals, *arguments, folder=ROOT)


@task("[UV OPTION...]")
def lock(*arguments: str) -> int:
    """Writes requirements/*.txt after a change of dependencies; with --upgrade, takes newer ones."""
    uv = environment(TOOLS / "uv", UV)
    options = [
        "--quiet",
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
        "--no-emit-index-url",
    ]
    options += ["--no-emit-find-links", "--custom-compile-command", "python dev.py lock", *arguments]
    dev = ["pyproject.toml", "--group", "dev", "-o", "requirements/dev.txt"]
    shipped = ["pyproject.toml", "--constraints", "requirements/dev.txt", "-o", "requirements/run.txt"]
    rivals = ["requirements/bench.in", "-o", "requirements/bench.txt"]
    codes = (
        run(uv, "-m", "uv", "pip", "compile", *options, *lock, folder=ROOT) for lock in (dev, shipped, rivals)
    )
    return next(filter(None, codes), 0)  # the first one that fails ends it


@task("")
def package() -> int:
    """Builds the wheel and the source archive into dist/."""
    return run(project(), "-m", "hatchling", "build", "-d", "dist", folder=ROOT)


def run(*command: str | Path, folder: Path | None = None) -> int:
    """Runs a child to its end and returns its exit code. Ctrl+C is the child's to answer: it has servers to stop."""
    child = subprocess.Popen(command, cwd=folder)
    # The terminal sends Ctrl+C to both processes; a `kill` reaches this one only and is handed on.
    on_interrupt = signal.signal(signal.SIGINT, lambda *_: None)
    on_terminate = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        code = child.wait()
    finally:
        signal.signal(signal.SIGINT, on_interrupt)
        signal.signal(signal.SIGTERM, on_terminate)
    return code if code >= 0 else 128 - code  # ended by a signal: told as a shell would


def project() -> Path:
    """The Python of the project's environment: locked packages, this tree on its path, catalogues compiled."""
    python = environment(VENV, "--require-hashes", "-r", "requirements/dev.txt", on_path=ROOT)
    for source in ROOT.glob("resources/locale/*/LC_MESSAGES/*.po"):
        compiled = source.with_suffix(".mo")
        if not compiled.exists() or compiled.stat().st_mtime_ns <= source.stat().st_mtime_ns:
            quietly(python, "build/catalogues.py")
            break
    return python


def environment(folder: Path, *packages: str, on_path: Path | None = None) -> Path:
    """The Python of a virtual environment made by this very Python, with `packages` (words for `pip install`) in it.

    `on_path` is a folder to import from, besides. A stamp, written last, says what it was made from. Without the right stamp it is made anew.
    """
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "complete"
    locks = [(ROOT / word).read_text(encoding="utf-8") for word in packages if word.endswith(".txt")]
    made_from = json.dumps([sys.version, str(folder), packages, locks])
    wanted = hashlib.sha256(made_from.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return python

    version = sys.version.split()[0]
    say(f"making the environment {folder.relative_to(ROOT)} for Python {version}: half a minute or so")
    if importlib.util.find_spec("ensurepip") is None:  # Debian packs it apart
        provide("venv")
    stamp.unlink(missing_ok=True)
    base = getattr(sys, "_base_executable", sys.executable)  # this may run inside the environment it replaces
    quietly(base, "-m", "venv", "--clear", folder)
    quietly(python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet", *packages)
    if on_path:
        site_packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
        Path(site_packages, "on_path.pth").write_text(f"{on_path}\n", encoding="locale")  # as `site` reads it
    stamp.write_text(wanted, encoding="ascii")
    return python


def provide(purpose: str) -> None:
    """Sees to the system packages for one purpose (see build/system_packages.py).

    Raises:
        SetupError: they are missing, and this is CI.
    """
    if run(sys.executable, ROOT / "build" / "system_packages.py", purpose):
        raise SetupError("system packages are missing")


def quietly(*command: str | Path) -> None:
    """Runs one step of the set-up in the project's folder; shows what it printed only if it fails.

    Raises:
        SetupError: it failed.
    """
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-20:])
        raise SetupError(
            f"this failed with exit code {done.returncode}: {' '.join(map(str, command))}\n{last}"
        )


def usage() -> str:
    """The list of verbs, one line each."""
    lines = ["usage: python dev.py VERB [ARGUMENT...]", ""]
    for name, (takes, function) in TASKS.items():
        what = (function.__doc__ or "").partition("\n")[0]
        lines.append(f"  {name + ' ' + takes:26} {what}")
    return "\n".join(lines)


def main(verb: str = "", *arguments: str) -> int:
    """Runs one verb and returns the exit code of what it ran; 2 for wrong usage, 1 if the set-up failed."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        say("this needs Python 3.11, 3.12 or 3.13; it was started with " + sys.version.split()[0])
        return 2
    if verb in {"", "help", "-h", "--help"}:
        print(usage())
        return 0
    if verb not in TASKS or (arguments and not TASKS[verb].takes):
        print(usage(), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds: a step of the set-up ends with us
    try:
        return TASKS[verb].run(*arguments)
    except KeyboardInterrupt:
        say("stopped; the next run takes it up again")
        return 130
    except (SetupError, OSError) as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
