"""Pods branched off others: what the child has of its parent, with a real OpenBao for what is secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, Invalid, Unavailable
from apps.pods import actions
from apps.pods.children import DatabasePolicy, branch_off, outline
from apps.pods.contents import apps_of, configs_of
from apps.pods.environment import KEY, secret_path
from apps.pods.models import Lineage, Pod, Resource
from apps.pods.validation import problems, warnings
from apps.secretstore.vault import Vault
from tests.pods import components
from tests.pods.conftest import go_live
from tests.pods.specs import RULES, app, env

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(openbao: Vault, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setattr(components, "store", openbao)
    settings.COMPONENTS = "tests.pods.components"
    return openbao


@pytest.fixture
def full(store: Vault, pod: Pod, save: Callable[..., Resource], alice: User) -> Pod:
    """Live: an app with everything, and a worker that speaks of the database through two configs."""
    save("Disk", "data", {"size": 10})
    save("Disk", "uploads", {"size": 7})
    save("PostgresDB", "db", {"disk": "data", "version": "17"})
    save("Config", "settings", {"variables": env(DB="${db.uri}", LEVEL="info")}, secrets={"KEY": "the-key-of-shop"})
    save("Config", "more", {"variables": env(SAME="${settings.DB}", TEXT="a$b${x}")})
    mounts = [{"path": "/uploads", "disk": "uploads"}]
    save("App", "web", app(configs=["settings"], env=env(DATABASE_URL="${db.uri}", SELF="${front.url}"), mounts=mounts))
    save("App", "clock", app(type="worker", configs=["more"]))
    redirects = [{"source": "/old", "target": "/new"}, {"source": "old.example.com", "target": "https://example.com"}]
    more = {"domains": ["shop.example.com"], "redirects": redirects, "passwordUser": "us"}
    save("Route", "front", RULES | more, secrets={"password": "a-long-password"})
    pod = go_live(pod, alice)
    save("App", "later", app(type="worker"))  # in the draft alone
    return pod


def _branch(parent: Pod, by: User | None, **more: Any) -> Pod:
    wanted = {"name": "shop-staging", "with_secrets": True, "databases": DatabasePolicy.EMPTY} | more
    return branch_off(parent, lineage=Lineage.STAGING, by=by, **wanted)


def _snapshot(pod: Pod) -> dict[str, Resource]:
    draft = pod.draft
    assert draft
    return draft.snapshot()


def test_a_child_has_what_is_live(full: Pod, store: Vault, alice: User) -> None:
    child = _branch(full, alice)
    found, live = _snapshot(child), full.live
    assert (child.parent, child.lineage, child.team, child.live, child.head) == (full, "staging", full.team, None, None)
    assert live
    assert found.keys() == live.snapshot().keys()
    assert not problems(found)
    for name in ("web", "clock", "data", "uploads", "more"):
        assert found[name].spec == live.snapshot()[name].spec
    route = found["front"].spec
    assert (route["hostname"], route["domains"]) == (child.hosts.get().host, [])
    assert [entry["source"] for entry in route["redirects"]] == ["/old"]
    assert AuditEntry.objects.filter(verb="pod.branch", object_id=child.pk, details__parent="shop").exists()


def test_secrets_are_the_childs_own(full: Pod, store: Vault, alice: User) -> None:
    child = _branch(full, alice)
    spec = _snapshot(child)["settings"].spec
    path = secret_path(child.pk, "settings", "KEY")
    assert store.read(path, spec["secrets"]["KEY"])[KEY] == "the-key-of-shop"
    assert child.route_passwords.get().hashed != full.route_passwords.get().hashed
    store.write(path, {KEY: "another"})
    assert store.read(secret_path(full.pk, "settings", "KEY"), 1)[KEY] == "the-key-of-shop"
    passwords = {store.read(f"pods/{pod.pk}/db/brainpod-credentials", 1)["password"] for pod in (full, child)}
    assert len(passwords) == 2


def test_without_secrets_they_are_named(full: Pod, store: Vault, alice: User) -> None:
    choice: dict[str, Any] = {"with_secrets": False, "databases": DatabasePolicy.EMPTY}
    said = [it.path for it in outline(full, variables={}, **choice).left_out]
    assert said == ["front.domains", "front.redirects", "settings.secrets.KEY"]
    found = _snapshot(_branch(full, alice, **choice))
    assert found["settings"].spec["secrets"] == {}
    assert found["front"].spec["password"] == 1  # what the parent shows to few is not open here


def test_without_databases_nothing_refers_to_them(full: Pod, store: Vault, alice: User) -> None:
    said = {it.path for it in outline(full, variables={}, with_secrets=True, databases=DatabasePolicy.NONE).left_out}
    assert {"db", "data", "settings.variables.DB", "more.variables.SAME", "web.env.DATABASE_URL"} <= said
    found = _snapshot(_branch(full, alice, databases=DatabasePolicy.NONE))
    assert found.keys() == {"clock", "front", "more", "settings", "uploads", "web"}
    assert [v.name for v in apps_of(found)["web"].env] == ["SELF"]
    assert [v.name for v in configs_of(found)["more"].variables] == ["TEXT"]
    assert not problems(found)
    assert not [it for it in warnings(found) if "db" in it.message]


def test_variables_of_the_child(full: Pod, store: Vault, alice: User) -> None:
    given = {"DATABASE_URL": "postgres://elsewhere/db", "LEVEL": "debug", "KEY": "plain"}
    found = _snapshot(_branch(full, alice, variables=given, databases=DatabasePolicy.NONE))
    own = {name: {v.name: v.value for v in spec.env} for name, spec in apps_of(found).items()}
    assert own["web"] == {"DATABASE_URL": given["DATABASE_URL"], "KEY": "plain", "SELF": "${front.url}"}
    assert own["clock"] == given
    assert {v.name: v.value for v in configs_of(found)["settings"].variables} == {"LEVEL": "debug"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": "No Name"}, "name"),
        ({"variables": {"1A": "x"}}, "variables.1A"),
        ({"variables": {"A": "a\0"}}, "variables.A"),
        ({"variables": {"A": "${db.uri}"}, "databases": DatabasePolicy.NONE}, "variables.A"),
    ],
)
def test_bad_input_makes_nothing(full: Pod, store: Vault, alice: User, given: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as caught:
        _branch(full, alice, **given)
    assert caught.value.details[0].path == path
    assert not full.children.exists()


def test_who_can_have_a_child(full: Pod, store: Vault, alice: User) -> None:
    with pytest.raises(Conflict) as taken:
        _branch(full, alice, name="shop")
    child = _branch(full, alice)
    with pytest.raises(Conflict) as nested:
        _branch(child, alice, name="deeper")
    empty = actions.create_pod(team=full.team, name="empty", by=alice)
    with pytest.raises(Conflict) as early:
        _branch(empty, alice, name="deeper")
    codes = [one.value.code for one in (taken, nested, early)]
    assert codes == ["name_taken", "is_a_child", "not_live_yet"]


def test_a_store_that_is_away_leaves_nothing(
    full: Pod, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "store", Vault("http://127.0.0.1:9", "role", "secret", timeout=2))
    settings.COMPONENTS = "tests.pods.components"
    with pytest.raises(Unavailable):
        _branch(full, alice)
    assert not Pod.objects.filter(name="shop-staging").exists()


class _Failing:
    """The store, which ceases to answer `broken` after one call of it."""

    def __init__(self, store: Vault, *broken: str) -> None:
        self._store, self._broken, self._calls = store, broken, 0

    def __getattr__(self, name: str) -> Any:
        if name not in self._broken:
            return getattr(self._store, name)
        self._calls += 1
        if self._calls > 1:
            raise Unavailable("secretstore_unavailable", "It does not answer.")
        return getattr(self._store, name)


def test_a_failure_half_way_leaves_no_secret(
    full: Pod, store: Vault, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path for path, _ in store.everything()}
    monkeypatch.setattr(components, "store", _Failing(store, "write"))
    settings.COMPONENTS = "tests.pods.components"
    with pytest.raises(Unavailable):
        _branch(full, alice)
    assert not Pod.objects.filter(name="shop-staging").exists()
    assert {path for path, _ in store.everything()} == before


def test_what_cannot_be_forgotten_now_goes_with_the_pod(
    full: Pod, store: Vault, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "store", _Failing(store, "write", "clear"))
    settings.COMPONENTS = "tests.pods.components"
    with pytest.raises(Unavailable):
        _branch(full, alice)
    left = Pod.objects.get(name="shop-staging")
    assert left.deleting_at
    assert [path for path, _ in store.everything() if path.startswith(f"pods/{left.pk}/")]
    store.clear(left.pk)  # as its teardown does
    assert not [path for path, _ in store.everything() if path.startswith(f"pods/{left.pk}/")]


def test_a_lineage_has_a_parent(pod: Pod) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Pod.objects.filter(pk=pod.pk).update(lineage=Lineage.PREVIEW)
