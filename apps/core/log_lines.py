"""Lines of the agents' own logs, which run without Django: the form of the platform's others (brainpod/logging.py).

Without structlog: loading it would double what starting an agent takes.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys

from apps.core.links import hide_tokens

FORMS = ("console", "json")


class _Json(logging.Formatter):
    """One object a line. What is given as `extra={"about": {…}}` are fields of their own."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "message": record.getMessage(),
            **getattr(record, "about", {}),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": at.isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return hide_tokens(json.dumps(line, ensure_ascii=False))


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        about = "".join(f" {name}={value}" for name, value in getattr(record, "about", {}).items())
        record.message = record.getMessage()
        text = f"{record.name}: {record.message}{about}"
        return hide_tokens(f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text)


def configure(form: str) -> None:
    """Have every logger of this process write lines of `form` to its standard error, from "info" on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Plain())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
