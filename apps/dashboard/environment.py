"""The templates' environment: what every page may use without being given it."""

from __future__ import annotations

import datetime
import functools
from typing import Any

import jinja2
from django.conf import settings
from django.contrib.messages import get_messages
from django.templatetags.static import static as address_of_file
from django.urls import reverse
from django.utils import timezone
from markupsafe import Markup

from apps.core.durations import duration
from apps.dashboard import isolation
from apps.dashboard.states import look
from apps.logs import stages

_STEPS = ((60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour"), (30 * 86400, 86400, "day"))


@functools.lru_cache(maxsize=4096)
def url(name: str, *args: Any, **kwargs: Any) -> str:
    return reverse(name, args=args or None, kwargs=kwargs or None)


@functools.lru_cache(maxsize=1024)
def static(path: str) -> str:
    """The address of a file of ours; which files there are does not change while a process lives."""
    return address_of_file(path)


@functools.lru_cache(maxsize=1024)
def icon(name: str, label: str = "") -> Markup:
    """A symbol of static/icons.svg; silent to screen readers unless it has a label."""
    aria = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup('<svg class="icon" {}><use href="{}#{}"></use></svg>').format(aria, static("icons.svg"), name)


def in_words(moment: datetime.datetime, now: datetime.datetime) -> str:
    """`3 minutes ago`, `in 2 hours`; a date once it is a month away."""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    if size < 5:
        return "just now"
    for limit, unit, word in _STEPS:
        if size < limit:
            count = int(size // unit)
            text = f"{count} {word}{'' if count == 1 else 's'}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return moment.strftime("%-d %b %Y")


def ago(moment: datetime.datetime | None, missing: str = "never") -> Markup:
    """The time in words, the exact one on hover; app.js keeps the words fresh."""
    if moment is None:
        return Markup("<span>{}</span>").format(missing)
    exact = moment.astimezone(datetime.UTC)
    return Markup('<time datetime="{}" title="{} UTC" data-ago>{}</time>').format(
        exact.isoformat(timespec="seconds"), exact.strftime("%Y-%m-%d %H:%M:%S"), in_words(moment, timezone.now())
    )


def environment(**options: Any) -> jinja2.Environment:
    env = jinja2.Environment(**(options | {"autoescape": True}), trim_blocks=True, lstrip_blocks=True)  # nosec B701
    env.globals.update(
        url=url,
        static=static,
        icon=icon,
        ago=ago,
        duration=duration,
        get_messages=get_messages,
        look=look,
        event_words=stages.words,
        config=settings.BRAINPOD,
        isolation_warning=isolation.warning,
    )
    env.filters.update(ago=ago, duration=duration)
    return env
