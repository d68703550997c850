"""Takes the state directory away after asking; `--yes` answers. Refuses while the platform runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from apps.core.places import default_state  # noqa: E402


def main(arguments: list[str]) -> int:
    state = Path(os.environ.get("BRAINPOD_STATE") or default_state(ROOT)).expanduser().resolve()
    if not state.exists():
        print(f"There is nothing in {state}.")
        return 0
    if not (state / "run").is_dir() and any(state.iterdir()) and not (state / "secret-key").exists():
        print(f"{state} does not look like a state directory of Brainpod; nothing is taken away.", file=sys.stderr)
        return 1
    if _held(state):
        print("Brainpod is running: stop it with Ctrl-C first.", file=sys.stderr)
        return 1
    if "--yes" not in arguments:
        print(f"This takes away {state}: every pod, account, secret, disk and log. There is no way back.")
        try:
            answer = input('Type "yes" to go on: ')
        except EOFError:
            answer = ""
        if answer.strip() != "yes":
            print("Nothing was done.")
            return 1
    shutil.rmtree(state)
    print(f"{state} is gone; make up begins anew.")
    return 0


def _held(state: Path) -> bool:
    try:
        fd = os.open(state / "run" / "supervisor.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
