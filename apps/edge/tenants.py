"""The sites as configuration: one `server` block for each *kind* of site, however many hosts are of that kind.

Two sites are of one kind when they differ only in their hosts and in where their links lead; a map turns the host
into the directory of links of its n-th rule, `$rule_n`.
"""

from __future__ import annotations

from collections.abc import Iterator

from apps.edge import links, pages
from apps.edge.base import EdgeState, Rule, Site
from apps.edge.layout import Layout

Kind = tuple[object, ...]
NOBODY = "-"  # in the access log: no app's request


def _rules(site: Site) -> list[Rule]:
    return sorted(site.rules, key=lambda rule: rule.path) if site.answer == "live" else []


def kinds(state: EdgeState) -> dict[Kind, list[Site]]:
    """The sites of `state` by kind, in an order that does not depend on how they were given."""
    found: dict[Kind, list[Site]] = {}
    for site in sorted(state.sites, key=lambda site: site.host):
        kind: Kind = (site.answer,)
        if site.answer == "live":
            kind = (site.answer, site.timeout, site.body_mb, *(links.shape(rule) for rule in _rules(site)))
        found.setdefault(kind, []).append(site)
    return found


def maps(state: EdgeState) -> Iterator[str]:
    """From a host to the directory of links of its n-th rule, `$rule_n`, and to the app behind it, `$app_n`."""
    rows: dict[str, list[str]] = {"app_0": []}
    for site in sorted(state.sites, key=lambda site: site.host):
        for index, rule in enumerate(_rules(site)):
            rows.setdefault(f"rule_{index}", []).append(f"    {site.host} {links.name(site, rule)};")
            rows.setdefault(f"app_{index}", []).extend([f"    {site.host} {rule.app};"] if rule.app else [])
    for name, lines in sorted(rows.items()):
        yield f"map $host ${name} {{"
        yield from lines
        yield "}"


def pools(state: EdgeState, layout: Layout) -> Iterator[str]:
    """An `upstream` block for each rule with several instances, or with one that is not a unix socket.

    No failure is remembered (`max_fails=0`): behind an unchanged link the next instance may be another one.
    """
    for site in sorted(state.sites, key=lambda site: site.host):
        for rule in _rules(site):
            if links.shape(rule)[1] != "pool":
                continue
            folder = links.name(site, rule)
            yield f"upstream pool_{folder} {{"
            yield "    least_conn;"
            for index, upstream in enumerate(rule.upstreams):
                unix = upstream.startswith("unix:")
                address = f'"unix:{layout.links}/{folder}/{index}.sock"' if unix else upstream
                yield f"    server {address} max_fails=0;"
            yield "}"


def servers(state: EdgeState, layout: Layout) -> Iterator[str]:
    for sites in kinds(state).values():
        site = sites[0]
        yield "server {"
        yield f"    listen {layout.listen};"
        yield "    server_name"
        yield from (f"        {other.host}" for other in sites)
        yield "    ;"
        if site.answer == "live":
            yield f"    client_max_body_size {site.body_mb}m;"
            for index, rule in enumerate(_rules(site)):
                yield from (f"    {line}" for line in _locations(index, rule, site.timeout, layout))
            if all(rule.path != "/" for rule in site.rules):
                yield f'    location / {{ set $served "{NOBODY}"; return 404; }}'
                yield f"    error_page 404 {pages.address('404')};"
        else:
            yield from (f"    {line}" for line in answer(site.answer))
        yield from (f"    {line}" for line in own_pages(layout))
        yield "}"


def answer(name: str) -> Iterator[str]:
    """One of the edge's own answers to every request (418 stands for "the page", whatever its status)."""
    yield f"error_page 418 ={pages.PAGES[name].status} {pages.address(name)};"
    yield f'location / {{ set $served "{NOBODY}"; return 418; }}'


def own_pages(layout: Layout) -> Iterator[str]:
    yield f"location ^~ {pages.PREFIX} {{"
    yield "    internal;"
    yield f'    alias "{layout.home}/pages/";'
    yield "    add_header Cache-Control no-store always;"
    yield "    add_header Content-Security-Policy \"default-src 'none'; style-src 'unsafe-inline'\" always;"
    yield "    add_header X-Request-ID $request_number always;"
    yield "}"


def _locations(index: int, rule: Rule, timeout: int, layout: Layout) -> Iterator[str]:
    body = _files(index, rule, layout) if rule.directory else _proxy(index, rule, timeout, layout)
    inside = [f"    {line}" for line in (f"set $served $app_{index};", *body)]
    if rule.path != "/":
        yield f"location = {rule.path[:-1]} {{"
        # Relative links of a page need the slash; an app decides that for itself.
        yield from (inside[0], f"    return 301 {rule.path}$is_args$args;") if rule.directory else inside
        yield "}"
    yield f"location {rule.path} {{"
    yield from inside
    yield "}"
    if rule.directory:
        yield f"location @missing_{index} {{"
        yield from (f"    {line}" for line in _missing(index, layout))
        yield "}"


def _stripped(rule: Rule) -> Iterator[str]:
    if rule.strip and rule.path != "/":
        pattern = rule.path[:-1].replace(".", r"\.")
        yield f'rewrite "(?s)^{pattern}/?(.*)$" /$1 break;'


def _proxy(index: int, rule: Rule, timeout: int, layout: Layout) -> Iterator[str]:
    if not rule.upstreams:  # every instance is gone: one site's trouble, not everybody's
        yield "return 502;"
        return
    yield from _stripped(rule)
    if links.shape(rule)[1] == "socket":
        yield f'proxy_pass "http://unix:{layout.links}/$rule_{index}/0.sock:";'
    else:
        yield f"proxy_pass http://pool_$rule_{index};"
    # What an app sends reaches the client at once: events and streams need nothing special.
    yield f"proxy_buffering off; proxy_read_timeout {timeout}s; proxy_send_timeout {timeout}s;"


def _files(index: int, rule: Rule, layout: Layout) -> Iterator[str]:
    yield "if ($hidden) { return 404; }"
    yield from _stripped(rule)
    yield from _root(index, layout)
    fallback = "$spa_file " if rule.spa else ""
    yield f"try_files $uri $uri.html $uri/index.html {fallback}=404;"
    yield f"error_page 403 404 =404 @missing_{index};"
    yield f"error_page 405 {pages.address('405')};"


def _missing(index: int, layout: Layout) -> Iterator[str]:
    """The site's own 404.html, or the edge's page."""
    yield from _root(index, layout)
    yield "try_files /404.html =404;"
    yield f"error_page 403 404 =404 {pages.address('404')};"


def _root(index: int, layout: Layout) -> Iterator[str]:
    """Files beneath the link and nowhere else: no symbolic link in the tree is followed."""
    yield f'root "{layout.links}/$rule_{index}/files";'
    yield "disable_symlinks on from=$document_root;"
    yield "gzip on; recursive_error_pages on;"
    yield "add_header Cache-Control $cache_control always;"
    yield "add_header X-Content-Type-Options nosniff always;"
    yield "add_header X-Request-ID $request_number always;"
