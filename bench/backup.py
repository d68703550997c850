"""`backup`: a backup of each kind, and its restore, against the server's own programs and the same compression.

Also alone: `python -m bench.backup_of MB`. The limit of a backup is the bare dump compressed into a synced file,
without a seal, a digest or counts; that of a restore is the same file loaded by the server's own program where nothing
is. After the restores every row is compared with what was put there; one that differs ends the run.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management import call_command
from pyrage import x25519

from apps.backups import sealing
from apps.backups.kinds import KINDS
from apps.backups.kinds.base import Rows, differences
from apps.servers.catalogue import SERVERS
from bench.backup_content import CONTENT, ROW, Content
from bench.row import Pair, Row, take_turns
from tests.stack.engine import EngineAgent

TARGET = 1.1
MB = 100
ROUNDS = 5
RESTORES = 3


def measure(ground: Any = None, *, mb: int = MB, rounds: int = 0) -> Row:
    rounds = rounds or min(ROUNDS, ground.rounds if ground else ROUNDS)
    call_command("migrate", verbosity=0)  # what has a disk is looked up, though nothing has
    backups, restores = {}, {}
    with ExitStack() as stack:
        agent = EngineAgent()
        agent.start()
        stack.callback(agent.remove)
        for kind in CONTENT:
            backups[kind], restores[kind] = _kind(kind, agent.engine, mb * 1_000_000 // ROW, rounds)
    # A disk is no server with a dump program: it is copied first, so that its app is stopped for a moment only.
    ratios = {kind: pair.medians[0] / pair.medians[1] for kind, pair in backups.items() if kind in SERVERS}
    worst = max(ratios, key=lambda kind: ratios[kind])
    product, limit = backups[worst].medians
    return Row(
        "backup", "s", product, f"≤ {TARGET}×", ratios[worst] <= TARGET, limit, "the bare dump | zstd",
        backups[worst].samples(),
        details={
            "what": f"{mb} MB each, dumped, compressed (level {sealing.LEVEL}), sealed, counted, digested, synced; "
            "restored, and every row compared",
            **{kind: _told(pair) for kind, pair in backups.items()},
            **{f"{kind}, restored": _told(pair) for kind, pair in restores.items()},
        },
    )  # fmt: skip


def _kind(kind: str, engine: Any, rows: int, rounds: int) -> tuple[Pair, Pair]:
    """Samples of backups and of restores. Raises AssertionError where a row is not as it was."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bp-bench-")))
        content: Content = CONTENT[kind](stack, engine, kind, rows)
        content.fill(rows)
        product = _Product(content, place / "product")
        backups = take_turns(rounds, product.back_up, partial(_bare, content, place / "limit"))
        restores = take_turns(
            min(rounds, RESTORES), product.restore, partial(_bare_restore, content, place / "limit")
        )  # fmt: skip
        if wrong := content.wrong(rows):
            raise AssertionError(wrong)
    return backups, restores


class _Product:
    def __init__(self, content: Content, path: Path) -> None:
        self._content, self._path, self._kind = content, path, KINDS[content.kind]
        self._identity = x25519.Identity.generate()
        self._rows: Rows = {}
        self._digest = ""

    def back_up(self) -> float:
        began = time.monotonic()
        with self._kind.dump(self._content.at) as dump:
            with sealing.sealing(dump, self._path, [self._identity.to_public()]) as sealed:
                self._rows, self._digest = dump.finish(), sealed.digest
        return time.monotonic() - began

    def restore(self) -> float:
        """As apps.backups.restoring does it; what was there is destroyed first."""
        self._content.spoil()
        scratch = f"bench_{os.urandom(4).hex()}"
        at, began = self._content.at, time.monotonic()
        with self._path.open("rb") as file:
            sealing.verify(file, self._digest)
            file.seek(0)
            with sealing.opened(file, [self._identity]) as plain:
                loaded = self._kind.load(at, plain, scratch, lambda _: None)
        if said := differences(self._rows, loaded.rows):
            raise AssertionError(", ".join(said))
        with self._content.stopped():
            self._kind.swap(at, scratch, loaded)
        self._kind.drop(at, scratch)
        return time.monotonic() - began


def _bare(content: Content, path: Path) -> float:
    began = time.monotonic()
    content.dump_bare(path)
    return time.monotonic() - began


def _bare_restore(content: Content, path: Path) -> float:
    began = time.monotonic()
    undo = content.load_bare(path)
    took = time.monotonic() - began
    undo()
    return took


def _told(pair: Pair) -> str:
    product, limit = pair.medians
    return f"{product / limit:.2f}×, {product:.2f} s"
