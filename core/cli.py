"""The command line: `rdpcheckup check | explain | list | demo | selftest`.

Exit codes: 0 healthy or done, 1 problem found, 2 usage, 3 could not tell, 7 cancelled, 70 internal error.
With `--json` stdout carries one document and nothing else; everything for people goes to stderr then.
What only some commands need is imported where they need it: a fleet starts this program often.
"""

import argparse
import asyncio
import errno
import os
import sys
import time
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from core.arguments import Command, parser
from core.intake import Intake, IntakeError, read
from core.live_bar import LiveBar
from core.model import Event, Family, Run, RunDone, Target
from core.run import Options, check, chosen, conclude, new_id
from core.text import Texts, TextsMissing, plain, wanted_language
from core.wire import error_text
from core.wire.error_text import PastedError

if TYPE_CHECKING:
    from core.ports import Machine


class Exit(IntEnum):
    """What a calling script can rely on."""

    DONE = 0
    PROBLEM = 1
    USAGE = 2
    UNKNOWN = 3
    CANCELLED = 7
    INTERNAL = 70


_BY_FAMILY = {Family.FINE: Exit.DONE, Family.UNKNOWN: Exit.UNKNOWN}


class UsageError(Exception):
    """The command line cannot be carried out. `text_id` and `values` make the sentence."""

    def __init__(self, text_id: str, **args: str) -> None:
        super().__init__(text_id)
        self.text_id = text_id
        self.values = args


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    _speak_utf8()
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Carry out one command line and return its exit code. Raises SystemExit only for --help, --version and usage."""
    options = parser(_COMMANDS).parse_args(argv)
    texts = Texts(wanted_language(getattr(options, "lang", None)))
    try:
        return _carry_out(options, texts)
    except TextsMissing as missing:
        print(f"rdpcheckup: the texts ({missing}) are not built. Run: python dev.py", file=sys.stderr)
        return Exit.INTERNAL


def _carry_out(options: argparse.Namespace, texts: Texts) -> int:
    try:
        return int(options.command(options, texts))
    except (IntakeError, UsageError) as wrong:
        print(texts.say(wrong.text_id, wrong.values), file=sys.stderr)
        return Exit.USAGE
    except TextsMissing:
        raise
    except KeyboardInterrupt:
        print(texts.say("app.stopped"), file=sys.stderr)
        return Exit.CANCELLED
    except Exception as crash:  # noqa: BLE001 - a person gets a sentence, never a traceback
        print(texts.say("app.crash", {"what": type(crash).__name__}), file=sys.stderr)
        return Exit.INTERNAL


def _write(text: str) -> None:
    """Write to stdout, at once. Raises OSError where that cannot be done, but not for a reader that has gone."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as failed:
        # What could not be written is given up, or Python would try once more at its end, and complain.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        # `| head` has read what it wanted. Windows calls that an invalid argument.
        if failed.errno not in (errno.EPIPE, errno.EINVAL):
            raise


# --- check


def _check(options: argparse.Namespace, texts: Texts) -> int:
    from core.machine import this_machine  # noqa: PLC0415

    target = read(Intake(target=options.target, rdp=options.rdp, gateway=options.gateway))
    if target.host is None and not options.local_only:
        raise UsageError("intake.empty")
    error = _pasted(options.error)
    done = _run_check(this_machine(), target, error, _options(options), texts)
    _print_run(done, options, texts)
    return Exit.CANCELLED if done.cancelled else _BY_FAMILY.get(done.verdict.family, Exit.PROBLEM)


def _pasted(text: str | None) -> PastedError | None:
    if text is None:
        return None
    error = error_text.parse(text)
    if error is None:
        raise UsageError("app.no-code", text=plain(text))
    return error


def _options(options: argparse.Namespace) -> Options:
    only = frozenset(i.strip() for i in options.only.split(",") if i.strip()) if options.only else None
    if only == frozenset():
        raise UsageError("app.no-check", check=plain(options.only))
    made = Options(only=only, local_only=options.local_only, time_limit=options.timeout)
    try:
        chosen(made, Target(typed="", host="any"))
    except KeyError as unknown:
        raise UsageError("app.no-check", check=plain(str(unknown.args[0]))) from None
    return made


def _run_check(
    machine: "Machine", target: Target, error: PastedError | None, options: Options, texts: Texts
) -> Run:
    """Run with a live bar. Ctrl+C ends it cleanly and gives what is known so far."""
    bar = LiveBar(sys.stderr, texts, total=len(chosen(options, target)))
    ended: list[RunDone] = []

    def hear(event: Event) -> None:
        bar(event)
        if isinstance(event, RunDone):
            ended.append(event)

    started_at, started = machine.clock.now(), time.perf_counter()
    with bar:
        try:
            return asyncio.run(check(machine, target, hear, error=error, options=options))
        except KeyboardInterrupt:
            if not ended:
                raise
            return conclude(
                ended[0].rows,
                target,
                error,
                run_id=new_id(),
                started=started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                duration_ms=round((time.perf_counter() - started) * 1000),
                connections=ended[0].connections,
                cancelled=True,
            )


def _print_run(done: Run, options: argparse.Namespace, texts: Texts) -> None:
    if options.json:
        from core.report.document import build, to_json  # noqa: PLC0415

        _write(to_json(build(done, texts)))
    elif options.ticket:
        from core.report.ticket import render  # noqa: PLC0415

        _write(render(done, texts))
    else:
        from core.console import result  # noqa: PLC0415

        _write(result(done, texts))


# --- explain, list, demo, selftest


def _explain(options: argparse.Namespace, texts: Texts) -> int:
    from core.console import explanation  # noqa: PLC0415

    error = _pasted(" ".join(options.code))
    assert error is not None
    _write(explanation(error.code, error.extended, texts))
    return Exit.DONE


def _list(options: argparse.Namespace, texts: Texts) -> int:
    from core.console import listing  # noqa: PLC0415

    _write(listing(options.what, texts))
    return Exit.DONE


def _demo(options: argparse.Namespace, texts: Texts) -> int:
    from core.demo import play  # noqa: PLC0415
    from core.machine import this_machine  # noqa: PLC0415

    if options.fault not in play.names():
        raise UsageError("app.no-fault", fault=plain(options.fault))
    limits = Options(time_limit=options.timeout)
    with play.server(options.fault) as port:
        print(texts.say("app.demo", {"fault": options.fault, "port": port}), file=sys.stderr)
        target = Target(typed=f"127.0.0.1:{port}", host="127.0.0.1", port=port)
        done = _run_check(this_machine(), target, None, limits, texts)
    _print_run(done, options, texts)
    return Exit.CANCELLED if done.cancelled else Exit.DONE


def _selftest(_options: argparse.Namespace, texts: Texts) -> int:
    from core.selftest import examine  # noqa: PLC0415

    healthy = True
    for name, fault in examine():
        healthy &= fault is None
        mark, why = ("[ok]", "") if fault is None else ("[XX]", f": {plain(fault)}")
        _write(f"{mark} {texts.say(f'selftest.{name}')}{why}\n")
    return Exit.DONE if healthy else Exit.INTERNAL


_COMMANDS: Mapping[str, Command] = {
    "check": _check,
    "explain": _explain,
    "list": _list,
    "demo": _demo,
    "selftest": _selftest,
}


def _speak_utf8() -> None:
    """Windows consoles and redirected output default to old code pages, which cannot print every name.

    A stream that the caller closed (`2>&-`) is None: what is meant for it goes nowhere, and not to the other one.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    main()
