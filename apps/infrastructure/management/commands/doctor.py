"""manage.py doctor: what this machine has of what the platform needs."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.infrastructure.embedded.doctor import examine

MARKS = {"ok": "ok", "note": "note", "missing": "MISSING"}


class Command(BaseCommand):
    help = "Say which programs are used, whether apps can be isolated, and what is missing. Exit code 1: something is."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine()
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            self.stdout.write(f"{finding.subject:<{width}}  {MARKS[finding.verdict]:<7}  {finding.text}")
        missing = [finding.subject for finding in findings if finding.verdict == "missing"]
        notes = any(finding.verdict == "note" for finding in findings)
        self.stdout.write("")
        self.stdout.write(
            f"Not ready: {', '.join(missing)}." if missing else "Ready, with notes above." if notes else "Ready."
        )
        sys.exit(1 if missing else 0)
