"""Writes requirements.lock and requirements-dev.lock from the .txt files: one version of each package, with hashes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"
COMPILE = [str(UV), "pip", "compile", "--quiet", "--python-version", "3.11", "--generate-hashes", "--no-annotate"]


def main() -> None:
    # The development lock first: what runs is then of the same versions as what is tested.
    for arguments in (
        ["requirements-dev.txt", "-o", "requirements-dev.lock"],
        ["-c", "requirements-dev.lock", "requirements.txt", "-o", "requirements.lock"],
    ):
        subprocess.run([*COMPILE, "--no-emit-index-url", *arguments, *sys.argv[1:]], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
