"""How a hostile text gets into a state: the field it is put into, of a state that is fine otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from apps.edge.base import Header, Redirect, Rule, Site
from tests.edge.conftest import app

GOOD = app("shop.test", "unix:/run/a.sock", key="1:web:/", app="pod1/web")
FILES = Site("site.test", rules=(Rule("/", directory="/srv/site"),))


def _rule(**fields: object) -> Site:
    return replace(GOOD, rules=(replace(GOOD.rules[0], **fields),))  # type: ignore[arg-type]


def _files(**fields: object) -> Site:
    return replace(FILES, rules=(replace(FILES.rules[0], **fields),))  # type: ignore[arg-type]


PUT: dict[str, Callable[[str], Site]] = {
    "host": lambda text: replace(GOOD, host=text),
    "path": lambda text: _rule(path=text),
    "upstream": lambda text: _rule(upstreams=(text,)),
    "directory": lambda text: _rule(directory=text),
    "app": lambda text: _rule(app=text),
    "key": lambda text: _rule(key=text),
    "network": lambda text: replace(GOOD, allow=(text,)),
    "password": lambda text: replace(GOOD, password=text),
    "header name": lambda text: replace(GOOD, headers=((text, "value"),)),
    "header value": lambda text: replace(GOOD, headers=(("X-Name", text),)),
    "redirect path": lambda text: replace(GOOD, redirects=(Redirect(text, "/new", 301),)),
    "redirect target": lambda text: replace(GOOD, redirects=(Redirect("/old/*", text, 301),)),
    "host target": lambda text: replace(GOOD, redirects=(Redirect("*", text, 308),)),
    "file target": lambda text: _files(redirects=(Redirect("/old/*", text, 200),)),
    "site header path": lambda text: _files(headers=(Header(text, "X-Name", "value"),)),
    "site header name": lambda text: _files(headers=(Header("/*", text, "value"),)),
    "packing": lambda text: _files(packed=(text,)),
}
