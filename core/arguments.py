"""The words of the command line: commands, options, their help."""

import argparse
from collections.abc import Callable, Mapping

from core import __version__
from core.text import Texts

Command = Callable[[argparse.Namespace, Texts], int]


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser of `rdpcheckup`. A parsed line carries its command as `command`."""
    whole = argparse.ArgumentParser(
        prog="rdpcheckup", description="Finds out why Remote Desktop does not connect."
    )
    whole.add_argument("--version", action="version", version=f"rdpcheckup {__version__}")
    verbs = whole.add_subparsers(required=True, metavar="COMMAND")

    checking = verbs.add_parser("check", help="measure the way to a computer and name the cause")
    checking.add_argument(
        "target", nargs="?", metavar="TARGET", help="host, host:port, [v6]:port or an .rdp file"
    )
    checking.add_argument(
        "--error", metavar="TEXT", help="the error message, as copied from its window, in any language"
    )
    checking.add_argument("--rdp", metavar="FILE", help="an .rdp file with the settings of the connection")
    checking.add_argument("--gateway", metavar="HOST", help="the RD Gateway in front of the computer")
    checking.add_argument("--local-only", action="store_true", help="look at this PC alone")
    checking.add_argument(
        "--only", metavar="ID,...", help="only these checks and what they need (see: list checks)"
    )
    _output(checking)
    checking.set_defaults(command=commands["check"])

    explaining = verbs.add_parser("explain", help="say what the codes of an error message mean")
    explaining.add_argument("code", nargs="+", metavar="CODE", help="for example: 0x904 0x7")
    _language(explaining)
    explaining.set_defaults(command=commands["explain"])

    listing = verbs.add_parser("list", help="list what this program knows")
    listing.add_argument("what", choices=("checks", "causes", "fixes", "demos"))
    _language(listing)
    listing.set_defaults(command=commands["list"])

    demo = verbs.add_parser("demo", help="start a server with a fault on this PC and check it for real")
    demo.add_argument("fault", nargs="?", default="server-certificate-expired", metavar="FAULT")
    _output(demo)
    demo.set_defaults(command=commands["demo"])

    selftest = verbs.add_parser("selftest", help="check that this program is complete and works")
    _language(selftest)
    selftest.set_defaults(command=commands["selftest"])
    return whole


def _output(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the report as JSON")
    form.add_argument("--ticket", action="store_true", help="print a plain text for a help desk's ticket")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="stop after this many seconds (default 30)",
    )
    _language(parser)


def _language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lang", metavar="L", help="language of the texts, for example de")


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 300:
        raise argparse.ArgumentTypeError("1 to 300")
    return value
