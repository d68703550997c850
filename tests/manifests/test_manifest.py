"""brainpod.yaml: what is written comes back, what is wrong has its line, and it is all or nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.accounts.models import Team, User
from apps.core.errors import Conflict
from apps.manifests import actions
from apps.manifests.export import exported
from apps.manifests.nodes import LARGEST, read
from apps.manifests.problems import FileRefused
from apps.manifests.reading import parse
from apps.manifests.revisions import revision_named
from apps.pods import actions as pods
from apps.pods import kinds
from apps.pods.diff import diff
from apps.pods.models import Pod, Resource, Revision
from tests.manifests.conftest import SHOP, VALUES
from tests.pods.specs import SNAPSHOTS

BAD = [(case["text"], case["says"]) for case in json.loads(Path(__file__).with_name("bad_manifests.json").read_text())]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openbao")]


def apply(pod: Pod, text: str, values: dict[tuple[str, str], str] | None = None, *, keep: bool = False) -> Revision:
    manifest = parse(text, team=pod.team.slug)
    return actions.apply(pod=pod, manifest=manifest, values=values or {}, keep=keep, by=None)


def words(text: str) -> str:
    with pytest.raises(FileRefused) as caught:
        parse(text, team="home")
    return str(caught.value)


def test_a_full_pod_comes_back_to_the_letter(pod: Pod) -> None:
    apply(pod, SHOP, VALUES)
    text = exported(revision_named(pod, "draft"), pod="shop")
    assert text == SHOP
    assert "hunter2" not in text
    before = pod.draft
    assert before is not None
    snapshot = before.snapshot()
    apply(pod, text)
    assert not diff(snapshot, revision_named(pod, "draft").snapshot())  # type: ignore[union-attr]


def test_what_is_at_a_shared_server_comes_back(pod: Pod) -> None:
    made = "".join(f"  {kind.name}:\n    at-{kind.name.lower()}:\n      server: main\n" for kind in kinds.DATABASES)
    apply(pod, f"version: 1\npod: shop\nresources:\n{made}")
    text = exported(revision_named(pod, "draft"), pod="shop")
    assert made in text, text
    wrong = made.replace("server: main", "server: main\n      disk: data")
    assert "shared server" in words(f"version: 1\npod: shop\nresources:\n{wrong}")


def test_the_export_of_a_pod_makes_the_same_pod_elsewhere(pod: Pod, team: Team) -> None:
    apply(pod, SHOP, VALUES)
    other = pods.create_pod(team=team, name="shop-two", by=None)
    apply(other, SHOP, VALUES)
    assert exported(revision_named(other, ""), pod="shop") == SHOP


REPOS = {"repo": "https://github.com/example/shop.git"}
DATABASES = st.one_of(
    *(
        st.builds(
            lambda version, instance, name=kind.name: (
                name,
                {"version": version, "instance": instance, "disk": "disk-x"},
            ),
            st.sampled_from(kind.server.versions),  # type: ignore[union-attr]
            st.sampled_from([".25x", "1x", "8x"]),
        )
        for kind in kinds.DATABASES
    )
)


@settings(max_examples=60)
@given(SNAPSHOTS, DATABASES, st.booleans())
def test_any_snapshot_survives_being_written_and_read(snapshot: Any, database: Any, commits: bool) -> None:
    name, spec = database
    rows = {**snapshot, "db": Resource(kind=name, name="db", spec=kinds.get(name).parse(spec))}
    for row in rows.values():
        if commits and row.kind == "App":
            row.spec["source"]["commit"] = "a" * 40
    text = exported(_Rows(rows), pod="shop", commits=True)  # type: ignore[arg-type]
    manifest = parse(text, team="home")
    assert {(it.kind, it.name) for it in manifest.resources} == {(it.kind, it.name) for it in rows.values()}
    for item in manifest.resources:
        was = rows[item.name].spec
        given = {**item.spec}
        if item.kind == "Config":
            assert set(was["secrets"]) == item.named
            given["secrets"] = was["secrets"]
        assert kinds.get(item.kind).parse(given, team="home") == {
            **was,
            **({"hostname": ""} if "hostname" in was else {}),
        }
    made = {it.name: Resource(kind=it.kind, name=it.name, spec=_stored(it, rows)) for it in manifest.resources}
    assert exported(_Rows(made), pod="shop", commits=True) == text  # type: ignore[arg-type]


def _stored(item: Any, rows: dict[str, Resource]) -> dict[str, Any]:
    given = {**item.spec}
    if item.kind == "Config":
        given["secrets"] = dict.fromkeys(item.named, 7)
    return kinds.get(item.kind).parse(given, team="home")


class _Rows:
    """A revision that is in no database."""

    engine = ""

    def __init__(self, rows: dict[str, Resource]) -> None:
        self._rows = list(rows.values())

    @property
    def resources(self) -> Any:
        return type("Rows", (), {"all": lambda _: self._rows})()


def test_the_file_is_the_whole_unless_others_are_kept(pod: Pod) -> None:
    apply(pod, SHOP, VALUES)
    small = "version: 1\nresources:\n  Disk:\n    spare: {size: 7}\n"
    manifest = parse(small, team=pod.team.slug)
    found = actions.outcome(pod=pod, manifest=manifest, values={}, keep=False, by=None)
    assert {(it.change, it.name) for it in found.changes} == {
        ("create", "spare"),
        *(("delete", name) for name in ("data", "db", "settings", "site", "uploads", "web")),
    }
    kept = actions.outcome(pod=pod, manifest=manifest, values={}, keep=True, by=None)
    assert [(it.change, it.name) for it in kept.changes] == [("create", "spare")]
    assert len(pod.draft.snapshot()) == 6, "a plan changes nothing"  # type: ignore[union-attr]
    assert len(apply(pod, small, keep=True).snapshot()) == 7
    assert set(apply(pod, small).snapshot()) == {"spare"}


def test_the_plan_has_the_words_of_the_dashboard(pod: Pod, alice: User) -> None:
    apply(pod, SHOP, VALUES)
    live = pods.seal(pod=pod, summary="", by=alice)
    Pod.objects.filter(pk=pod.pk).update(live=live, head=live)
    pod.refresh_from_db()
    text = SHOP.replace("size: 10", "size: 20").replace("    uploads:\n      size: 5\n", "")
    text = text.replace("        - path: /uploads\n          disk: uploads\n", "")
    found = actions.outcome(pod=pod, manifest=parse(text, team=pod.team.slug), values={}, keep=False, by=None)
    said = [line.consequence for line in found.plan.changes]
    assert "disk data grows from 10 to 20 GB; what is on it stays" in said
    assert [line.consequence for line in found.plan.destructive] == ["destroys disk uploads and everything on it"]
    assert pod.draft is None
    same = actions.outcome(pod=pod, manifest=parse(SHOP, team=pod.team.slug), values={}, keep=False, by=None)
    assert not same.anything


def test_a_secret_without_a_value_is_named_with_its_line(pod: Pod) -> None:
    manifest = parse(SHOP, team=pod.team.slug)
    found = actions.outcome(pod=pod, manifest=manifest, values={}, keep=False, by=None)
    assert found.missing == (("settings", "API_KEY"), ("site", "password"))
    with pytest.raises(FileRefused) as caught:
        actions.apply(pod=pod, manifest=manifest, values={}, keep=False, by=None)
    assert [(it.path, it.place.line) for it in caught.value.problems] == [
        ("resources.Config.settings.secrets.API_KEY", 10),
        ("resources.Route.site.password", SHOP.splitlines().index("      password: true") + 1),
    ]
    assert pod.draft is None


def test_secrets_stay_as_they_are_and_go_when_no_longer_named(pod: Pod) -> None:
    first = apply(pod, SHOP, VALUES).snapshot()["settings"].spec["secrets"]
    assert apply(pod, SHOP).snapshot()["settings"].spec["secrets"] == first
    second = apply(pod, SHOP, {("settings", "API_KEY"): "another"}).snapshot()["settings"].spec["secrets"]
    assert second["API_KEY"] > first["API_KEY"]
    gone = apply(
        pod, SHOP.replace("      secrets:\n        - API_KEY\n", "").replace("password: true", "password: false")
    )
    assert gone.snapshot()["settings"].spec["secrets"] == {}
    assert gone.snapshot()["site"].spec["password"] == 0


def test_values_for_what_is_not_named_are_refused_without_repeating_them(pod: Pod) -> None:
    with pytest.raises(
        Exception, match=r"settings\.OTHER: is a value for a secret that the file does not name"
    ) as error:
        apply(pod, SHOP, {**VALUES, ("settings", "OTHER"): "hunter2"})
    assert "hunter2" not in str(error.value)


def test_it_is_all_or_nothing(pod: Pod, team: Team) -> None:
    pods.create_pod(team=team, name="extra-shop", by=None)
    text = SHOP + "    extra:\n      rules: [{app: web}]\n"  # its host would be extra-shop.<domain>
    with pytest.raises(Conflict) as caught:
        apply(pod, text, VALUES)
    assert caught.value.code == "host_taken"
    assert pod.draft is None
    assert list(pod.hosts.values_list("route", flat=True)) == [""]


def test_a_database_keeps_its_passwords_when_it_comes_back(pod: Pod, alice: User) -> None:
    apply(pod, SHOP, VALUES)
    live = pods.seal(pod=pod, summary="", by=alice)
    Pod.objects.filter(pk=pod.pk).update(live=live, head=live)
    pod.refresh_from_db()
    apply(pod, "version: 1\nresources: {}\n")
    apply(pod, SHOP)
    assert not diff(live.snapshot(), pod.draft.snapshot())  # type: ignore[union-attr]


def test_pins_stay_where_a_file_says_nothing_of_commits(pod: Pod) -> None:
    apply(pod, SHOP.replace("branch: main", f"branch: main\n        commit: {'a' * 40}"), VALUES)
    assert apply(pod, SHOP).snapshot()["web"].spec["source"]["commit"] == "a" * 40
    assert "commit" not in exported(pod.draft, pod="shop")
    assert f"commit: {'a' * 40}" in exported(pod.draft, pod="shop", commits=True)


@pytest.mark.parametrize(("text", "expected"), [*BAD, ("a" * (LARGEST + 1), "is too large: at most 2 MB.")])
def test_what_is_wrong_is_said_with_its_place(text: str, expected: str) -> None:
    assert expected in words(text)
    assert "hunter2" not in words(text)


def test_every_problem_is_found_at_once_in_order() -> None:
    text = "version: 3\nresources:\n  Disk:\n    a: {size: 1}\n  App:\n    web: {replicas: 99}\n  Nothing: {}\n"
    assert re.findall(r"line (\d+)", words(text)) == ["1", "4", "6", "7"]


def test_contradictions_are_found_where_they_are_written(pod: Pod) -> None:
    text = SHOP.replace("        - path: /api/\n          app: web\n", "        - path: /api/\n          app: api\n")
    with pytest.raises(FileRefused) as caught:
        apply(pod, text, VALUES)
    (problem,) = caught.value.problems
    assert problem.path == "resources.Route.site.rules.0.app"
    assert text.splitlines()[problem.place.line - 1] == "          app: api"


def test_a_bomb_of_anchors_is_refused_quickly() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert "unfolds to too much" in words(bomb)


def test_values_are_what_is_written() -> None:
    node = read("a: on\nb: 1.10\nc: 0755\nd: ~\ne: 2024-01-01\nf:\n'g': ''\n")
    assert node.plain() == {"a": "on", "b": "1.10", "c": "0755", "d": "~", "e": "2024-01-01", "g": ""}


def test_anchors_and_merges_are_unfolded() -> None:
    node = read("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n")
    assert node.get("y").plain() == {"b": "3", "a": "1"}  # type: ignore[union-attr]


def test_no_recursion_error_from_deep_files(tmp_path: Path) -> None:
    assert "nested too deeply" in words("a: " * 1 + "{a: " * 5000)
