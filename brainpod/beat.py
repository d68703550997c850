"""What happens by the clock. The rows decide whether there is anything to do."""

from __future__ import annotations

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "reconcile": {"task": "deployments.reconcile", "schedule": 5.0, "options": {"expires": 10}},
    "maintain": {"task": "deployments.maintain", "schedule": 3600.0, "options": {"expires": 600}},
}
