"""The sites as configuration: one `server` block for each *kind* of site, however many hosts are of that kind.

Two sites are of one kind when they differ only in their hosts and in where their links lead; a map turns the host
into the directory of links of its n-th rule, `$bp_rule_n`.
"""

from __future__ import annotations

from collections.abc import Iterator

from apps.edge import caching, files, gates, guesses, hop, keyed, links, pages, sessions, strip, tls
from apps.edge.base import EdgeState, Rule, Site, remembered
from apps.edge.layout import Layout

Kind = tuple[object, ...]
WAKER = f"{pages.PREFIX}wake"
UPSTREAM = "x_brainpod_upstream"  # the header of the waker's answer that says where the app is, as nginx calls it
LONGEST = 75  # seconds a request waits for a sleeping app at most; the waker gives up before that
LARGEST_BODY = 1024  # MB: the most that a route may take
NOBODY = "-"  # in the access log: no app's request
_NOBODYS = Site("")


def _rules(site: Site) -> list[Rule]:
    return sorted(site.rules, key=lambda rule: rule.path) if site.answer == "live" else []


def kinds(state: EdgeState) -> dict[Kind, list[Site]]:
    """The sites of `state` by kind, in an order that does not depend on how they were given."""
    found: dict[Kind, list[Site]] = {}
    for site in sorted(state.sites, key=lambda site: site.host):
        found.setdefault(_kind(site), []).append(site)
    return found


@remembered
def _kind(site: Site) -> Kind:
    kind: Kind = (site.answer,)
    if gates.gated(site):
        kind = (site.answer, gates.shape(site))
    if site.answer == "live":
        more = (site.timeout, site.body_mb, site.compression, *(links.shape(rule) for rule in _rules(site)))
        kind = (*kind, *more)
    return kind


def maps(state: EdgeState) -> Iterator[str]:
    """From a host to its `$bp_route`, and of its n-th rule to the directory of links (`$bp_rule_n`) and the app."""
    rows: dict[str, list[str]] = {"app_0": [], "route": []}
    for site in sorted(state.sites, key=lambda site: site.host):
        for name, row in _rows(site):
            rows.setdefault(name, []).extend([row] if row else [])
    for name, lines in sorted(rows.items()):
        yield f"map $host $bp_{name} {{"
        yield from lines
        yield "}"
    yield from gates.maps(state)
    yield from strip.maps(rule for site in state.sites for rule in _rules(site) if not rule.directory)
    yield from files.maps(state, {site.host: _rules(site) for site in sorted(state.sites, key=lambda site: site.host)})
    mcp = [rule for site in state.sites for rule in _rules(site) if rule.mcp]
    yield from sessions.maps(mcp)
    yield from keyed.maps([rule for rule in mcp if rule.keyed])


@remembered
def _rows(site: Site) -> tuple[tuple[str, str], ...]:
    """(map, its line) of those maps; a map has to be there without a line, too."""
    rows = [("route", f"    {site.host} {site.route};")] if site.route else []
    for index, rule in enumerate(_rules(site)):
        rows.append((f"rule_{index}", f"    {site.host} {links.name(site, rule)};"))
        rows.append((f"app_{index}", f"    {site.host} {rule.app};" if rule.app else ""))
    return tuple(rows)


def pools(state: EdgeState, layout: Layout) -> Iterator[str]:
    """An `upstream` block for each rule with several instances.

    No failure is remembered (`max_fails=0`): behind an unchanged link the next instance may be another one. No
    connection is either, though newer versions of nginx do so unless told: an app that was asked to close closes it.
    """
    for site in sorted(state.sites, key=lambda site: site.host):
        for rule in _rules(site):
            if links.shape(rule)[1] != "pool":
                continue
            folder = links.name(site, rule)
            addresses = [f'"unix:{layout.links}/{folder}/{index}.sock"' for index in range(len(rule.upstreams))]
            yield f"upstream pool_{folder} {{"
            yield "    least_conn; keepalive_requests 1;"
            yield from (f"    server {address} max_fails=0;" for address in addresses)
            yield "}"
            if rule.mcp:
                yield from sessions.pools(folder, addresses)


