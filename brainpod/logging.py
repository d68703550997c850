"""Every line of every process in one form: for people while developing, JSON in production (docs/settings.md).

What is known about the work under way (`request`, `task`, `deployment`) is bound to the context and stands in every
line written meanwhile, by whichever library. Tokens of one-time links are taken out of the finished line.
"""

from __future__ import annotations

import logging.config
from typing import Any

import structlog
from django.conf import settings
from structlog.typing import EventDict, Processor, WrappedLogger

from apps.core.links import hide_tokens

# Said only from warnings on.
QUIET = (
    "httpcore",
    "httpx",
    "urllib3",
    "asyncio",
    "daphne",
    "git",
    "twisted",
    "celery.beat",
    "celery.worker.strategy",
)


def configure(form: str) -> dict[str, Any]:
    """Set structlog up; Django's LOGGING for the standard library's loggers. `form`: "json" or "console"."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper("iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form), _hide],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "level": "INFO", "propagate": True},
            **{name: {"level": "WARNING"} for name in QUIET},
        },
    }


def _rendering(form: str) -> list[Processor]:
    if form == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]


def _hide(logger: WrappedLogger, method: str, line: EventDict | str) -> str:
    return hide_tokens(str(line))


def apply() -> None:
    """For programs that would set up logging by themselves before Django is there."""
    logging.config.dictConfig(settings.LOGGING)
    logging.captureWarnings(True)
