"""Makes .venv from the hash-pinned lock, with nothing but Python 3.11: `python3 dev/environment.py [--dev]`.

Standard library only. uv does the work where it can be had (on PATH, or installed hash-pinned by this Python's pip
into .venv/.uv), because it is several times faster; else pip does, in an environment of its own making. The digest of
the lock is kept in the environment: a second call takes milliseconds, and a half-made environment is made again.
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
ENVIRONMENT = ROOT / ".venv"
MARKER = ".made-from"
OLDEST = (3, 11)


def main(arguments: list[str], environment: Path = ENVIRONMENT) -> int:
    if sys.version_info < OLDEST:
        return _fail(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: PYTHON=/path/to/python3.11 make …"
        )
    dev = "--dev" in arguments
    lock = ROOT / ("requirements-dev.lock" if dev else "requirements.lock")
    if is_current(environment, dev=dev):
        return 0
    began = f"making {environment.name} from {lock.name}"
    if (environment / "bin" / "python").exists() and not (environment / MARKER).exists():
        began += " (the one that is there is only half made)"
    print(began, flush=True)
    try:
        make(environment, lock)
    except subprocess.CalledProcessError as error:
        return _fail(f"{error.cmd[0]} ended with {error.returncode}: the packages could not be installed.")
    except OSError as error:
        return _fail(f"{error}: the environment could not be made.")
    (environment / MARKER).write_text(marker(lock, dev=dev))
    return 0


def marker(lock: Path, *, dev: bool) -> str:
    """What an environment made from `lock` by this Python is marked with."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{'dev' if dev else 'run'} {digest} {version} {sys.platform}\n"


def is_current(environment: Path, *, dev: bool) -> bool:
    """Whether `environment` is whole and made from the lock of today; a development one serves for running too."""
    try:
        found = (environment / MARKER).read_text()
    except OSError:
        return False
    if not os.access(environment / "bin" / "python", os.X_OK):
        return False
    wanted = {marker(ROOT / "requirements-dev.lock", dev=True)}
    if not dev:
        wanted.add(marker(ROOT / "requirements.lock", dev=False))
    return found in wanted


def make(environment: Path, lock: Path) -> None:
    """Raises CalledProcessError or OSError; what is there then has no marker and is replaced the next time."""
    (environment / MARKER).unlink(missing_ok=True)
    if (environment / "bin" / "python").exists() and not _runs(environment):
        shutil.rmtree(environment)
    if uv := shutil.which("uv") or _own_uv(environment, lock):
        _with_uv(uv, environment, lock)
    else:
        _with_pip(environment, lock)


def _with_uv(uv: str, environment: Path, lock: Path) -> None:
    own = environment / ".uv"
    if not (environment / "bin" / "python").exists():
        kept = own.rename(environment.with_name(".venv-uv")) if own.exists() else None
        program = str(kept / "bin" / "uv") if kept else uv
        _run(program, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment))
        uv = program
        if kept:
            uv = str(kept.rename(own) / "bin" / "uv")
    python = str(environment / "bin" / "python")
    _run(uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", "--python", python, str(lock))


def _own_uv(environment: Path, lock: Path) -> str | None:
    """uv, of the version and hashes in the lock, put into the environment by this Python's pip; None if it has none."""
    folder = environment / ".uv"
    program = folder / "bin" / "uv"
    if program.exists():
        return str(program)
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        return None
    entry = entry_of("uv", lock.read_text())
    if not entry:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    only = folder / "uv.lock"
    only.write_text(entry)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--no-deps", "--root-user-action", "ignore"]
    done = subprocess.run([*install, "--require-hashes", "--target", str(folder), "-r", str(only)], check=False)
    return str(program) if done.returncode == 0 and program.exists() else None


def entry_of(package: str, lock: str) -> str:
    """The lines of one package in a lock: name, version, hashes; empty if it is not there."""
    found = re.search(rf"^{re.escape(package)}==[^\n]*(?:\n +--hash=[^\n]*)*", lock, re.MULTILINE)
    return found.group() + "\n" if found else ""


def _with_pip(environment: Path, lock: Path) -> None:
    if not (environment / "bin" / "python").exists():
        _run(sys.executable, "-m", "venv", str(environment))
    python = str(environment / "bin" / "python")
    if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        _run(python, "-m", "ensurepip", "--upgrade", "--default-pip")
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(lock))


def _runs(environment: Path) -> bool:
    """Whether the environment's Python starts and is of the version of this one."""
    version = ".".join(map(str, sys.version_info[:2]))
    ask = [str(environment / "bin" / "python"), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip() == version
    except OSError:
        return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL)


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
