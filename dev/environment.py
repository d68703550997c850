#!/usr/bin/env python3
"""Makes .venv from the hash-pinned lock; a second call finds it unchanged and takes milliseconds.

Standard library only: it runs before anything is installed. `--dev` adds what tests and checks need. uv installs
several times faster than pip; it is taken from PATH, else installed (hash-checked, from the lock) into the new
environment with the running Python's pip, else with ensurepip.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "lock.sha256"


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - older Pythons can run this file, and must be told
        print("Brainpod needs Python 3.11 or newer; this is " + sys.version.split()[0], file=sys.stderr)
        return 1
    lock = ROOT / ("requirements-dev.lock" if "--dev" in sys.argv else "requirements.lock")
    wanted = {_digest(ROOT / "requirements-dev.lock"), _digest(lock)}
    if STAMP.is_file() and STAMP.read_text() in wanted:
        return 0
    shutil.rmtree(VENV, ignore_errors=True)
    print("Making the environment in .venv …", flush=True)
    uv = shutil.which("uv")
    if uv is None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], check=True)
        uv = _install_uv(lock)
    else:
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)], check=True)
    python = str(VENV / "bin" / "python")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(lock)], check=True
    )
    STAMP.write_text(_digest(lock))
    return 0


def _install_uv(lock: Path) -> str:
    """uv in the new environment, by whatever pip there is."""
    pinned = re.search(r"^uv==.*?(?=^\S)", lock.read_text(), re.MULTILINE | re.DOTALL)
    if pinned is None:
        raise SystemExit(f"{lock.name} does not pin uv: run `make lock`.")
    wanted = VENV / "uv.txt"
    wanted.write_text(pinned.group())
    python = str(VENV / "bin" / "python")
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0
    if has_pip:
        pip = [sys.executable, "-m", "pip", "--python", python]
    else:
        made = subprocess.run([python, "-m", "ensurepip"], capture_output=True)
        if made.returncode:
            raise SystemExit("There is no pip: install the package python3-pip or python3-venv, then try again.")
        pip = [python, "-m", "pip"]
    install = [*pip, "install", "--quiet", "--require-hashes", "--no-deps", "-r", str(wanted)]
    subprocess.run(install, check=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})
    return str(VENV / "bin" / "uv")


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
