"""One benchmark from the command line to its table, so that none of it can rot unseen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.platform import ROOT

pytestmark = pytest.mark.platform


def test_the_list_of_pods_is_measured_against_its_limits(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    command = [sys.executable, "-m", "bench", "page_list", "--rounds", "1", "--pods", "2", "--seconds", "0.5"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BRAINPOD_", "DJANGO_"))}
    done = subprocess.run(
        [*command, "--results", str(results)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout.splitlines()[0])
    assert row["name"] == "page_list"
    assert row["product"] > 0
    assert row["limit"] > 0
    assert row["samples"].keys() == {"page", "list_page", "same_bytes", "without nginx"}
    assert "| `page_list` |" in results.read_text()
    assert "commit: " in results.read_text()
