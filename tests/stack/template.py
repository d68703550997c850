"""What each platform of the tests, and each lane's own database, would make anew: an empty database of the newest
schema, and the static files. 15 s of computing; dev/suite.py has it done once for all that it runs:
`python -m tests.stack.template DIRECTORY`.

Without a template everything is made where it is needed, and always where a platform is asked for that starts from
nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "BRAINPOD_TEMPLATE_OF_TESTS"  # the directory
DATABASE = "brainpod.sqlite3"


def make(state: Path, **settings: str) -> str:
    """Prepare `state`, which is there, as the release line of the Procfile does; what that said."""
    state.chmod(0o711)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BRAINPOD_")}
    for name in ("DATABASE_URL", "PYTHONDONTWRITEBYTECODE"):
        kept.pop(name, None)
    environment = {**kept, "DJANGO_SETTINGS_MODULE": "brainpod.settings", "BRAINPOD_STATE": str(state), **settings}
    done = subprocess.run(
        [sys.executable, "manage.py", "prepare"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"The template of the tests could not be made:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def made() -> Path | None:
    """The suite's template; None where a part of the tests is run by itself."""
    return Path(os.environ[NAME]) if os.environ.get(NAME) else None


def lay_out(state: Path, *, database: bool) -> None:
    """Put what the template has into a state directory, if there is a template."""
    if (template := made()) is None:
        return
    shutil.copytree(template / "static", state / "static")
    if database:
        shutil.copy(template / DATABASE, state / DATABASE)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
