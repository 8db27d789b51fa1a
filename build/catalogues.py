"""Compiles every message catalogue (.po) of resources/locale into the .mo file beside it, which git ignores.

`python build/catalogues.py`; needs Babel. A catalogue with a fault stops it: no half a language.
"""

import os
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).resolve().parent.parent / "resources" / "locale"


def compile_all(locale: Path = LOCALE) -> None:
    """Compiles each catalogue under `locale`; a reader meets the old file or the new one, never a part.

    Raises:
        babel.messages.pofile.PoFileError: a catalogue is not well formed.
    """
    for source in sorted(locale.glob("*/LC_MESSAGES/*.po")):
        with source.open("rb") as file:
            catalogue = read_po(file, abort_invalid=True)
        unfinished = source.with_suffix(f".{os.getpid()}.mo")
        with unfinished.open("wb") as file:
            write_mo(file, catalogue)
        unfinished.replace(source.with_suffix(".mo"))


if __name__ == "__main__":
    compile_all()
