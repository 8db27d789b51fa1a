"""Real RDP servers and a real client, for what our own imitation of a server could get wrong.

They use loopback, or a network namespace that a `Place` leads into. Everything runs in the foreground with its own folders and port, and ends with its block: by its process group, or by
the kernel if the test run itself is killed. Linux only, and to be started by the main thread: the kernel ends a
process with the thread that started it.
"""

import atexit
import contextlib
import functools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from core.demo import certificates
from core.demo.faults import Certificate

USER, PASSWORD, DOMAIN = "testuser", "Passw0rd!", "LAB"

_READY_S = 10.0
_STOP_S = 3.0
_PACKAGES = {
    "xrdp": "xrdp",
    "freerdp-shadow-cli": "freerdp2-shadow-x11",
    "xfreerdp": "freerdp2-x11",
    "winpr-hash": "winpr-utils",
    "Xvfb": "xvfb",
    "openssl": "openssl",
    "setpriv": "util-linux",
}
_PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"


def _missing() -> list[str]:
    return [package for program, package in _PACKAGES.items() if shutil.which(program, path=_PATH) is None]


needs_servers = [
    pytest.mark.servers,
    pytest.mark.skipif(
        bool(_missing()) and os.environ.get("CI") != "true",
        reason=f"needs the Debian packages {', '.join(_missing())}",
    ),
]
"""Assign this to `pytestmark`. With CI=true a missing program fails the test in place of skipping it."""


class ServerFailedError(Exception):
    """A program is not installed, ended early or never listened; the text holds its log."""


class Keys(StrEnum):
    """What a server has for a certificate and a key."""

    GOOD = "good"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_NAME = "wrong-name"
    WEAK = "weak"
    """RSA 1024, signed with SHA-1. xrdp loads it with `old_tls` only."""
    MISMATCHED = "mismatched"
    """A good certificate with the key of another."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The machine on which a program runs: this one's loopback, if nothing else is said.

    Attributes:
        enter: the words of a command that runs the command after it there.
        address: where a server listens; None is every address of the machine.
        port: 0 takes a free one.
        name: the machine's name, which certificates carry.
    """

    enter: tuple[str, ...] = ()
    address: str | None = "127.0.0.1"
    port: int = 0
    name: str = field(default_factory=socket.gethostname)


HERE = Place()


@dataclass(frozen=True, slots=True)
class RealServer:
    """A server that listens."""

    port: int
    pid: int
    log: Path


@dataclass(frozen=True, slots=True)
class ClientResult:
    """How xfreerdp ended: its exit code, None if it was still trying when its time was over; and what it said."""

    code: int | None
    text: str


@contextlib.contextmanager
def xrdp(
    *,
    security_layer: str = "negotiate",
    keys: Keys = Keys.GOOD,
    ssl_protocols: str = "TLSv1.2, TLSv1.3",
    tls_ciphers: str = "HIGH",
    old_tls: bool = False,
    place: Place = HERE,
) -> Iterator[RealServer]:
    """A server by xrdp 0.9: TLS of every version, Standard RDP Security, never NLA.

    `security_layer` is negotiate, tls or rdp; `ssl_protocols` and `tls_ciphers` are as in xrdp.ini. `old_tls` lets
    OpenSSL go below TLS 1.2 and 112 bits where these ask for it.
    """
    with _folder() as folder:
        port = place.port or _free_port()
        # A port without an address is every address, of IPv4 and of IPv6.
        listen = str(port) if place.address is None else f"tcp://{place.address}:{port}"
        certificate, key = _write_keys(keys, folder / "server.crt", folder / "server.key", place.name)
        (folder / "xrdp.ini").write_text(
            "[Globals]\nini_version=1\nfork=true\ncrypt_level=high\nallow_channels=true\n"
            f"port={listen}\n"
            f"security_layer={security_layer}\ncertificate={certificate}\nkey_file={key}\n"
            f"ssl_protocols={ssl_protocols}\ntls_ciphers={tls_ciphers}\n"
            f"[Logging]\nLogFile={folder / 'xrdp.log'}\nLogLevel=INFO\nEnableSyslog=false\n"
        )
        environment = {"HOME": str(folder)}
        if old_tls:
            environment["OPENSSL_CONF"] = str(_write_old_tls(folder / "openssl.cnf"))
        command = ("xrdp", "--nodaemon", "--config", str(folder / "xrdp.ini"))
        with _listening(command, port, folder / "xrdp.log", environment, place) as server:
            yield server


