"""Measures this product beside nmap and sslyze on the same servers in the same run, and prints ratios of medians.

Run it by `python dev.py bench`, which installs the peers. Machines are noisy: the rounds are interleaved, so that a
busy second hits every tool, and ratios are worth more than milliseconds.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from core import run
from core.machine import this_machine
from core.model import Target
from tests.support.servers import shadow, xrdp

# All remote checks but the two that sample the line for a while.
REMOTE = frozenset({"reach", "negotiate", "tls", "certificate", "nla", "session", "udp", "presence"})
NMAP_SCRIPTS = "+rdp-enum-encryption,+rdp-ntlm-info,+ssl-cert"
LIMIT = 180  # seconds for one run of a peer

Measure = Callable[[int], float]


def inside(port: int) -> float:
    """The checks inside a running process, as a window does them."""
    started = time.perf_counter()
    target = Target(typed=f"127.0.0.1:{port}", host="127.0.0.1", port=port)
    done = asyncio.run(run.check(this_machine(), target, lambda _: None, options=run.Options(only=REMOTE)))
    took = time.perf_counter() - started
    if done.verdict.cause is not None:
        raise SystemExit(f"the healthy server on port {port} was taken for {done.verdict.cause}")
    return took


def timed(*command: str) -> float:
    """Wall time of one child process. Its exit code says something about the server, not about the run."""
    # An installed program has its bytecode; some development machines forbid to write it.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LIMIT,
        check=False,
        env=environment,
    )
    return time.perf_counter() - started


def as_process(port: int) -> float:
    """The same checks as a new process, from the command to its JSON."""
    return timed(
        sys.executable,
        "-m",
        "core.cli",
        "check",
        f"127.0.0.1:{port}",
        "--json",
        "--only",
        ",".join(sorted(REMOTE)),
    )


def whole(port: int) -> float:
    """Everything, with sampling and local checks, inside a running process."""
    started = time.perf_counter()
    target = Target(typed=f"127.0.0.1:{port}", host="127.0.0.1", port=port)
    asyncio.run(run.check(this_machine(), target, lambda _: None))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nmap", required=True, metavar="PATH")
    parser.add_argument("--sslyze", required=True, metavar="PATH")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="rounds for us and nmap (default 7)")
    parser.add_argument("--slow-runs", type=int, default=2, metavar="N", help="rounds for sslyze (default 2)")
    options = parser.parse_args()
    nmap = [options.nmap, "-Pn", "-n", "--script", NMAP_SCRIPTS]
    print(f"{'server':<12}{'tool':<28}{'median':>10}{'min':>10}{'max':>10}   runs")
    for name, server in (("xrdp", xrdp()), ("shadow NLA", shadow())):
        with server as running:
            _compare(name, running.port, nmap, options)


def _compare(name: str, port: int, nmap: list[str], options: argparse.Namespace) -> None:
    def by_nmap(p: int) -> float:
        return timed(*nmap, "-p", str(p), "127.0.0.1")

    def by_sslyze(p: int) -> float:
        return timed(options.sslyze, "--starttls=rdp", f"127.0.0.1:{p}")

    inside(port)  # imports are paid once in a running program
    as_process(port)  # and so is their bytecode on an installed one
    times: dict[str, list[float]] = {}
    for number in range(max(options.runs, options.slow_runs)):
        for tool, measure, runs in (
            ("inside a process", inside, options.runs),
            ("as a new process", as_process, options.runs),
            ("whole check", whole, options.runs),
            ("nmap, three scripts", by_nmap, options.runs),
            ("sslyze, default scan", by_sslyze, options.slow_runs),
        ):
            if number < runs:
                times.setdefault(tool, []).append(measure(port))
    median = {tool: statistics.median(values) for tool, values in times.items()}
    for tool, values in times.items():
        spread = f"{min(values) * 1000:>8.0f}ms{max(values) * 1000:>8.0f}ms"
        print(f"{name:<12}{tool:<28}{median[tool] * 1000:>8.0f}ms{spread}   {len(values)}")
    for peer, goals in (("nmap, three scripts", (10, 5)), ("sslyze, default scan", (50, 20))):
        for ours, goal in zip(("inside a process", "as a new process"), goals, strict=True):
            ratio = median[peer] / median[ours]
            print(f"{name:<12}{ours} against {peer}: {ratio:.1f}x (goal {goal}x)")


if __name__ == "__main__":
    main()
