"""The command line as people and scripts use it: exit codes, what goes where, and what happens when it goes wrong."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from core import __version__, cli, machine, text
from core.cli import Exit
from core.demo import play
from core.demo.faults import DEFAULT
from core.ports import ClockState
from core.text import Texts
from resources import FOLDER
from tests.support import fakes
from tests.support.scripted import serving

TEXTS = Texts("en")
ROOT = FOLDER.parent

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Program:
    """Runs command lines in this process, on a PC made of data with real sockets; speaks English."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *argv: str) -> Done:
        self._capsys.readouterr()
        try:
            code = cli.run(argv)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else -1
        out, err = self._capsys.readouterr()
        return Done(code, out, err)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")


@pytest.fixture
def rdpcheckup(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    # The clock is real, because the demo's certificates are made by it.
    now = fakes.FakeClock(datetime.now(UTC))
    monkeypatch.setattr(machine, "this_machine", lambda: fakes.FakeMachine(clock=now))
    return Program(capsys)


# --- exit codes of a check


@pytest.mark.parametrize(
    ("fault", "only", "code", "cause"),
    [
        ("healthy", "certificate,nla", Exit.DONE, None),
        ("healthy-tls", "certificate,session", Exit.DONE, None),
        ("server-certificate-expired", "certificate", Exit.PROBLEM, "server-certificate-expired"),
        ("port-closed", "reach", Exit.PROBLEM, "port-closed"),
        ("not-rdp-ssh", "negotiate", Exit.PROBLEM, "not-rdp"),
        # Nothing wrong was seen, and not every step of a connection either.
        ("healthy", "reach", Exit.UNKNOWN, None),
        ("healthy", "negotiate", Exit.UNKNOWN, None),
    ],
)
def test_the_exit_code_is_the_verdict(
    rdpcheckup: Program, fault: str, only: str, code: int, cause: str | None
) -> None:
    with serving(fault) as server:
        done = rdpcheckup("check", f"127.0.0.1:{server.port}", "--only", only, "--json")
    assert (done.code, done.err) == (code, "")
    assert json.loads(done.out)["verdict"]["cause"] == cause


def test_the_three_forms_of_a_result(rdpcheckup: Program) -> None:
    with serving("port-closed") as server:
        check = ("check", f"127.0.0.1:{server.port}", "--only", "reach")
        plain, ticket, document = (
            rdpcheckup(*check),
            rdpcheckup(*check, "--ticket"),
            rdpcheckup(*check, "--json"),
        )
    assert plain.code == ticket.code == document.code == Exit.PROBLEM
    assert plain.err == ticket.err == document.err == ""
    assert plain.out.startswith(TEXTS.say("family.it") + "\n")
    assert ticket.out.startswith("RDP problem: ")
    assert json.loads(document.out)["run"]["connections"] == 2


def test_only_this_computer(rdpcheckup: Program) -> None:
    done = rdpcheckup("check", "--local-only", "--json")
    assert (done.code, done.err) == (Exit.DONE, "")
    told = json.loads(done.out)
    assert (told["target"]["host"], told["run"]["connections"]) == (None, 0)
    assert {finding["check"] for finding in told["findings"]} == {
        "network",
        "names",
        "route",
        "vpn",
        "firewall",
        "clock",
    }
    # A check of the other side, with no other side: nothing was measured, so nothing is fine.
    assert rdpcheckup("check", "--local-only", "--only", "reach").code == Exit.UNKNOWN


def test_a_pasted_error_goes_into_the_result(rdpcheckup: Program) -> None:
    pasted = "[Inhalt]\nDie Verbindung wurde getrennt.\nFehlercode: 0x904\nErweiterter Fehlercode: 0x7"
    done = rdpcheckup("check", "127.0.0.1:1", "--only", "reach", "--error", pasted, "--json")
    assert json.loads(done.out)["error"]["code"] == 0x904
    assert json.loads(done.out)["error"]["extended"] == 7


def test_a_file_and_a_gateway_are_taken_along(rdpcheckup: Program, tmp_path: Path) -> None:
    path = tmp_path / "pc.rdp"
    path.write_text("full address:s:127.0.0.1:1\r\n")
    for target in ([str(path)], ["--rdp", str(path)]):
        done = rdpcheckup("check", *target, "--gateway", "gw.example", "--only", "names", "--json")
        told = json.loads(done.out)["target"]
        assert (told["host"], told["port"], told["gateway"]) == ("127.0.0.1", 1, "gw.example:443")


# --- what a person gets wrong

FOLDER_RDP, EMPTY_RDP, BIG_RDP = "folder.rdp", "empty.rdp", "big.rdp"


@pytest.mark.parametrize(
    "argv",
    [
        ["check"],
        ["check", ""],
        ["check", "pc anna"],
        ["check", "https://pc-anna"],
        ["check", "pc-anna:0"],
        ["check", "pc-anna:65536"],
        ["check", "pc-anna:rdp"],
        ["check", "[::1"],
        ["check", "x" * 300],
        ["check", "\x1b[31mred"],
        ["check", "nowhere.rdp"],
        ["check", EMPTY_RDP],
        ["check", BIG_RDP],
        ["check", FOLDER_RDP],
        ["check", "pc-anna", "--rdp", EMPTY_RDP],
        ["check", "pc-anna", "--gateway", "gw gw"],
        ["check", "pc-anna", "--error", "it does not work any more"],
        ["check", "pc-anna", "--error", ""],
        ["check", "pc-anna", "--only", "zebra"],
        ["check", "pc-anna", "--only", "reach,zebra"],
        ["check", "pc-anna", "--only", ","],
        ["check", "--local-only", "--only", " , "],
        ["explain", "it does not work"],
        ["explain", "\udcff\x1b[31m"],
        ["demo", "zebra"],
        ["demo", "\x1b[31m"],
    ],
    ids=lambda argv: ascii(" ".join(argv))[:40],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(
    rdpcheckup: Program, argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / FOLDER_RDP).mkdir()
    (tmp_path / EMPTY_RDP).touch()
    with (tmp_path / BIG_RDP).open("wb") as big:
        big.truncate(1 << 30)  # sparse
    done = rdpcheckup(*argv)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert done.err.endswith("\n")
    (sentence,) = done.err.splitlines()
    assert " " in sentence
    assert sentence.isprintable()
    assert "Traceback" not in sentence


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["frobnicate"],
        ["check", "a", "b"],
        ["check", "a", "--json", "--ticket"],
        ["check", "a", "--timeout", "soon"],
        ["check", "a", "--timeout", "0"],
        ["check", "a", "--timeout", "nan"],
        ["check", "a", "--timeout", "301"],
        ["check", "a", "--zebra"],
        ["list"],
        ["list", "zebras"],
        ["explain"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_is_none_shows_its_usage(rdpcheckup: Program, argv: list[str]) -> None:
    done = rdpcheckup(*argv)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert done.err.startswith("usage: rdpcheckup")
    assert "error: " in done.err.splitlines()[-1]


@pytest.mark.parametrize("argv", [["--help"], ["check", "--help"], ["demo", "-h"]])
def test_help_goes_to_stdout(rdpcheckup: Program, argv: list[str]) -> None:
    done = rdpcheckup(*argv)
    assert (done.code, done.err) == (Exit.DONE, "")
    assert done.out.startswith("usage: rdpcheckup")


def test_the_version(rdpcheckup: Program) -> None:
    assert rdpcheckup("--version") == Done(Exit.DONE, f"rdpcheckup {__version__}\n", "")


# --- what goes wrong in the program itself


def test_a_crash_is_a_sentence_and_exit_code_70(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_clock = fakes.FakeMachine(clock=fakes.FakeClock(denied=["now"]))
    monkeypatch.setattr(machine, "this_machine", lambda: no_clock)
    done = Program(capsys)("check", "127.0.0.1:1", "--json")
    assert done == Done(Exit.INTERNAL, "", TEXTS.say("app.crash", {"what": "Denied"}) + "\n")


@pytest.mark.parametrize("argv", [["list", "checks"], ["check", "pc anna"], ["demo", "zebra"]])
def test_without_its_texts_it_says_how_to_make_them(
    rdpcheckup: Program, argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "FOLDER", tmp_path)
    done = rdpcheckup(*argv)
    assert (done.code, done.out) == (Exit.INTERNAL, "")
    assert "python dev.py" in done.err
    assert len(done.err.splitlines()) == 1


class Impatient(fakes.FakeClock):
    """A clock that presses Ctrl+C when a check asks it."""

    def state(self) -> ClockState:
        signal.raise_signal(signal.SIGINT)
        return super().state()


def test_ctrl_c_in_the_middle_of_a_demo_ends_its_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "this_machine", lambda: fakes.FakeMachine(clock=Impatient()))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where it is ignored
    try:
        done = Program(capsys)("demo", "server-silent", "--json")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.code == Exit.CANCELLED
    told = json.loads(done.out)
    assert told["run"]["cancelled"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", told["target"]["port"]), timeout=5)


def test_a_part_of_its_texts_is_not_enough(
    rdpcheckup: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "locale" / "en" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    for domain in ("findings", "causes", "app"):
        shutil.copy(FOLDER / "locale" / "en" / "LC_MESSAGES" / f"{domain}.mo", folder)
    monkeypatch.setattr(text, "FOLDER", tmp_path)
    assert rdpcheckup("list", "causes").code == Exit.DONE
    done = rdpcheckup("explain", "0x904")
    assert (done.code, done.out) == (Exit.INTERNAL, "")
    assert "(codes)" in done.err


# --- explain and list


GERMAN = """[Window Title]
Remotedesktopverbindung

[Content]
Die Remotedesktopverbindung wurde unterbrochen.

[Expanded Information]
Fehlercode: 0x904
Erweiterter Fehlercode: 0x7
Zeitstempel (UTC): 11/22/26 12:58:03 PM
"""


@pytest.mark.parametrize(
    "argv", [["0x904", "0x7"], ["0x904/0x7"], ["2308", "7"], [GERMAN], GERMAN.split()], ids=ascii
)
def test_a_code_is_explained_however_it_is_given(rdpcheckup: Program, argv: list[str]) -> None:
    done = rdpcheckup("explain", *argv)
    assert (done.code, done.err) == (Exit.DONE, "")
    assert done.out == rdpcheckup("explain", "0x904", "0x7").out
    assert done.out.startswith("0x904 (2308)")
    assert TEXTS.say("app.certain") in done.out


def test_a_code_in_no_book_is_an_answer_too(rdpcheckup: Program) -> None:
    assert rdpcheckup("explain", "0xABCDEF").code == Exit.DONE


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("checks", f"negotiate    {TEXTS.say('check.negotiate')}"),
        ("causes", f"no-network                        {TEXTS.say('cause.no-network.title')}"),
        ("fixes", TEXTS.say("app.no-fixes")),
        ("demos", "server-certificate-expired"),
    ],
)
def test_lists(rdpcheckup: Program, what: str, line: str) -> None:
    done = rdpcheckup("list", what)
    assert (done.code, done.err) == (Exit.DONE, "")
    assert line in done.out.splitlines()


# --- demo and self-test


def test_the_demo_shows_an_expired_certificate(rdpcheckup: Program) -> None:
    done = rdpcheckup("demo", "--json")
    assert done.code == Exit.DONE
    assert DEFAULT in done.err
    told = json.loads(done.out)
    assert told["verdict"]["cause"] == "server-certificate-expired"
    schema = json.loads((FOLDER / "schema" / "report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(told)


@pytest.mark.parametrize("fault", ["port-closed", "not-rdp"])
def test_the_demo_shows_other_faults(rdpcheckup: Program, fault: str) -> None:
    done = rdpcheckup("demo", fault)
    assert done.code == Exit.DONE
    assert fault in done.err
    assert TEXTS.say(f"family.{'it' if fault == 'port-closed' else 'user'}") in done.out


def test_the_demo_server_is_gone_afterwards() -> None:
    with play.server("server-silent") as port:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with pytest.raises(KeyError), play.server("zebra"):
        pass


def test_the_self_test_finds_a_whole_program(rdpcheckup: Program) -> None:
    done = rdpcheckup("selftest")
    assert (done.code, done.err) == (Exit.DONE, "")
    lines = done.out.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("[ok] ") for line in lines)


def test_the_self_test_finds_what_is_missing(
    rdpcheckup: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.codes.FOLDER", tmp_path)
    monkeypatch.setattr("core.knowledge.FOLDER", tmp_path)
    from core import codes, knowledge

    codes.load.cache_clear()
    knowledge.causes.cache_clear()
    try:
        done = rdpcheckup("selftest")
    finally:
        codes.load.cache_clear()
        knowledge.causes.cache_clear()
    assert done.code == Exit.INTERNAL
    assert [line[:4] for line in done.out.splitlines()] == ["[ok]", "[XX]", "[XX]", "[XX]"]


# --- as a process of its own


@contextlib.contextmanager
def child(*argv: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m core.cli`, with Ctrl+C as a terminal has it, whatever started the tests."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from core.cli import main; main(sys.argv[1:])"
    )
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "PYTHONUNBUFFERED": ""}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *argv], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, **streams
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[bytes]) -> Done:
    out, err = process.communicate(timeout=30)
    return Done(process.returncode, (out or b"").decode(), (err or b"").decode())


def test_the_module_runs_by_name() -> None:
    command = [sys.executable, "-m", "core.cli", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == (f"rdpcheckup {__version__}\n", "")


def test_json_is_one_document_and_nothing_else() -> None:
    with serving("server-certificate-expired") as server:
        target = f"127.0.0.1:{server.port}"
        with child("check", target, "--only", "certificate", "--json") as process:
            done = ended(process)
    assert (done.code, done.err) == (Exit.PROBLEM, "")
    decoder = json.JSONDecoder()
    told, end = decoder.raw_decode(done.out)
    assert done.out[end:] == "\n"
    assert told["verdict"]["cause"] == "server-certificate-expired"


def test_whatever_the_console_speaks_it_gets_utf_8() -> None:
    with child("check", "größe größe") as process:
        assert "größe größe" in ended(process).err


@on_posix
@pytest.mark.parametrize("form", [["--json"], ["--ticket"], []], ids=["json", "ticket", "text"])
def test_ctrl_c_prints_what_is_known_so_far_and_gives_7(form: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        with child("check", f"127.0.0.1:{port}", "--only", "negotiate", *form) as process:
            server.accept()[0].close()  # reach
            with server.accept()[0] as silent:
                silent.settimeout(20)
                assert silent.recv(100), "the X.224 request: the check now waits for its answer"
                process.send_signal(signal.SIGINT)
                done = ended(process)
    assert (done.code, done.err) == (Exit.CANCELLED, "")
    if form == ["--json"]:
        told = json.loads(done.out)
        assert told["run"]["cancelled"]
        assert told["run"]["connections"] == 2
        assert told["run"]["duration_ms"] > 0
        states = {finding["check"]: finding["state"] for finding in told["findings"]}
        assert states["reach"] == "ok"
        assert states["negotiate"] == "skipped"
        assert [f["reason"] for f in told["findings"] if f["check"] == "negotiate"] == ["stopped"]
    elif form == ["--ticket"]:
        assert "[--] negotiate" in done.out
    else:
        assert done.out.startswith(TEXTS.say("app.stopped") + "\n")


@on_posix
def test_ctrl_c_before_anything_is_known_gives_7_too() -> None:
    with child("demo", "server-silent", "--json", bufsize=0) as process:
        assert process.stderr is not None
        assert b"server-silent" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        done = ended(process)
    assert done.code == Exit.CANCELLED
    assert "Traceback" not in done.err


@on_posix
@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["list", "causes"], Exit.DONE),
        (["explain", "0x904", "0x7"], Exit.DONE),
        (["selftest"], Exit.DONE),
        (["check", "127.0.0.1:1", "--only", "reach", "--json"], Exit.PROBLEM),
        (["check", "127.0.0.1:1", "--only", "reach"], Exit.PROBLEM),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_reader_that_has_gone_changes_nothing(argv: list[str], code: int) -> None:
    """`| head -1`, which has read enough: no complaint, and the exit code is still the verdict."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with child(*argv, stdout=writer) as process:
            done = ended(process)
    finally:
        os.close(writer)
    assert (done.code, done.err) == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full, child("list", "causes", stdout=full) as process:
        done = ended(process)
    assert done == Done(Exit.INTERNAL, "", TEXTS.say("app.crash", {"what": "OSError"}) + "\n")


@on_posix
def test_a_closed_stderr_does_not_spill_into_stdout() -> None:
    shell = ["sh", "-c", '"$0" -m core.cli demo port-closed --json 2>&-', sys.executable]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(done.stdout)["verdict"]["cause"] == "port-closed"
