"""A service of the supervisor's tests, for `python -m`: says who it is, waits, ends when it is told."""

import os
import signal
import sys
import time
from pathlib import Path

state, name = Path(sys.argv[1]), sys.argv[2]


def say(word):
    with open(state / "story", "a") as story:
        story.write(f"{word} {name}\n")


def stop(*_):
    say("stop")
    (state / f"{name}.up").unlink(missing_ok=True)
    code = state / "code"
    sys.exit(int(code.read_text()) if code.exists() else 0)


signal.signal(signal.SIGTERM, stop)
say("start")
leads = os.getsid(0) == os.getpid()
print("hello from", name, f"as {', '.join(sys.argv[1:])}, own {os.environ['OWN']}, leads {leads}")
(state / f"{name}.up").write_text(str(os.getpid()))
time.sleep(600)
