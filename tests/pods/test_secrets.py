"""Secrets of Configs, in a real OpenBao: versions in the spec, values in the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import User
from apps.core.errors import Invalid, PlatformError, Unavailable
from apps.pods.environment import environment, secret_path, secret_paths, secret_references
from apps.pods.models import Pod, Resource
from apps.secretstore.vault import Vault
from tests.pods import components
from tests.pods.conftest import go_live
from tests.pods.specs import app, env

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(openbao: Vault, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setattr(components, "store", openbao)
    settings.COMPONENTS = "tests.pods.components"
    return openbao


def _read(store: Vault, revision: Any) -> dict[str, str]:
    return {n: store.read(r.path, r.version)[r.key] for n, r in secret_references(revision, "web").items()}


def test_a_rollback_finds_the_old_value(store: Vault, shop: Pod, save: Callable[..., Resource], alice: User) -> None:
    save("Config", "settings", {}, secrets={"KEY": "first-value", "OTHER": "x$y\n"})
    save("App", "web", app(configs=["settings"]), create=False)
    first = go_live(shop, alice).live
    made = save(
        "Config", "settings", {"secrets": {"KEY": 99}}, create=False, secrets={"KEY": "second-value", "OTHER": None}
    )
    assert made.spec["secrets"] == {"KEY": 2}
    second = go_live(shop, alice).live
    assert first
    assert second
    assert _read(store, first) == {"KEY": "first-value", "OTHER": "x$y\n"}
    assert _read(store, second) == {"KEY": "second-value"}
    assert environment(first, "web", secrets=_read(store, first), passwords={}).values == {
        "KEY": "first-value",
        "OTHER": "x$y\n",
    }
    assert secret_paths(shop) == {secret_path(shop.pk, "settings", name) for name in ("KEY", "OTHER")}


def test_values_are_nowhere_in_the_database(store: Vault, pod: Pod, save: Callable[..., Resource]) -> None:
    made = save("Config", "settings", {}, secrets={"KEY": "hunter2-hunter2"})
    made.refresh_from_db()
    assert "hunter2" not in str(made.spec)


def test_secrets_stay_when_the_rest_is_edited(store: Vault, pod: Pod, save: Callable[..., Resource]) -> None:
    save("Config", "settings", {}, secrets={"KEY": "value"})
    made = save("Config", "settings", {"variables": env(A="1")}, create=False)
    assert made.spec["secrets"] == {"KEY": 1}


@pytest.mark.parametrize(
    ("name", "value"), [("1A", "x"), ("LD_PRELOAD", "x"), ("A", ""), ("A", "a\0b"), ("A", "x" * 65537)]
)
def test_bad_secrets_are_refused_unread(pod: Pod, save: Callable[..., Resource], name: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        save("Config", "settings", {}, secrets={name: value})
    assert caught.value.details[0].path == f"secrets.{name}"
    assert pod.draft is None


def test_only_configs_have_secrets(pod: Pod, save: Callable[..., Resource]) -> None:
    with pytest.raises(Invalid, match="secrets: are kept in a Config"):
        save("Disk", "data", {}, secrets={"A": "x"})


def test_a_store_that_is_away_changes_nothing(
    pod: Pod, save: Callable[..., Resource], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "store", Vault("http://127.0.0.1:9", "role", "secret", timeout=2))
    settings.COMPONENTS = "tests.pods.components"
    with pytest.raises(Unavailable):
        save("Config", "settings", {}, secrets={"KEY": "value"})
    assert pod.draft is None


def test_precedence_and_what_is_ignored(shop: Pod, save: Callable[..., Resource], alice: User) -> None:
    save("Config", "one", {"variables": env(A="1", B="1", C="1")})
    save("Config", "two", {"variables": env(B="2", C="2")})
    save("App", "web", app(configs=["one", "two"], env=env(C="3", PORT="80", X="${no.body}")), create=False)
    revision = go_live(shop, alice).live
    assert revision
    found = environment(revision, "web", secrets={}, passwords={})
    assert found.values == {"A": "1", "B": "2", "C": "3", "X": "${no.body}"}
    assert len(found.warnings) == 2


def test_nothing_starts_without_its_secrets(shop: Pod, alice: User) -> None:
    draft = shop.draft
    assert draft
    Resource.objects.create(revision=draft, kind="Config", name="settings", spec={"secrets": {"KEY": 3}})
    web = draft.resources.get(name="web")
    web.spec["configs"] = ["settings"]
    web.save()
    assert secret_references(draft, "web")["KEY"].version == 3
    with pytest.raises(PlatformError) as caught:
        environment(draft, "web", secrets={}, passwords={})
    assert caught.value.code == "secret_missing"
    web.spec["env"] = env(KEY="own")
    web.save()
    assert secret_references(draft, "web") == {}
    assert environment(draft, "web", secrets={}, passwords={}).values == {"KEY": "own"}
