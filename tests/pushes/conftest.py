"""The git server of a live Django, and a working copy whose real git pushes to it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apps.accounts import tokens
from apps.accounts.models import Team, User
from apps.core.ids import new_id
from apps.pushes import transfers

QUIET = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
AUTHOR = ("-c", "user.name=Olive", "-c", "user.email=o@example.com")


class Work:
    """A working copy with one commit on main."""

    def __init__(self, path: Path, address: str, token: str) -> None:
        self.path, self.address, self.token = path, address, token
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("first")

    def commit(self, message: str, **files: str | bytes) -> str:
        for name, content in (files or {"index.html": f"<p>{message}"}).items():
            data = content if isinstance(content, bytes) else content.encode()
            (self.path / name.replace("_", ".")).write_bytes(data)
        self.git("add", "--all")
        self.git(*AUTHOR, "commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, to: str, *refs: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
        """`git push` to the path `to`. One request with a length: the live server knows no chunks."""
        return self.git(
            "-c", "http.postBuffer=67108864", "push", self.url(to, token), *(refs or ("main",)), check=False
        )

    def url(self, to: str, token: str | None = None) -> str:
        scheme, _, rest = self.address.partition("://")
        return f"{scheme}://any:{self.token if token is None else token}@{rest}/git/{to}"

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | QUIET
        return subprocess.run(
            ["git", *arguments], cwd=self.path, env=env, capture_output=True, text=True, check=check, timeout=120
        )


@pytest.fixture
def state(settings: Any, tmp_path: Path) -> Path:
    """A state directory of the test's own; deployments are not watched, since nobody works on them here."""
    place = tmp_path / "state"
    place.mkdir()
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, state=place, push_watchers=0)
    transfers._places.cache_clear()
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def work(live_server: Any, state: Path, tmp_path: Path, alice: User, team: Team) -> Work:
    """Alice's, with a token of her team."""
    return Work(tmp_path / "work", live_server.url, tokens.make(user=alice, name="laptop", team=team)[1])


@pytest.fixture
def name() -> str:
    """Of a pod: unique on the platform."""
    return f"p{new_id()[-12:]}"
