"""What comes before a site's answer, in this order: TLS, the client's address, the password, redirects.

The first two and the choice of a redirect are variables that a server looks at before it has a location. nginx asks
for passwords later, so that whatever is returned to a guarded site's clients goes through `ended`, later still.
All of it is found by host in maps: sites differ in their settings and share a `server`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from apps.edge import guesses, moves, pages
from apps.edge.base import EdgeState, Site
from apps.edge.layout import Layout
from apps.edge.quoting import DOLLAR, quoted
from apps.edge.tables import HEADERS

GATED = ("live", "deploying", "failed")
MOVED = f"{pages.PREFIX}moved"
Shape = tuple[object, ...]


def gated(site: Site) -> bool:
    return site.answer in GATED


def shape(site: Site) -> Shape:
    """What of the gates stands in the `server` of `site`."""
    names = tuple(sorted(name.lower() for name, _ in site.headers))
    return (_only_tls(site), bool(site.allow), bool(site.password), bool(site.redirects), _hsts(site), names)


def _only_tls(site: Site) -> bool:
    return site.https and site.https_only


def _hsts(site: Site) -> bool:
    return site.https and site.hsts > 0


def maps(state: EdgeState) -> Iterator[str]:
    """The variables of the gates, by host. Those of the edge's own pages and of the proof for certificates are off."""
    sites = sorted((site for site in state.sites if gated(site)), key=lambda site: site.host)
    yield DOLLAR
    yield "map $uri $bp_ours {"
    yield "    volatile;"
    yield f'    "~^({pages.PREFIX}|/\\.well-known/acme-challenge/)" 1;'
    yield '    default "";'
    yield "}"
    yield 'map "$bp_ours:$bp_proto" $bp_insecure {'
    yield "    volatile;"
    yield "    :http 1;"
    yield '    default "";'
    yield "}"
    yield from _outside(sites)
    yield from _moved(sites)
    yield from _headers(sites)


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def _outside(sites: list[Site]) -> Iterator[str]:
    lists = {_digest(*site.allow): site.allow for site in sites if site.allow}
    for digest, networks in sorted(lists.items()):
        yield f"geo $bp_outside_{digest} {{"
        yield "    default 1;"
        yield from (f"    {network} 0;" for network in networks)
        yield "}"
    yield "map $host $bp_outside_here {"
    yield from (f"    {site.host} $bp_outside_{_digest(*site.allow)};" for site in sites if site.allow)
    yield "    default 0;"
    yield "}"
    yield 'map "$bp_ours:$bp_outside_here" $bp_outside {'
    yield "    volatile;"
    yield '    ":1" 1;'
    yield '    default "";'
    yield "}"


def _moved(sites: list[Site]) -> Iterator[str]:
    lists = {moves.digest(site.redirects): site.redirects for site in sites if site.redirects}
    for digest, redirects in sorted(lists.items()):
        yield from moves.table(f"moved_{digest}", redirects)
    yield "map $host $bp_moved_here {"
    yield from (f"    {site.host} $bp_moved_{moves.digest(site.redirects)};" for site in sites if site.redirects)
    yield '    default "";'
    yield "}"
    yield 'map "$bp_ours:$bp_moved_here" $bp_moved {'
    yield "    volatile;"
    yield '    "~^1" "";'
    yield '    ":" "";'
    yield "    default 1;"
    yield "}"
    yield from moves.parts("moved_here")


def variable(name: str) -> str:
    """Of a header of sites."""
    return f"said_{name.lower().replace('-', '_')}"


def _headers(sites: list[Site]) -> Iterator[str]:
    rows: dict[str, list[str]] = {}
    for site in sites:
        for name, value in site.headers:
            rows.setdefault(variable(name), []).append(f"    {site.host} {quoted(value)};")
    for name, lines in sorted(rows.items()):
        yield f"map $host $bp_{name} {{"
        yield from lines
        yield "}"
    yield 'map "$bp_proto $host" $bp_hsts {'
    yield from (f'    "https {site.host}" "max-age={site.hsts * 86400}";' for site in sites if _hsts(site))
    yield '    default "";'
    yield "}"


def said(site: Site) -> Iterator[str]:
    """The headers of every answer; a location with headers of its own repeats them."""
    yield "add_header X-Request-ID $bp_request_number always;"
    yield from (f"add_header {name} $bp_{variable(name)} always;" for name, _ in sorted(site.headers))
    if _hsts(site):
        yield "add_header Strict-Transport-Security $bp_hsts always;"


def unsaid(site: Site) -> Iterator[str]:
    """The headers of apps that are replaced."""
    names = ["X-Request-ID", *(name for name, _ in sorted(site.headers))]
    names += ["Strict-Transport-Security"] if _hsts(site) else []
    yield from (f"proxy_hide_header {name};" for name in names)


def passed(site: Site) -> dict[str, str]:
    """The headers of requests as apps see them: a site's password is not for them."""
    return HEADERS | ({"Authorization": '""'} if site.password else {})


def entrance(site: Site, layout: Layout) -> Iterator[str]:
    """At the beginning of a `server`."""
    if site.headers or _hsts(site):
        yield from said(site)
        yield from unsaid(site)
    if any((site.allow, site.password)):
        yield from pages.errors()
        yield f"error_page 401 {pages.address('401')};"
        yield f"error_page 403 {pages.address('403')};"
    if site.password:
        yield from (f"proxy_set_header {name} {value};" for name, value in passed(site).items())
        yield from guesses.gate()
        yield 'auth_basic "Password required";'
        yield f'auth_basic_user_file "{layout.passwords}/$host";'
    if _only_tls(site):
        yield f"if ($bp_insecure) {{ return 308 https://$host{layout.tls_suffix}$request_uri; }}"
    if site.allow:
        yield "if ($bp_outside) { return 403; }"
    if site.redirects:
        yield f"if ($bp_moved) {{ rewrite ^ {MOVED} last; }}"


def locations(site: Site) -> Iterator[str]:
    """Where redirects are answered from, once a password was given."""
    if site.redirects:
        yield from moves.answers(MOVED, "moved_here", moves.REDIRECTS, ended(site, 418, always=True))


def ended(site: Site, status: int, *, always: bool = False) -> str:
    """Ends a request with `status`: after the password, where there is one, or always as late as that."""
    if not site.password:
        return f"try_files {pages.NO_FILE} ={status};" if always else f"return {status};"
    return f"error_page 401 {pages.address('401')}; try_files {pages.NO_FILE} ={status};"