@contextlib.contextmanager
def shadow(*, security: str = "nla", keys: Keys = Keys.GOOD, place: Place = HERE) -> Iterator[RealServer]:
    """A server by FreeRDP 2.11. Its `security` is nla, tls or rdp, and then nothing else.

    With Keys.MISSING it makes a good certificate of its own.
    """
    with _folder() as folder:
        port = place.port or _free_port()
        config = folder / "config"
        settings = config / "freerdp" / "shadow"
        settings.mkdir(parents=True)
        _write_keys(keys, settings / "shadow.crt", settings / "shadow.key", place.name)
        (folder / "sam").write_text(_sam())
        command = (
            "freerdp-shadow-cli",
            f"/port:{port}",
            *(() if place.address is None else (f"/bind-address:{place.address}",)),
            f"/sam-file:{folder / 'sam'}",
            f"/sec:{security}",
            "+auth" if security == "nla" else "-auth",
        )
        environment = {"HOME": str(folder), "XDG_CONFIG_HOME": str(config), "DISPLAY": _display()}
        with _listening(command, port, folder / "shadow.log", environment, place) as server:
            yield server


def real_client(
    port: int,
    *,
    host: str = "127.0.0.1",
    more: tuple[str, ...] = (),
    password: str = PASSWORD,
    timeout: float = 10.0,
    place: Place = HERE,
) -> ClientResult:
    """What xfreerdp makes of the server on that port: it logs on and leaves. Takes 0.5 s or more.

    It is given `timeout` seconds, for on a silent server it would wait for more than 25.
    """
    options = (
        f"/v:[{host}]:{port}" if ":" in host else f"/v:{host}:{port}",
        f"/u:{USER}",
        f"/d:{DOMAIN}",
        f"/p:{password}",
        "/cert:ignore",
        "+auth-only",
        *more,
    )
    with _folder() as folder:
        log = folder / "client.log"
        environment = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "DISPLAY": _display()}
        with process(("xfreerdp", *options), log, environment, enter=place.enter) as client:
            code: int | None
            try:
                code = client.wait(timeout)
            except subprocess.TimeoutExpired:
                code = None
        return ClientResult(code, _text(log))


# --- Keys


@functools.cache
def _pem(keys: Keys, machine: str) -> tuple[bytes, bytes]:
    """Certificate and key, made once per test run; RSA, as Windows and FreeRDP make theirs."""
    match keys:
        case Keys.WEAK:
            return _weak_pem()
        case Keys.MISMATCHED:
            return _pem(Keys.GOOD, machine)[0], _pem(Keys.EXPIRED, machine)[1]
        case Keys.EXPIRED:
            wanted = Certificate(starts=timedelta(days=-193), ends=timedelta(days=-10))
        case Keys.NOT_YET_VALID:
            wanted = Certificate(starts=timedelta(days=10), ends=timedelta(days=193))
        case _:
            wanted = Certificate()
    name = "SOMEBODY-ELSE" if keys is Keys.WRONG_NAME else machine
    return certificates.make(Certificate(name=name, starts=wanted.starts, ends=wanted.ends, rsa_bits=2048))


def _weak_pem() -> tuple[bytes, bytes]:
    """By OpenSSL's own program, for the cryptography package no longer signs with SHA-1."""
    with _folder() as folder:
        certificate, key = folder / "weak.crt", folder / "weak.key"
        command = [
            _program("openssl"),
            "req",
            "-x509",
            "-newkey",
            "rsa:1024",
            "-sha1",
            "-nodes",
            "-days",
            "3650",
        ]
        command += ["-subj", "/CN=OLDHOST", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=_READY_S)
        return certificate.read_bytes(), key.read_bytes()


