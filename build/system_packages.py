"""Sees to the programs that come from the system and not from Python: `python build/system_packages.py tests`.

Installs what is missing if this is Debian and we are root; otherwise names it, with its purpose, and goes on: the
tests that need it skip. Exit code 1 only if CI=true and something is still missing: there no test may skip unseen.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class SystemPackage(NamedTuple):
    """A Debian package, the program in it by which other systems are asked, and what we need it for."""

    name: str
    program: str
    purpose: str


PACKAGES = {
    "venv": (SystemPackage("python3-venv", "", "makes Python environments"),),
    "tests": (
        SystemPackage("xrdp", "xrdp", "a real server: every TLS version, weak and broken certificates"),
        SystemPackage(
            "freerdp2-shadow-x11",
            "freerdp-shadow-cli",
            "a real server: with NLA, TLS only, RDP security only",
        ),
        SystemPackage("winpr-utils", "winpr-hash", "makes the password file of that server"),
        SystemPackage("xvfb", "Xvfb", "the screen that this server shares"),
        SystemPackage("xauth", "xauth", "guards that screen"),
        SystemPackage("freerdp2-x11", "xfreerdp", "a real client: what it says about the same fault"),
        SystemPackage("openssl", "openssl", "makes certificates"),
        SystemPackage("nftables", "nft", "drops and refuses packets inside a test's own network"),
        SystemPackage("iproute2", "ip", "makes a test's own network"),
    ),
    "lab": (
        SystemPackage("dnsmasq-base", "dnsmasq", "the name servers of the fault lab"),
        SystemPackage("openvpn", "openvpn", "a VPN of the fault lab"),
        SystemPackage("wireguard-go", "wireguard-go", "another one, without help from the kernel"),
        SystemPackage("wireguard-tools", "wg", "tells it its keys and peers"),
        SystemPackage("faketime", "faketime", "a wrong clock for one program"),
    ),
    "bench": (SystemPackage("nmap", "nmap", "one of the two tools we compare ourselves with"),),
}

DEBIAN = Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None
CAN_INSTALL = DEBIAN and sys.platform == "linux" and os.geteuid() == 0


def say(text: str) -> None:
    """Tells progress and trouble, never on standard output."""
    print(text, file=sys.stderr, flush=True)


def missing(packages: Sequence[SystemPackage]) -> list[SystemPackage]:
    """Those that are not completely installed. Outside Linux there are no such programs and no tests that need them."""
    if sys.platform != "linux":
        return []
    if not DEBIAN:
        path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        return [package for package in packages if shutil.which(package.program, path=path) is None]
    query = (
        "dpkg-query",
        "-W",
        "-f",
        "${Package} ${db:Status-Status}\n",
        *(package.name for package in packages),
    )
    known = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return [package for package in packages if f"{package.name} installed" not in known]


def install(packages: Sequence[SystemPackage]) -> None:
    """Installs Debian packages; a failure is told here and seen by the caller, who looks again."""
    for package in packages:
        say(f"installing the system package {package.name}: {package.purpose}")
    names = [package.name for package in packages]
    apt_get("update")  # its failure does not decide: offline, the lists of last week may do
    with services_stay_off():
        done = apt_get("install", "--no-install-recommends", *names)
    if done.returncode:
        say("apt-get could not install them:\n" + done.stdout[-2000:].strip())
    if "xrdp" in names and shutil.which("systemctl"):
        command = ["systemctl", "disable", "xrdp.service", "xrdp-sesman.service"]  # nor when this PC starts
        subprocess.run(command, capture_output=True, check=False)


def apt_get(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs apt-get without questions; waits a minute if another one holds the lock."""
    return subprocess.run(
        ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=60", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


@contextlib.contextmanager
def services_stay_off() -> Iterator[None]:
    """Keeps packages from starting their services: tests must not leave a Remote Desktop server open to the network."""
    rule = Path("/usr/sbin/policy-rc.d")  # every Debian package asks it first; 101 means "do not start"
    if rule.exists():
        yield
        return
    rule.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    rule.chmod(0o755)
    try:
        yield
    finally:
        rule.unlink()


def main(purpose: str) -> int:
    """Provides the packages for one purpose, a key of PACKAGES."""
    absent = missing(PACKAGES[purpose])
    if absent and CAN_INSTALL:
        install(absent)
        absent = missing(PACKAGES[purpose])
    for package in absent:
        say(f"missing: {package.name} ({package.purpose})")
    if not absent:
        return 0
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        say("nothing may be missing in CI (CI=true)")
        return 1
    say(
        "going on without"
        + ("; started as root, this would install them" if DEBIAN and not CAN_INSTALL else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
