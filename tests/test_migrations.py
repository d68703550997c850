"""Migrations are safe while the version before them still runs: other hosts are upgraded later, and one may go back.

The code of before knows no new column, and still reads those that are to go. So a new column may be empty or has a
default in the database, and what is no longer used is taken away by the version after the one that stopped using it:
its migration is then listed in LATER with the version that stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.fields import NOT_PROVIDED

LATER: dict[tuple[str, str], str] = {}
# From before there was a version that anybody could upgrade from. Nothing is added here.
FIRST = {
    ("accounts", "0002_fleet"), ("pods", "0002_fleet"), ("builds", "0004_build_caches"),
    ("builds", "0005_images_travel"), ("deployments", "0002_holder"), ("deployments", "0003_fleet"),
    ("metrics", "0003_figures_of_databases"),
}  # fmt: skip
GONE = (migrations.RemoveField, migrations.DeleteModel)
RENAMED = (migrations.RenameField, migrations.RenameModel, migrations.AlterModelTable)


def refused(operation: Operation, state: ProjectState, app: str, created: set[str]) -> str:
    """What code of before would stumble over; empty if nothing. `created`: models that this migration makes."""
    model = str(getattr(operation, "model_name", "")).lower()
    if model in created:
        return ""
    if isinstance(operation, GONE):
        return "takes away what the version before reads"
    if isinstance(operation, RENAMED):
        return "renames what the version before knows by its old name"
    if isinstance(operation, migrations.AddField) and not _may_be_left_out(operation.field):
        return f"adds {operation.name}, which the version before leaves out: null=True, or a db_default"
    if isinstance(operation, migrations.AlterField) and not operation.field.null:
        before = state.models[app, model].fields[operation.name]
        if before.null and operation.field.db_default is NOT_PROVIDED:
            return f"no longer lets {operation.name} be empty"
    if isinstance(operation, migrations.RunSQL):
        return "is SQL, which nobody can look through here"
    return ""


def _may_be_left_out(field: models.Field) -> bool:
    return field.many_to_many or field.null or field.db_default is not NOT_PROVIDED


def findings() -> Iterator[tuple[tuple[str, str], str]]:
    loader = MigrationLoader(None)
    ours = {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")}
    state = ProjectState()
    plan = [key for leaf in loader.graph.leaf_nodes() for key in loader.graph.forwards_plan(leaf)]
    for app, name in dict.fromkeys(plan):
        migration = loader.graph.nodes[app, name]
        created: set[str] = set()
        for operation in migration.operations:
            if isinstance(operation, migrations.CreateModel):
                created.add(operation.name.lower())
            if app in ours and (why := refused(operation, state, app, created)):
                yield (app, name), f"{app}.{name} {why}"
            operation.state_forwards(app, state)


def test_code_of_the_version_before_goes_on_working() -> None:
    found = [why for key, why in findings() if key not in LATER and key not in FIRST]
    assert found == [], "docs/upgrade.md says what migrations may do"


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        (migrations.RemoveField("thing", "old"), "takes away"),
        (migrations.DeleteModel("thing"), "takes away"),
        (migrations.RenameField("thing", "old", "new"), "renames"),
        (migrations.AddField("thing", "more", models.CharField(default="", max_length=5)), "leaves out"),
        (migrations.AddField("thing", "more", models.CharField(db_default="", max_length=5)), ""),
        (migrations.AddField("thing", "more", models.IntegerField(null=True)), ""),
        (migrations.AddField("fresh", "more", models.IntegerField(default=0)), ""),
        (migrations.AlterField("thing", "old", models.IntegerField()), "be empty"),
        (migrations.AlterField("thing", "old", models.IntegerField(null=True)), ""),
        (migrations.RunSQL("DROP TABLE thing"), "SQL"),
    ],
    ids=str,
)
def test_what_is_refused(operation: Operation, word: str) -> None:
    state = ProjectState()
    columns = [("id", models.IntegerField(primary_key=True)), ("old", models.IntegerField(null=True))]
    state.add_model(ModelState("app", "Thing", columns))
    why = refused(operation, state, "app", {"fresh"})
    assert word in why if word else why == ""
