"""Tests in a network of their own: interfaces, routes and firewall rules that the real machine never sees."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_TOOLS = ("unshare", "ip", "nft")
_LONGEST = 60  # seconds
# When the first process of the PID namespace ends, the kernel ends every other one in it.
_UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
_RUN = "import runpy, sys; runpy.run_path(sys.argv[1])[sys.argv[2]].__wrapped__()"


def in_namespace(setup: str = "") -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Let a test run in a child process, in a fresh network namespace with only the loopback up.

    Skips without root or the tools. The test takes no fixtures.

    Args:
        setup: shell commands that run there first. `ip netns add` works and is private to the test.
    """

    def decorate(test: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(test)
        def outside() -> None:
            reason = _why_not()
            if reason:
                pytest.skip(reason)
            script = f'mount -t tmpfs none /run\nip link set lo up\n{setup}\nexec "$0" "$@"'
            file = Path(test.__code__.co_filename)
            child = subprocess.run(
                [
                    *_UNSHARE,
                    "sh",
                    "-ec",
                    script,
                    sys.executable,
                    "-W",
                    "error",
                    "-c",
                    _RUN,
                    str(file),
                    test.__name__,
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_LONGEST,
                check=False,
            )
            if child.returncode:
                pytest.fail(child.stdout, pytrace=False)

        return outside

    return decorate


@functools.cache
def _why_not() -> str | None:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root for a network namespace"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    attempt = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    return f"no namespaces here: {attempt.stderr.strip()}" if attempt.returncode else None
