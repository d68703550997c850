"""An nginx that somebody else runs and that includes our configuration: how it is tested and told (docs/nginx.md).

Its own configuration, its other sites and its life are the operator's. Ours is one file in a directory of its own.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import Unavailable

SECONDS = 60  # for one of the operator's commands
GENERATION = "/@edge/generation"  # what the dashboard's host answers with the number of the configuration
MOST_WORDS = 1000  # characters of what a command says


@dataclass(frozen=True, slots=True)
class Outside:
    """`directory`: what it includes `*.conf` of, within `http`. `pid`: the file with the number of its master process.

    `reload`, `test`: argument lists; an empty `test` is not run. `user`: whom its workers run as; empty: as usual.
    """

    directory: Path
    reload: tuple[str, ...]
    test: tuple[str, ...]
    pid: Path
    user: str = ""


def run(command: Sequence[str], what: str) -> None:
    """Raise Unavailable("edge_refused") with the command's words unless it ends with 0. `what`: it could not do."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable("edge_refused", f"nginx could not {what}: {error}") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-MOST_WORDS:] or f"{command[0]} ended with {done.returncode}"
        raise Unavailable("edge_refused", f"nginx could not {what}: {words}")


def wrapped(configuration: Path, sizes: Path, home: Path) -> str:
    """The least configuration that includes `configuration`: for an nginx of ours to test it before anybody sees it."""
    return (
        f'daemon off; pid "{home}/test.pid"; error_log stderr;\n'
        f'events {{ }}\nhttp {{ include "{sizes}"; include "{configuration}"; }}\n'
    )


def settled(lines: Iterable[str], settings: Sequence[str]) -> Iterator[str]:
    """`lines` with `settings` within each `server`, as though they stood in the `http` around it.

    As nginx has it, what a server says itself takes the place of all that was said under the same name further out.
    """
    statements = [one for line in settings for one in re.split(r"(?<=;) ", line)]
    block: list[str] = []
    for line in lines:
        block.append(line)
        if line != "}":
            continue
        if block[0] == "server {":
            own = {name for inner in block if re.match(r" {4}\S", inner) for name in _names(inner)}
            yield block[0]
            yield from (f"    {one}" for one in statements if one.split()[0] not in own)
            yield from block[1:]
        else:
            yield from block
        block.clear()
    yield from block


def _names(line: str) -> list[str]:
    """The directives of a line of a server."""
    return re.findall(r"(?:^|(?<=; ))([a-z_]+)(?= )", line.strip())