def _write_keys(keys: Keys, certificate: Path, key: Path, machine: str) -> tuple[Path, Path]:
    if keys is not Keys.MISSING:
        for path, content in zip((certificate, key), _pem(keys, machine), strict=True):
            path.write_bytes(content)
            path.chmod(0o600)
    return certificate, key


def _write_old_tls(path: Path) -> Path:
    path.write_text(
        "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = old\n"
        "[old]\nMinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\n"
    )
    return path


@functools.cache
def _sam() -> str:
    """The one user, in the form of FreeRDP's password file."""
    command = (_program("winpr-hash"), "-u", USER, "-p", PASSWORD, "-d", DOMAIN, "-f", "sam")
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_READY_S).stdout


# --- Processes


@functools.cache
def _display() -> str:
    """An X server without screen, shared by all until the test run ends."""
    keep = contextlib.ExitStack()
    atexit.register(keep.close)
    folder = keep.enter_context(_folder())
    answer, tell = os.pipe()
    with os.fdopen(answer) as reader:
        # Without -noreset it starts afresh when its last client goes, and about every tenth FreeRDP server fails.
        command = (
            "Xvfb",
            "-displayfd",
            str(tell),
            "-noreset",
            "-nolisten",
            "tcp",
            "-screen",
            "0",
            "640x480x24",
        )
        try:
            keep.enter_context(process(command, folder / "xvfb.log", {}, pass_fd=tell))
        finally:
            os.close(tell)
        ready, _, _ = select.select([reader], [], [], _READY_S)
        number = reader.readline().strip() if ready else ""
    if not number:
        raise ServerFailedError(f"Xvfb did not start:\n{_text(folder / 'xvfb.log')}")
    return f":{number}"


@contextlib.contextmanager
def _listening(
    command: tuple[str, ...], port: int, log: Path, environment: Mapping[str, str], place: Place
) -> Iterator[RealServer]:
    with process(command, log, environment, enter=place.enter) as server:
        deadline = time.monotonic() + _READY_S
        while not _listens(server.pid, port):
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = server.wait(0.01)
                raise ServerFailedError(f"{command[0]} ended with code {code}:\n{_text(log)}")
            if time.monotonic() > deadline:
                raise ServerFailedError(f"{command[0]} does not listen after {_READY_S} s:\n{_text(log)}")
        yield RealServer(port, server.pid, log)


def _listens(pid: int, port: int) -> bool:
    """Whether a socket listens on that port in the process's network (proc(5): state 0A of /proc/net/tcp)."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):  # the process has ended
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                    return True
    return False


@contextlib.contextmanager
def process(
    command: tuple[str, ...],
    log: Path,
    environment: Mapping[str, str],
    *,
    enter: tuple[str, ...] = (),
    pass_fd: int | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a group of its own, whose end is the end of this block, and of this program whatever ends it."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            (_program("setpriv"), "--pdeathsig", "KILL", *enter, _program(command[0]), *command[1:]),
            stdin=stdin,
            stdout=output,
            stderr=output,
            env={"PATH": _PATH, **environment},
            start_new_session=True,
            pass_fds=() if pass_fd is None else (pass_fd,),
        )
    try:
        yield started
    finally:
        _end(started)


def _end(started: subprocess.Popen[bytes]) -> None:
    _signal_group(started.pid, "SIGTERM")
    with contextlib.suppress(subprocess.TimeoutExpired):
        started.wait(_STOP_S)
    # Also what it started, which may have outlived it.
    _signal_group(started.pid, "SIGKILL")
    started.wait()


def _signal_group(group: int, name: str) -> None:
    if sys.platform != "win32":  # for the type checker; these servers run on Linux alone
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.Signals[name])


def _program(name: str) -> str:
    path = shutil.which(name, path=_PATH)
    if path is None:
        raise ServerFailedError(f"{name} is missing: install the Debian package {_PACKAGES[name]}")
    return path


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rdpcheckup-test-") as path:
        yield Path(path)


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""
