"""From what a person types, drops or pastes to a Target: names, .rdp files, gateways. Everything may be wrong."""

import errno
import stat
from pathlib import Path

import msgspec

from core.model import Gateway, Target
from core.target import TargetError, parse_target
from core.wire import rdp_file
from core.wire.errors import WireError
from core.wire.rdp_file import GatewayUsage, RdpFile

_HTTPS = 443


class IntakeError(ValueError):
    """What was given cannot be used. `text_id` and `values` make the sentence for the person."""

    def __init__(self, text_id: str, **args: str) -> None:
        super().__init__(text_id)
        self.text_id = text_id
        self.values = args


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """What the user gave. `target` may itself be the path of an .rdp file."""

    target: str | None
    rdp: str | None = None
    gateway: str | None = None


def read(given: Intake) -> Target:
    """The Target for what was given.

    Raises:
        IntakeError: a name that is none, a port out of range, a file that cannot be read or is no .rdp file.
    """
    path = given.rdp
    typed = given.target
    if path is None and typed is not None and typed.lower().endswith(".rdp"):
        path, typed = typed, None
    file = read_rdp(path) if path is not None else None
    if typed is None and file is not None:
        typed = file.alternate_full_address or file.full_address
        if typed is None:
            raise IntakeError("intake.rdp-without-address", path=path or "")
    if typed is None:
        return Target(typed="", host=None, rdp=file, gateway=_gateway(given, file))
    port = _file_port(file)
    try:
        address = parse_target(typed, default_port=port or 3389)
    except TargetError as wrong:
        raise IntakeError(f"intake.{wrong.problem}", text=wrong.text) from None
    return Target(
        typed=address.typed, host=address.host, port=address.port, gateway=_gateway(given, file), rdp=file
    )


def read_rdp(path: str) -> RdpFile:
    """Read an .rdp file of at most 1 MB. Raises IntakeError."""
    try:
        data = _start_of(Path(path))
    except (OSError, ValueError) as failed:
        raise IntakeError("intake.rdp-unreadable", path=path, why=_why(failed)) from None
    if len(data) > rdp_file.MAX_BYTES:
        raise IntakeError("intake.rdp-too-big", path=path)
    try:
        return rdp_file.parse(data)
    except WireError as wrong:
        raise IntakeError("intake.rdp-damaged", path=path, why=str(wrong)) from None


def _start_of(path: Path) -> bytes:
    """As much of a file as is needed to see that it is too big. A pipe or a device could keep its reader for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a file")
    with path.open("rb") as file:
        return file.read(rdp_file.MAX_BYTES + 1)


def _why(failed: OSError | ValueError) -> str:
    return (failed.strerror or type(failed).__name__) if isinstance(failed, OSError) else "not a file name"


def _file_port(file: RdpFile | None) -> int | None:
    port = file.server_port if file else None
    if port is None:
        return None
    if not 1 <= port <= 65535:
        raise IntakeError("intake.port-out-of-range", text=str(port))
    return port


def _gateway(given: Intake, file: RdpFile | None) -> Gateway | None:
    """The gateway of the command line, else the one that the file makes the client use."""
    text, always = given.gateway, True
    if text is None and file is not None and file.gateway_usage in (GatewayUsage.ALWAYS, GatewayUsage.DETECT):
        text, always = file.gateway_hostname, file.gateway_usage is GatewayUsage.ALWAYS
    if text is None:
        return None
    try:
        address = parse_target(text, default_port=_HTTPS)
    except TargetError as wrong:
        raise IntakeError(f"intake.{wrong.problem}", text=wrong.text) from None
    return Gateway(host=address.host, port=address.port, always=always)
