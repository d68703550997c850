"""What `make check` runs: every check, to the end, and one verdict."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
LEFT_OUT = 75  # a check that cannot be made on this machine ends with it, and says why
CHECKS = {
    "lint": [sys.executable, "-m", "ruff", "check", "."],
    "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "types": [sys.executable, "-m", "mypy"],
    "layers": [str(PROGRAMS / "lint-imports"), "--no-cache"],
    "migrations": [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
    "docs": [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", "{state}/site"],
    "bandit": [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", "apps", "brainpod"],
    "advisories": [sys.executable, "dev/advisories.py"],
    "django": [sys.executable, "manage.py", "check", "--fail-level", "WARNING"],
}


def main() -> int:
    failed = []
    with tempfile.TemporaryDirectory(prefix="bp-c-") as state:
        # The checks must say the same on every machine: no settings of this one, no state of this one.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BRAINPOD_")}
        kept.pop("DATABASE_URL", None)
        for name, command in CHECKS.items():
            began = time.monotonic()
            done = subprocess.run(
                [word.format(state=state) for word in command], cwd=ROOT, env={**kept, "BRAINPOD_STATE": state},
                stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            word = {0: "ok", LEFT_OUT: "not run"}.get(done.returncode, "FAILED")
            print(f"{name:<11} {word:<7} {time.monotonic() - began:5.1f} s", flush=True)
            if word == "FAILED":
                failed.append(name)
            if done.returncode:
                print(done.stdout, flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
