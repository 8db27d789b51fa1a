"""The firewall on Linux: the nftables rules, read through `nft` (libnftables-json(5)) and followed in `nft_rules`."""

import asyncio
import contextlib
import json
import os
import shutil
from pathlib import Path

import msgspec

from core import blocking
from core.linux.nft_match import Packet
from core.linux.nft_rules import Place, Ruling, judge
from core.ports import Block, Denied, IpAddress, OutgoingAnswer, Unsupported

_DEADLINE = 3.0  # seconds for one run of nft; a set of ten thousand rules takes a tenth of that
_MOST_RULE = 200  # characters
_ELSEWHERE = "/usr/sbin:/sbin:/usr/local/sbin"  # not in every user's PATH

# The tables of the older iptables, which nft does not list. Only root can read them, like the rules.
_LEGACY = (Path("/proc/net/ip_tables_names"), Path("/proc/net/ip6_tables_names"))


class LinuxFirewall(msgspec.Struct, frozen=True, kw_only=True):
    """Implements `core.ports.Firewall`.

    Attributes:
        path: where to look for `nft`, PATH if None.
    """

    path: str | None = None

    async def outgoing_tcp(self, address: IpAddress, port: int, *, interface: str | None) -> OutgoingAnswer:
        """What the rules of the hook `output` say.

        Raises:
            Unsupported: there is no `nft`, or it cannot list the rules here.
            Denied: the rules are for root only.
        """
        nft = self._find()
        listing = await _run(nft, "--json", "list", "ruleset")
        packet = Packet(address=address, port=port, interface=interface)
        ruling = await blocking.call(lambda: _judge(listing, packet), name="nft rules")
        if ruling.place is None:
            return _with_legacy_tables(ruling.block)
        place = f"{ruling.place.family} {ruling.place.table} {ruling.place.chain}"
        return OutgoingAnswer(block=ruling.block, rule=await _rule_text(nft, ruling.place), place=place)

    def _find(self) -> str:
        path = (
            os.environ.get("PATH", os.defpath) + os.pathsep + _ELSEWHERE if self.path is None else self.path
        )
        nft = shutil.which("nft", path=path)
        if nft is None:
            raise Unsupported("nft is not installed")
        return nft


def _judge(listing: bytes, packet: Packet) -> Ruling:
    try:
        return judge(json.loads(listing), packet)
    except (ValueError, RecursionError):
        raise Unsupported("nft wrote something that is not JSON") from None


def _with_legacy_tables(block: Block) -> OutgoingAnswer:
    tables: list[str] = []
    for path in _LEGACY:
        with contextlib.suppress(OSError):
            tables += path.read_text().split()
    if block is Block.PASSES and tables:
        return OutgoingAnswer(block=Block.UNCLEAR, place="iptables-legacy")
    return OutgoingAnswer(block=block)


async def _rule_text(nft: str, place: Place) -> str | None:
    """The rule as nft writes it, which is what an administrator looks for; None if it is gone again."""
    if place.handle is None:
        return "policy drop"
    try:
        text = await _run(nft, "--handle", "list", "chain", place.family, place.table, place.chain)
    except (Unsupported, Denied):
        return None
    for line in text.decode("utf-8", errors="replace").splitlines():
        rule, _, handle = line.strip().rpartition(" # handle ")
        if handle == str(place.handle):
            return rule[:_MOST_RULE]
    return None


async def _run(nft: str, *arguments: str) -> bytes:
    """What nft writes. The child never outlives this call."""
    try:
        child = await asyncio.create_subprocess_exec(
            nft,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"LC_ALL": "C"},
        )
    except OSError as error:
        raise Unsupported(f"nft: {error.strerror}") from None
    try:
        async with asyncio.timeout(_DEADLINE):
            output, complaint = await child.communicate()
    except TimeoutError:
        raise Unsupported(f"nft did not finish within {_DEADLINE:g} s") from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode == 0:
        return output
    text = " ".join(complaint.decode("utf-8", errors="replace").split())[:_MOST_RULE]
    raise (Denied if "not permitted" in text or "ermission denied" in text else Unsupported)(f"nft: {text}")
