"""The edge's own answers, as small pages that need nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "/@edge/"  # no rule can have this path: "@" is not allowed in one
NO_FILE = "/@"  # no file is called that


@dataclass(frozen=True, slots=True)
class Page:
    """`refresh`: seconds after which the browser asks again; 0 for never."""

    status: int
    title: str
    text: str
    refresh: int = 0


PAGES = {
    "not_connected": Page(
        404, "Not connected", "This address is not connected to anything here. Check the name, or add it to a route."
    ),
    "not_deployed": Page(
        404, "Deployment Not Found", "This address is set up, but nothing has been deployed behind it yet."
    ),
    "deploying": Page(202, "Deploying", "The first deployment is on its way. This page looks again by itself.", 3),
    "failed": Page(409, "The first deployment failed", "Its log on the dashboard says why. Mend it and deploy again."),
    "disabled": Page(403, "Disabled", "This site has been switched off by its owner."),
    "maintenance": Page(503, "Down for maintenance", "This site is being worked on. Please come back soon.", 30),
    "stopped": Page(503, "Stopped", "This app has been stopped. It answers again once somebody starts it.", 30),
    "asleep": Page(503, "It could not be woken", "The app was asleep and did not start. This page asks again.", 10),
    "crowded": Page(503, "Waking up", "Many are waiting for this app to start already. This page asks again.", 3),
    "400": Page(400, "Bad request", "The server could not understand this request."),
    "401": Page(401, "Password required", "This site asks for a name and a password. Reload the page to enter them."),
    "403": Page(403, "Not allowed", "This site does not let in clients from your address."),
    "404": Page(404, "Page not found", "There is nothing at this address. Check the spelling."),
    "405": Page(405, "Method not allowed", "Files can only be read here."),
    "413": Page(413, "Too large", "This request is larger than the site accepts."),
    "414": Page(414, "Address too long", "The address of this request is longer than 8 KB."),
    "429": Page(429, "Too many attempts", "Wrong passwords came from your address. Try again in a minute."),
    "431": Page(431, "Headers too large", "A header of this request is larger than 8 KB. Deleting cookies may help."),
    "500": Page(500, "Something went wrong", "The server failed to answer this request. Please try again."),
    "502": Page(502, "The app does not answer", "It may be starting or have crashed. Its log says more.", 5),
    "starting": Page(
        503, "Brainpod is starting", "The dashboard is back in a moment, and this page with it. Apps run meanwhile.", 2
    ),
    "504": Page(504, "The app took too long", "It was reached, but did not answer in time."),
}
ANSWERS = ("not_connected", "not_deployed", "deploying", "failed", "disabled", "maintenance")

ERRORS = ("400", "405", "413", "414", "500", "502", "504")  # of nginx itself, wherever a location says nothing else

# Plain HTTP on the port of TLS: the same address, with https.
TO_TLS = "error_page 497 =308 https://$host$bp_port_given$request_uri;"

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f6f8fb;color:#182433;"
    "font:16px/1.5 system-ui,sans-serif}"
    "main{padding:2rem;max-width:32rem}small{color:#56657a}h1{margin:.25rem 0;font-size:1.5rem}p{margin:0}"
    "@media(prefers-color-scheme:dark){body{background:#111827;color:#dce1e7}small{color:#8b98ab}}"
)


def markup(page: Page) -> str:
    refresh = f'<meta http-equiv="refresh" content="{page.refresh}">' if page.refresh else ""
    title = html.escape(page.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{refresh}'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><small>{page.status}</small><h1>{title}</h1><p>{html.escape(page.text)}</p></main></body></html>\n"
    )


def write(directory: Path) -> None:
    """Put every page into `directory`, readable by nginx's workers."""
    for name, page in PAGES.items():
        beside = directory / f".{name}.html"
        beside.write_text(markup(page))
        beside.chmod(0o644)
        beside.replace(directory / f"{name}.html")


def address(name: str) -> str:
    """Where a configuration's `error_page` finds the page."""
    return f"{PREFIX}{name}.html"


def errors(unreached: str = "502") -> Iterator[str]:
    """The lines that give nginx's own errors their pages; `unreached`: the one where nobody listens behind it."""
    for code in ERRORS:
        page = unreached if code == "502" else code
        status = "" if page == code else f" ={PAGES[page].status}"
        yield f"error_page {code}{status} {address(page)};"
    yield f"error_page 494 =431 {address('431')}; {TO_TLS}"
