"""The limits of a page, for the gunicorn that serves the dashboard's: `list_page` and `same_bytes`.

`list_page`: fifty rows by one `values_list`, made into HTML by a small Jinja2 template; no session, no user, no
middleware, no frame around it. `same_bytes`: a finished answer of BENCH_BYTES bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import jinja2
from django.db import close_old_connections

import brainpod.wsgi  # noqa: F401 - sets Django up

from apps.pods.models import Pod  # isort: skip

Start = Callable[[str, list[tuple[str, str]]], Any]

_LIST = jinja2.Environment(autoescape=True).from_string("""<!doctype html><html><head><title>Pods</title></head><body>
{% for name, team, slug, version, created in rows %}
<div class="col-sm-6 col-lg-4"><div class="card h-100"><div class="card-body">
  <h2 class="card-title"><a class="text-reset" href="/pods/{{ name }}/">{{ name }}</a></h2>
  <span class="status">{{ "live" if version else "new" }}</span>
  <div class="text-secondary small">{{ team }} ({{ slug }}){% if version %} v{{ version }}{% endif %}</div>
  <time datetime="{{ created.isoformat() }}">{{ created.strftime("%d %b %Y %H:%M") }}</time>
</div></div></div>
{% endfor %}</body></html>""")
_BYTES = b"x" * int(os.environ.get("BENCH_BYTES", "1000"))


def list_page(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    rows = Pod.objects.order_by("name").values_list("name", "team__name", "team__slug", "live__version", "created_at")
    body = _LIST.render(rows=rows[:50]).encode()
    close_old_connections()
    start("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
    return [body]


def same_bytes(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(_BYTES)))])
    return [_BYTES]
