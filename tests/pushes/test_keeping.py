"""How long what was pushed is kept."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.core.errors import UserError
from apps.deployments import maintenance
from apps.pods import actions as pods
from apps.pushes import door
from apps.sources.git import GitSource
from tests.hooks.conftest import make_pod

pytestmark = pytest.mark.django_db


def stored(team: Team, name: str, *, old: bool = True) -> Path:
    path = door.hosted().create(team.slug, name)
    if old:
        for place in (path, path / "objects", path / "refs" / "heads"):
            os.utime(place, (1, 1))
    return path


def test_as_long_as_an_app_may_be_built_from_it(state: Path, settings: Any, team: Team, alice: User, name: str) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, revisions_kept=0)
    pod = make_pod(team, alice, {"web": {"repo": f"brainpod:{team.slug}/{name}/web"}})
    pods.save_resource(
        pod=pod, kind="App", name="next", spec={"source": {"repo": f"brainpod:{team.slug}/{name}/next"}}, by=alice,
        create=True,
    )  # fmt: skip
    live, draft, gone = (stored(team, f"{name}/{app}") for app in ("web", "next", "gone"))
    fresh, own = stored(team, f"{name}/fresh", old=False), stored(team, "own")
    maintenance._repositories()
    assert [path.exists() for path in (live, draft, gone, fresh, own)] == [True, True, False, True, True]


def test_what_was_not_pushed_is_said(state: Path, team: Team, name: str) -> None:
    source = GitSource(state / "repositories")
    with pytest.raises(UserError) as caught:
        source.resolve(f"brainpod:{team.slug}/{name}/web", "main")
    assert caught.value.code == "nothing_pushed"
