"""Who speaks on a port that does not speak RDP? Judged by the first bytes."""

import re
from enum import StrEnum

SAMPLE = 64
"""Bytes that are looked at; more never tell more."""


class Stranger(StrEnum):
    """What seems to speak on a port that does not speak RDP, judged by its first bytes."""

    HTTP = "http"
    SSH = "ssh"
    TLS = "tls"
    VNC = "vnc"
    MAIL_OR_FTP = "mail-or-ftp"
    TEXT = "text"
    BINARY = "binary"


_STRANGERS = (
    (Stranger.HTTP, re.compile(rb"HTTP/|\s*<(!doctype|html)", re.IGNORECASE)),
    (Stranger.SSH, re.compile(rb"SSH-")),
    (Stranger.TLS, re.compile(rb"[\x14-\x17]\x03")),  # a record header: type, major version
    (Stranger.VNC, re.compile(rb"RFB \d")),
    (Stranger.MAIL_OR_FTP, re.compile(rb"\d{3}[ -]|\+OK|\* OK")),  # SMTP and FTP, POP3, IMAP
    (Stranger.TEXT, re.compile(rb"[\t\r\n\x20-\x7e]+\Z")),
)


def recognise(data: bytes) -> Stranger:
    """The kind of program that begins like this. Any bytes are some kind."""
    sample = data[:SAMPLE]
    return next((kind for kind, pattern in _STRANGERS if pattern.match(sample)), Stranger.BINARY)
