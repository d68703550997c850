"""What killed processes of builds leave behind is gone soon, and what others are at is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from apps import artifacts, sources
from apps.artifacts.local import LocalArtifacts
from apps.builds import orphans
from apps.core.ids import new_id
from apps.sources.git import GitSource

ROOT = Path(__file__).parents[2]
DIES = """
import sys, time
from pathlib import Path
from apps.artifacts.local import LocalArtifacts
from apps.core import claims
from apps.sources.hosted import Hosted

store, hosted, word = LocalArtifacts(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
build = store.scratch("build-7")
(build / "source").mkdir()
(build / "source" / "half").write_bytes(b"x" * 100_000)
fetched = store.scratch("fetched") / "tree"
fetched.mkdir()
tree = store.scratch("build-8") / "tree"
tree.mkdir()
(tree / "index.html").write_text("kept")
digest = store.adopt(tree).digest
Hosted(hosted).create("acme", "whole")
claims.claim(hosted, ".changed-")
claims.claim(hosted / "acme", ".new-")
for prefix in ("bp-ssh-", "bp-dc-"):
    (claims.claim(Path(sys.argv[4]), f"{prefix}{word}-") / "agent").write_text("")
print(digest, flush=True)
time.sleep(600)
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalArtifacts:
    made, source = LocalArtifacts(tmp_path / "artifacts"), GitSource(tmp_path / "hosted")
    monkeypatch.setattr(artifacts, "artifacts", lambda: made)
    monkeypatch.setattr(sources, "source", lambda: source)
    return made


@contextmanager
def builder(store: LocalArtifacts, hosted: Path, word: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process in the middle of everything, and the digest of what it has stored."""
    command = [sys.executable, "-c", DIES, str(store.root), str(hosted), word, tempfile.gettempdir()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def left(store: LocalArtifacts, hosted: Path, word: str) -> list[str]:
    places = [*(store.root / ".scratch").iterdir(), *hosted.glob(".*"), *hosted.glob("*/.*")]
    places += Path(tempfile.gettempdir()).glob(f"bp-*-{word}-*")
    return sorted(place.name for place in places)


def test_a_killed_build_leaves_nothing_but_what_it_finished(store: LocalArtifacts, tmp_path: Path) -> None:
    hosted, word = tmp_path / "hosted", new_id()
    mine = store.scratch("build-1")
    with builder(store, hosted, word) as (child, digest):
        before = left(store, hosted, word)
        assert len(before) == 8
        orphans.sweep()
        assert left(store, hosted, word) == before, "it is being worked on"
        os.kill(child.pid, signal.SIGKILL)
        child.wait(60)
        assert orphans.sweep() >= 7
    assert left(store, hosted, word) == [mine.name]
    assert (store.path(digest) / "index.html").read_text() == "kept"
    assert GitSource(hosted).hosted.exists("acme", "whole")
    store.discard_scratch("build-1")


def test_it_is_done_once_a_minute_whoever_asks(
    store: LocalArtifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.BRAINPOD.state / ".swept").unlink(missing_ok=True)
    done: list[int] = []
    monkeypatch.setattr(orphans, "sweep", lambda: done.append(1) or 1)
    assert orphans.sweep_when_due()
    assert not orphans.sweep_when_due()
    old = os.stat(settings.BRAINPOD.state / ".swept").st_mtime - 2 * orphans.EVERY
    os.utime(settings.BRAINPOD.state / ".swept", (old, old))
    assert orphans.sweep_when_due()
    assert len(done) == 2


def test_what_versions_before_left_goes_by_its_age(store: LocalArtifacts) -> None:
    scratch = store.root / ".scratch"
    for name, age in (("build-1-old", 3 * 86400), ("build-2-new", 3600)):
        (scratch / name).mkdir()
        moment = os.stat(scratch).st_mtime - age
        os.utime(scratch / name, (moment, moment))
    assert store.sweep_scratch() == 1
    assert [path.name for path in scratch.iterdir()] == ["build-2-new"]
