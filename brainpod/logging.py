"""Every line of every process in one form: for people while developing, JSON in production (docs/settings.md).

What is known about the work under way (`request`, `task`, `deployment`) is bound to the context and stands in every
line written meanwhile, by whichever library. Tokens of one-time links are taken out of the finished line.
"""

from __future__ import annotations

import logging.config
import sys
import threading
from types import TracebackType
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


def _is_news(record: logging.LogRecord) -> bool:
    """Git asks without credentials first, each time, and is told to show some: a 401 that says nothing to anybody."""
    request = getattr(record, "request", None)
    if getattr(record, "status_code", 0) != 401 or request is None:
        return True
    asked_first = request.path.startswith("/git/") and request.path.endswith("/info/refs")
    return not asked_first or "Authorization" in request.headers


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
    if form == "json":
        _speak_last_words()
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form), _hide],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "filters": {"news": {"()": "django.utils.log.CallbackFilter", "callback": _is_news}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.request": {"filters": ["news"]},
            "django.server": {"handlers": [], "level": "INFO", "propagate": True},
            **{name: {"level": "WARNING"} for name in QUIET},
        },
    }


def _speak_last_words() -> None:
    """What Python itself would write past all of this is a line too: how a process or a thread ends, what goes wrong
    where nobody can catch it, and warnings. Whether anybody looks on is asked then: services are forked out of a
    process that may have a terminal, and have none."""
    log = logging.getLogger("brainpod")

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if sys.stderr.isatty():
            sys.__excepthook__(kind, error, trace)
        elif not issubclass(kind, KeyboardInterrupt):
            log.critical("ended by an error", exc_info=(kind, error, trace))

    def of_thread(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is None or isinstance(ended.exc_value, SystemExit):
            return
        name = ended.thread.name if ended.thread else "a thread"
        about = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        log.error("%s ended by an error", name, exc_info=about)

    def of_nobody(gone: Any) -> None:  # of __del__, of what runs while the interpreter ends
        about = (gone.exc_type, gone.exc_value, gone.exc_traceback) if gone.exc_value else None
        log.error("%s: %r", gone.err_msg or "an error that nobody could catch, in", gone.object, exc_info=about)

    sys.excepthook = of_process
    threading.excepthook = of_thread
    sys.unraisablehook = of_nobody
    logging.captureWarnings(True)


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
