"""Reading the secrets of a pod for a build, from a running secret store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.builds.caching.cache import Cache, Shelf
from apps.builds.stages import secrets
from apps.builds.stages.room import Room
from apps.core.errors import PlatformError
from apps.core.ids import new_id
from apps.pods import actions as pods
from apps.pods.environment import SecretRef
from apps.secretstore.vault import Vault
from tests.pods import components
from tests.pods.specs import app


class Watched:
    """The store itself, and the tokens it handed out."""

    def __init__(self, store: Vault) -> None:
        self.store, self.tokens, self.terms = store, [], []

    def __getattr__(self, name: str):
        return getattr(self.store, name)

    def token_for(self, pod: str, ttl: int = 600) -> str:
        self.terms.append(ttl)
        self.tokens.append(self.store.token_for(pod, ttl))
        return self.tokens[-1]


def test_values_by_version_with_a_token_that_ends(openbao: Vault) -> None:
    pod = new_id()
    first = openbao.write(f"pods/{pod}/config", {"value": "old", "other": "x"})
    second = openbao.write(f"pods/{pod}/config", {"value": "new"})
    store = Watched(openbao)
    path = f"pods/{pod}/config"
    references = {
        "OLD": SecretRef(path, first, "value"), "OTHER": SecretRef(path, first, "other"),
        "NEW": SecretRef(path, second, "value"),
    }  # fmt: skip
    assert secrets.read(store, pod, references) == {"OLD": "old", "OTHER": "x", "NEW": "new"}
    assert store.terms == [600]
    with pytest.raises(PlatformError):
        openbao.read(path, first, token=store.tokens[0])


def test_another_pods_secrets_are_out_of_reach(openbao: Vault) -> None:
    mine, theirs = new_id(), new_id()
    version = openbao.write(f"pods/{theirs}/config", {"value": "x"})
    store = Watched(openbao)
    with pytest.raises(PlatformError) as caught:
        secrets.read(store, mine, {"A": SecretRef(f"pods/{theirs}/config", version, "value")})
    assert caught.value.code == "secret_denied"
    with pytest.raises(PlatformError):
        openbao.read(f"pods/{theirs}/config", version, token=store.tokens[0])


def test_half_an_environment_is_none(openbao: Vault) -> None:
    pod = new_id()
    version = openbao.write(f"pods/{pod}/config", {"value": "x"})
    with pytest.raises(PlatformError) as caught:
        secrets.read(openbao, pod, {"A": SecretRef(f"pods/{pod}/config", version, "missing")})
    assert caught.value.code == "secret_missing"


@pytest.mark.django_db
def test_the_log_has_numbers_and_no_values(
    openbao: Vault, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, team: Team, alice: User
) -> None:
    monkeypatch.setattr(components, "store", openbao)
    settings.COMPONENTS = "tests.pods.components"
    pod = pods.create_pod(team=team, name="told", by=alice)
    given = {"A": "hunter2hunter2"}
    pods.save_resource(pod=pod, kind="Config", name="settings", spec={}, secrets=given, by=alice, create=True)
    for name, configs in {"web": ["settings"], "plain": []}.items():
        pods.save_resource(pod=pod, kind="App", name=name, spec=app(configs=configs), by=alice, create=True)
    pod.refresh_from_db()
    revision = pods.seal(pod=pod, summary="", by=alice)
    lines: list[str] = []
    room = Room(workspace=tmp_path, caching=Cache(Shelf(tmp_path)), pod=pod.pk, write=lines.append)
    assert secrets.run(room, revision=revision, app="web") == (given, {})
    assert "1 secret values" in lines[-1]
    assert "hunter2" not in "".join(lines)
    assert secrets.run(room, revision=revision, app="plain") == ({}, {})
