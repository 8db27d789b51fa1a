"""Hatchling calls this when it makes the wheel: the compiled catalogues go in, although git ignores them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledCatalogues(BuildHookInterface[Any]):
    """Compiles the message catalogues in place and has the wheel take them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """See hatchling's BuildHookInterface."""
        subprocess.run([sys.executable, Path(self.root) / "build" / "catalogues.py"], check=True)
        build_data["artifacts"].append("resources/locale/*/LC_MESSAGES/*.mo")
