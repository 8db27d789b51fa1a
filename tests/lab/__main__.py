"""The fault lab's command line: `python dev.py lab [NAME...]`."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.lab import score
from tests.lab.crew import play_all
from tests.lab.play import Played
from tests.lab.scenario import Scenario, book, scenarios
from tests.lab.worker import UNSHARE, Order

RECORDED = Path(__file__).parent / "score.json"
PROGRAMS = (
    *("ip", "nft", "unshare", "setpriv", "dnsmasq", "xrdp", "freerdp-shadow-cli", "xfreerdp", "Xvfb"),
    *("faketime", "openvpn", "wireguard-go", "wg"),
)


def why_not() -> str | None:
    """Why no lab can be built here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "the fault lab needs root on Linux: it makes network namespaces"
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    return f"the fault lab needs {', '.join(missing)}" if missing else None


def main(argv: Sequence[str] | None = None) -> int:
    """0 at or above the recorded score, 1 below it, 2 where no lab can be built or nothing matches."""
    options = _parser().parse_args(argv)
    reason = why_not()
    if reason:
        print(reason, file=sys.stderr)
        return 2
    if options.look:
        return subprocess.run(
            (*UNSHARE, sys.executable, "-m", "tests.lab.worker", *options.look), check=False
        ).returncode
    for file, fault in book().faults.items():
        print(f"scenarios/{file}: {fault}", file=sys.stderr)
    chosen = _choose(options)
    if not chosen:
        print(f"no scenario is called so: {' '.join(options.names)}", file=sys.stderr)
        return 2
    if options.list:
        print(
            score.table(
                ((s.name, s.cause or "healthy", "ci" if s.ci else "") for s in chosen),
                ("scenario", "truth", ""),
            )
        )
        return 0
    orders = [
        Order(name=s.name, client=not options.no_client, seed=turn)
        for turn in range(1, options.repeat + 1)
        for s in chosen
    ]
    results = [(scenarios()[p.name], p) for p in play_all(orders, options.jobs, _tell)]
    reached = score.sums(results)
    _report(results, reached, all_evidence=options.evidence)
    if options.json:
        Path(options.json).write_text(_document(results, reached), encoding="utf-8")
    least = msgspec.json.decode(RECORDED.read_bytes(), type=score.Least)
    short = score.falls_short(reached, least)
    for words in short:
        print(f"below the recorded score: {words}")
    return 1 if short else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py lab", description="Judges the diagnosis by real faults.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="scenarios, or the beginning of their names, or causes"
    )
    parser.add_argument("--jobs", type=int, default=3, help="how many labs side by side (3)")
    parser.add_argument("--repeat", type=int, default=1, help="how often (1)")
    parser.add_argument("--json", metavar="FILE", help="all results for machines")
    parser.add_argument("--only-healthy", action="store_true", help="only what must not raise an alarm")
    parser.add_argument("--ci", action="store_true", help="only what CI runs")
    parser.add_argument("--no-client", action="store_true", help="leave the real client out")
    parser.add_argument("--evidence", action="store_true", help="print the evidence of right verdicts too")
    parser.add_argument("--list", action="store_true", help="only name the scenarios")
    parser.add_argument(
        "--look",
        nargs=argparse.REMAINDER,
        metavar="NAME [COMMAND...]",
        help="a shell, or a command, in that lab",
    )
    return parser


def _choose(options: argparse.Namespace) -> list[Scenario]:
    return [
        s
        for s in scenarios().values()
        if (not options.names or any(s.name.startswith(name) or s.cause == name for name in options.names))
        and (not options.only_healthy or s.cause is None)
        and (not options.ci or s.ci)
    ]


def _tell(order: Order, played: Played) -> None:
    verdict = score.mark(scenarios()[order.name], played.said)
    print(f"{order.name}: {verdict}", file=sys.stderr, flush=True)


def _report(results: list[tuple[Scenario, Played]], reached: score.Sums, *, all_evidence: bool) -> None:
    print(score.table(score.line(s, p) for s, p in results), end="\n\n")
    print(score.confusion(results), end="\n\n")
    for scenario, played in results:
        if all_evidence or score.mark(scenario, played.said) is not score.Mark.RIGHT:
            print("\n".join(score.evidence(scenario, played)), end="\n\n")
    print(
        f"{reached.played} played, {reached.right:.1%} right, {reached.false_alarms} false alarms, "
        f"{reached.certainly_wrong} certainly wrong, {reached.unknown:.1%} unknown, "
        f"median {reached.median_s} s, worst {reached.worst_s} s"
    )


def _document(results: list[tuple[Scenario, Played]], reached: score.Sums) -> str:
    rows = [
        {
            "truth": scenario.cause,
            "mark": score.mark(scenario, played.said),
            "doubt": score.doubt(scenario, played),
            **msgspec.to_builtins(played),
        }
        for scenario, played in results
    ]
    return json.dumps({"sums": msgspec.to_builtins(reached), "plays": rows}, indent=1)


if __name__ == "__main__":
    sys.exit(main())
