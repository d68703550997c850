"""The diff: empty exactly for equals, mirrored backwards, and enough to get from one side to the other."""

from __future__ import annotations

from hypothesis import given

from apps.pods.diff import FieldChange, content, defaults, diff, flatten
from apps.pods.models import Snapshot
from tests.pods.specs import SNAPSHOTS, app, env, snapshot


@given(SNAPSHOTS, SNAPSHOTS)
def test_empty_exactly_when_equal(before: Snapshot, after: Snapshot) -> None:
    assert diff(before, before) == []
    assert (diff(before, after) == []) == (content(before) == content(after))


@given(SNAPSHOTS, SNAPSHOTS)
def test_backwards_is_the_mirror(before: Snapshot, after: Snapshot) -> None:
    turned = {"create": "delete", "delete": "create", "update": "update"}
    mirrored = {
        (c.kind, c.name, turned[c.change], tuple(FieldChange(f.path, f.after, f.before) for f in c.fields))
        for c in diff(before, after)
    }
    assert mirrored == {(c.kind, c.name, c.change, c.fields) for c in diff(after, before)}


@given(SNAPSHOTS, SNAPSHOTS)
def test_applying_it_leads_to_the_other_side(before: Snapshot, after: Snapshot) -> None:
    found = {(item.kind, name): flatten(item) for name, item in before.items()}
    for change in diff(before, after):
        key = (change.kind, change.name)
        if change.change == "delete":
            del found[key]
            continue
        fields = found.setdefault(key, defaults(change.kind))
        fields.update({field.path: field.after for field in change.fields})
    assert _plain(found) == _plain({(item.kind, name): flatten(item) for name, item in after.items()})


def _plain(found: dict[tuple[str, str], dict[str, object]]) -> dict[tuple[str, str], dict[str, object]]:
    """Without what is not there: an empty list and none are the same."""
    return {key: {p: v for p, v in fields.items() if v not in ((), None)} for key, fields in found.items()}


def test_fields_go_by_name() -> None:
    before = snapshot(web=("App", app(env=env(A="1", B="2"))))
    after = snapshot(web=("App", app(env=env(B="3", C="4"), replicas=2)))
    (change,) = diff(before, after)
    assert {(f.path, f.before, f.after) for f in change.fields} == {
        ("env.A", "1", None),
        ("env.B", "2", "3"),
        ("env.C", None, "4"),
        ("replicas", 1, 2),
    }


def test_secrets_are_versions() -> None:
    before, after = (snapshot(s=("Config", {"secrets": {"KEY": version}})) for version in (2, 3))
    assert diff(before, after)[0].fields == (FieldChange("secrets.KEY", "version 2", "version 3"),)


def test_another_kind_of_the_same_name_is_another_resource() -> None:
    changes = diff(snapshot(x=("Disk", {"size": 5})), snapshot(x=("Config", {})))
    assert [(c.kind, c.change) for c in changes] == [("Disk", "delete"), ("Config", "create")]
