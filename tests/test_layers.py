"""Imports only go down (import-linter), and the adapters have no ORM."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ADAPTERS = ("engines", "edge", "secretstore", "artifacts", "sources")


def test_imports_only_go_down():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapters_have_no_orm(adapter):
    for path in (ROOT / "apps" / adapter).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not [n for n in names if n.startswith("django.db")], f"{path} imports the ORM"
