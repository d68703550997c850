"""Previews have their parents' roles from now on: those they were given when they were opened are in the way."""

from typing import Any

from django.db import migrations


def forget(apps: Any, schema_editor: Any) -> None:
    apps.get_model("pods", "PodRole").objects.filter(pod__lineage="preview").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("pods", "0010_seeded"),
    ]

    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
