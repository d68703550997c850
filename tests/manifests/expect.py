"""Writes what the examples are expected to become."""

from __future__ import annotations

import os

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.manifests.test_importing import EXAMPLES, made

    for example in EXAMPLES:
        manifest, said = made(example)
        (example / "expected.yaml").write_text(manifest)
        (example / "report.txt").write_text(said)