def servers(state: EdgeState, layout: Layout) -> Iterator[str]:
    for sites in kinds(state).values():
        site = sites[0]
        yield "server {"
        yield from (f"    {line}" for line in tls.listens(layout))
        yield "    server_name"
        yield from (f"        {other.host}" for other in sites)
        yield "    ;"
        yield from (f"    {line}" for line in _inside(site, layout))
        yield from (f"    {line}" for line in tls.challenges(layout))
        yield from (f"    {line}" for line in own_pages(layout, site))
        yield "}"


def _inside(site: Site, layout: Layout) -> Iterator[str]:
    """What is in the `server` of a kind of site."""
    if gates.gated(site):
        yield from gates.entrance(site, layout)
        yield from gates.locations(site)
    if site.answer == "live":
        yield from _live(site, layout)
    else:
        yield f"client_max_body_size {LARGEST_BODY}m;"  # whatever is sent here: the answer is the page
        yield from answer(site.answer, gates.ended(site, 418) if gates.gated(site) else "return 418;")
    if any(rule.sleeps for rule in _rules(site)):
        yield from waker(layout)


def _live(site: Site, layout: Layout) -> Iterator[str]:
    yield f"client_max_body_size {site.body_mb}m;"
    if site.compression == "all":
        yield "gzip on;"
    for index, rule in enumerate(_rules(site)):
        yield from _locations(index, rule, site, layout)
    if any(rule.keyed for rule in site.rules):
        yield from keyed.refusal(gates.said(site))
    if all(rule.path != "/" for rule in site.rules):
        ended = f"error_page 404 {pages.address('404')}; {gates.ended(site, 404)}"
        yield f'location / {{ set $bp_served "{NOBODY}"; {ended} }}'


def answer(name: str, ended: str = "return 418;") -> Iterator[str]:
    """One of the edge's own answers to every request (418 stands for "the page", whatever its status)."""
    yield f'location / {{ set $bp_served "{NOBODY}"; {" ".join(page(name, ended))} }}'


def page(name: str, ended: str = "return 418;") -> Iterator[str]:
    yield f"error_page 418 ={pages.PAGES[name].status} {pages.address(name)}; {pages.TO_TLS}"
    yield ended


def own_pages(layout: Layout, site: Site | None = None) -> Iterator[str]:
    yield f"location ^~ {pages.PREFIX} {{"
    yield "    internal;"
    if site and site.password:
        yield "    auth_basic off;"
        yield from (f"    {line}" for line in guesses.count(layout))
    yield f'    alias "{layout.home}/pages/";'
    yield "    add_header Cache-Control no-store always;"
    yield "    add_header Content-Security-Policy \"default-src 'none'; style-src 'unsafe-inline'\" always;"
    yield from (f"    {line}" for line in gates.said(site or _NOBODYS))
    yield "}"


