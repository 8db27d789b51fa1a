"""Rules about the tree itself that no compiler and no linter keeps."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import core

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MODULES = sorted((ROOT / "core").rglob("*.py"))
LONGEST_MODULE = 320

# The package's text offers a choice of licences, and one of them is free of copyleft: we take that one.
CHOICE_OF_LICENCE = {"pyroute2"}  # GPL-2.0-or-later OR Apache-2.0


def locked(name: str) -> dict[str, Requirement]:
    """The requirements of a lock file by normal name, without their hashes."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line.removesuffix("\\")) for line in lines if line and line[0] not in " #"]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def line_count(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def applies_here(marker: Marker | None) -> bool:
    return marker is None or marker.evaluate()


def imports(module: Path) -> set[str]:
    """Full names of the modules that a file imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


# --- the locks ---


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_is_pinned_and_has_a_hash(lock: Path) -> None:
    blocks = re.split(r"\n(?=[^\s#])", lock.read_text(encoding="utf-8"))
    packages = [block for block in blocks if not block.startswith("#")]
    assert packages
    for block in packages:
        assert re.match(r"[\w.-]+==[\w.]+ ", block), block[:60]
        assert "--hash=sha256:" in block, block[:60]
    assert "://" not in lock.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("lock", "declared"),
    [
        ("run.txt", PYPROJECT["project"]["dependencies"]),
        ("dev.txt", PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]),
        ("dev.txt", PYPROJECT["build-system"]["requires"]),
    ],
)
def test_lock_answers_what_pyproject_asks(lock: str, declared: list[str]) -> None:
    """If not: `python dev.py lock`."""
    pins = locked(lock)
    for wish in map(Requirement, declared):
        (pin,) = pins[canonicalize_name(wish.name)].specifier
        assert wish.specifier.contains(pin.version), wish


def test_what_is_shipped_is_what_was_tested() -> None:
    tested = locked("dev.txt")
    for name, shipped in locked("run.txt").items():
        assert shipped.specifier == tested[name].specifier


def test_nothing_shipped_is_under_the_gpl() -> None:
    names = [name for name, requirement in locked("run.txt").items() if applies_here(requirement.marker)]
    assert names
    for name in names:
        about = metadata.metadata(name)
        words = [text for key in ("License-Expression", "License") for text in about.get_all(key) or ()]
        words += [text for text in about.get_all("Classifier") or () if text.startswith("License ::")]
        assert words, name
        licence = " ".join(words)
        copyleft = re.search(r"\bA?GPL|GNU (Affero )?General Public", licence)
        assert not copyleft or name in CHOICE_OF_LICENCE, (name, licence)


# --- the tree ---


def test_no_file_names_this_computer_or_a_registry() -> None:
    """Paths of one computer and addresses of package registries are nobody else's; both slip in by copy and paste."""
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a git work tree: no list of the files that belong to it")
    private = re.compile(rb"(?<![\w.])/(work|root)/|py(pi\.org|thonhosted)|deb\.debian\.|npm(js)\.")
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert ROOT / "dev.py" in files
    for file in files:
        found = private.search(file.read_bytes())
        assert not found, f"{file.relative_to(ROOT)}: {found[0]!r}"


def test_version_is_told_once() -> None:
    assert PYPROJECT["project"]["version"] == core.__version__


def test_every_module_can_be_read_in_one_sitting() -> None:
    lengths = {
        module.relative_to(ROOT).as_posix(): line_count(module) for module in [*MODULES, ROOT / "dev.py"]
    }
    assert {module: lines for module, lines in lengths.items() if lines > LONGEST_MODULE} == {}


# --- who may know whom ---


def test_core_knows_neither_the_window_nor_the_tests() -> None:
    for module in MODULES:
        strangers = {
            name for name in imports(module) if within(name, {"PySide6", "gui", "tests", "dev", "build"})
        }
        assert not strangers, module


def test_wire_does_no_io_and_knows_no_other_part() -> None:
    """core.wire turns bytes into facts: standard library without I/O, msgspec for data, cryptography for X.509."""
    touches_the_machine = {
        "asyncio",
        "os",
        "pathlib",
        "select",
        "shutil",
        "socket",
        "ssl",
        "subprocess",
        "threading",
    }
    for module in (ROOT / "core" / "wire").rglob("*.py"):
        for name in imports(module):
            own = within(name, {"core.wire", "cryptography", "msgspec"})
            assert own or name.partition(".")[0] in sys.stdlib_module_names, f"{module.name}: {name}"
            assert not within(name, touches_the_machine), f"{module.name}: {name}"


def test_only_the_adapters_touch_an_operating_system() -> None:
    behind_ports = {
        "winreg",
        "ctypes",
        "msvcrt",
        "win32api",
        "win32cred",
        "win32evtlog",
        "win32com",
        "pyroute2",
    }
    adapters = [ROOT / "core" / "windows", ROOT / "core" / "linux"]
    for module in MODULES:
        if not any(module.is_relative_to(adapter) for adapter in adapters):
            strangers = {name for name in imports(module) if within(name, behind_ports)}
            assert not strangers, module
