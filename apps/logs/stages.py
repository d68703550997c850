"""What happened, between the lines of a log: a stage began or ended, a deployment came to its end.

An event is a line of the level `event`, numbered, stored and sent like any other; its text is a JSON object:
`{"kind": "stage", "title", "app", "stage", "state", "seconds", "note"}` with the state running, passed, failed or
skipped, or `{"kind": "deployment", "title", "state", "seconds", "note"}`. `seconds` is null for what has not ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps.core.durations import duration
from apps.logs.lines import EVENT, Line, plain


def encode_event(fields: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(dict(fields), ensure_ascii=False, separators=(",", ":"))


def words(text: str) -> str:
    """An event for people: `── Clone · web passed in 0.4 s`."""
    try:
        said = json.loads(text)
        title = " · ".join(str(said[key]) for key in ("title", "app") if said.get(key))
        state = "" if said["state"] == "running" else f" {said['state']}"
        took = f" in {duration(float(said['seconds']))}" if said.get("seconds") is not None else ""
        note = f": {said['note']}" if said.get("note") and said["state"] == "skipped" else ""
    except (ValueError, TypeError, KeyError, AttributeError):
        return text
    return f"── {title}{state}{took}{note}"


def shown(line: Line) -> str:
    """The text of a line for people, without colours."""
    return words(line.text) if line.level == EVENT else plain(line.text)