def _locations(index: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    body = _body(index, rule, site, layout)
    inside = [f"    {line}" for line in (f"set $bp_served $bp_app_{index};", *body)]
    if rule.path != "/":
        yield f"location = {rule.path[:-1]} {{"
        # Relative links of a page need the slash; an app decides that for itself.
        slash = rule.directory and not rule.stopped
        yield from (inside[0], *(f"    {line}" for line in _slash(index, rule, site))) if slash else inside
        yield "}"
    yield f"location {rule.path} {{"
    yield from inside
    yield "}"
    named: list[tuple[str, list[str]]] = []
    if rule.directory and not rule.stopped:
        named += files.locations(index, rule, site, layout)
        if rule.path != "/" and site.password:
            named.append((f"@slash_{index}", [f"return 301 {rule.path}$is_args$args;"]))
        yield from files.forced(index, rule, site, layout)
    if rule.sleeps and not rule.stopped:
        named.append((f"@wake_{index}", list(_wake(rule, site.timeout))))
    for name, lines in named:
        yield f"location {name} {{"
        yield from (f"    {line}" for line in lines)
        yield "}"


def _slash(index: int, rule: Rule, site: Site) -> Iterator[str]:
    if not site.password:
        yield f"return 301 {rule.path}$is_args$args;"
        return
    yield gates.ended(site, 418)
    yield f"error_page 418 = @slash_{index};"


def _body(index: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    if rule.stopped:
        yield from page("stopped", gates.ended(site, 418))
    elif rule.directory:
        yield from files.body(index, rule, site, layout)
    else:
        yield from _proxy(index, rule, site, layout)


def _proxy(index: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    if not rule.upstreams and not rule.sleeps:  # every instance is gone: one site's trouble, not everybody's
        yield gates.ended(site, 502)
        return
    timeout = site.timeout
    if rule.keyed:
        yield from keyed.check()
    if rule.sleeps:
        yield from pages.errors()
        yield f"error_page 401 {pages.address('401')};"
        yield f"error_page 418 = @wake_{index}; recursive_error_pages on;"
        yield f'if (!-e "{layout.links}/$bp_rule_{index}/{links.AWAKE}") {{ return 418; }}'
    yield from strip.rewritten(rule)
    if links.shape(rule)[1] == "one":
        yield f'root "{layout.links}/$bp_rule_{index}/{links.TO}"; proxy_pass http://$bp_to{strip.asked(rule)};'
    else:
        yield f"proxy_pass http://pool_$bp_rule_{index}{sessions.chosen(rule)}{strip.asked(rule)};"
    if rule.mcp:
        yield from sessions.headers(rule, gates.passed(site), gates.said(site), gates.unsaid(site))
        timeout = max(timeout, sessions.IDLE)
    if links.hops(rule):
        given = {} if rule.mcp else gates.passed(site)
        yield from (f"proxy_set_header {header} {value};" for header, value in given.items())
        yield from hop.asking(f"$bp_rule_{index}")
    if rule.cache:
        yield from caching.location(index, rule, site, layout)
    yield from _passing(timeout, buffered=bool(rule.cache))


def _passing(timeout: int, *, buffered: bool = False) -> Iterator[str]:
    """Unless `buffered`, what an app sends reaches the client at once: events and streams need nothing special."""
    yield f"proxy_buffering {'on' if buffered else 'off'};"
    yield f"proxy_read_timeout {timeout}s; proxy_send_timeout {timeout}s;"


def _wake(rule: Rule, timeout: int) -> Iterator[str]:
    """The request waits, its body unread, until the platform says where the app is now; then it goes there."""
    yield f"auth_request {WAKER}; auth_request_set $bp_woken $upstream_http_{UPSTREAM};"
    yield from (line for line in pages.errors() if not line.startswith("error_page 500 "))
    yield f"error_page 403 500 =503 {pages.address('asleep')}; error_page 401 =503 {pages.address('crowded')};"
    yield from strip.rewritten(rule)
    yield f"proxy_pass http://$bp_woken{strip.asked(rule)};"
    yield from _passing(timeout)


def waker(layout: Layout) -> Iterator[str]:
    """What is asked for a sleeping app: told whose request it is, and nothing of what the client sent."""
    yield f"location = {WAKER} {{"
    yield "    internal;"
    yield f'    proxy_pass "http://unix:{layout.dashboard_sockets}:/@wake";'
    yield "    proxy_pass_request_body off; proxy_pass_request_headers off;"
    yield '    proxy_set_header Content-Length ""; proxy_set_header Host localhost;'
    yield "    proxy_set_header X-Brainpod-App $bp_served; proxy_set_header X-Request-ID $bp_request_number;"
    yield f"    proxy_read_timeout {LONGEST}s;"
    yield "}"
