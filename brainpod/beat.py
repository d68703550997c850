"""What happens by the clock. The rows decide whether there is anything to do."""

from __future__ import annotations

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "reconcile": {"task": "deployments.reconcile", "schedule": 5.0, "options": {"expires": 10}},
    "regulate": {"task": "deployments.regulate", "schedule": 15.0, "options": {"expires": 15}},
    "certificates": {"task": "deployments.certificates", "schedule": 15.0, "options": {"expires": 30}},
    "jobs": {"task": "deployments.jobs", "schedule": 5.0, "options": {"expires": 10}},
    "domains": {"task": "deployments.check_domains", "schedule": 30.0, "options": {"expires": 30}},
    "maintain": {"task": "deployments.maintain", "schedule": 3600.0, "options": {"expires": 600}},
    "disks": {"task": "deployments.measure_disks", "schedule": 300.0, "options": {"expires": 300}},
    "disk_work": {"task": "disks.tend", "schedule": 60.0, "options": {"expires": 60}},
    "backups": {"task": "backups.tend", "schedule": 15.0, "options": {"expires": 15}},
    "notifications": {"task": "notify.send", "schedule": 5.0, "options": {"expires": 10}},
    "old_notifications": {"task": "notify.tidy", "schedule": 3600.0, "options": {"expires": 600}},
    "reports": {"task": "reporting.send", "schedule": 15.0, "options": {"expires": 20}},
    "database_book": {"task": "databases.forget", "schedule": 3600.0, "options": {"expires": 600}},
    "webhooks": {"task": "hooks.tend", "schedule": 60.0, "options": {"expires": 60}},
    "previews": {"task": "previews.tend", "schedule": 15.0, "options": {"expires": 15}},
    "imports": {"task": "manifests.tend", "schedule": 15.0, "options": {"expires": 15}},
    "terminals": {"task": "terminals.sweep", "schedule": 30.0, "options": {"expires": 60}},
}
