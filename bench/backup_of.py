"""The row `backup` alone, without a platform: `python -m bench.backup_of MB`."""

from __future__ import annotations

import importlib
import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    backup = importlib.import_module("bench.backup")
    print(backup.measure(mb=int(sys.argv[1]) if len(sys.argv) > 1 else backup.MB).as_json())
