"""What terminals have in common, whatever engine they are on."""

from __future__ import annotations

MARKER = "BRAINPOD_TERMINAL"
VARIABLES = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "HISTFILE": ""}  # what is typed is kept nowhere
SHELL = ("sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash -i; else exec sh -i; fi")
"""The shell there is. No login shell: a profile of the image's would set another PATH than the app's."""

# Ends every process that has the assignment $0 in its environment, until there is none.
_END = """for _ in 1 2 3 4 5 6 7 8 9 10; do
found=$(grep -ls -- "$0" /proc/[0-9]*/environ)
[ -n "$found" ] || exit 0
for p in $found; do p=${p#/proc/}; kill -9 "${p%/environ}" 2>/dev/null; done
done"""


def variables(name: str) -> dict[str, str]:
    """What is put into the environment of terminal `name`; an engine finds by it what the terminal started."""
    return VARIABLES | {MARKER: name}


def ending(name: str) -> tuple[str, ...]:
    """A command that, run beside the workload, ends everything of terminal `name`."""
    return ("sh", "-c", _END, f"{MARKER}={name}")
