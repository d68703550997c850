"""Why a stage failed: the catalogue of known failures, and the one that a log shows."""

from __future__ import annotations

from apps.builds.failures.diagnosis import Diagnosis, diagnose, explain, found_in
from apps.builds.failures.entry import Entry, Fix

__all__ = ["Diagnosis", "Entry", "Fix", "diagnose", "explain", "found_in"]
