"""Static files: the locations of a rule whose app is a directory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from apps.edge import gates, moves, pages
from apps.edge.base import EdgeState, Rule, Site
from apps.edge.layout import Layout
from apps.edge.quoting import quoted
from apps.edge.strip import prefix, rewritten
from apps.edge.tables import TYPE_OF, is_text

USUAL = {"cache-control": "$bp_cache_control", "x-content-type-options": "nosniff"}
_PACKINGS = {"br": "br", "gz": "gzip"}


def maps(state: EdgeState, rules: dict[str, list[Rule]]) -> Iterator[str]:
    """`rules`: those of each host, in the order of their numbers."""
    served = [(host, number, rule) for host, all in rules.items() for number, rule in enumerate(all) if rule.directory]
    yield from _redirects(served)
    yield from _headers(served)
    if any(rule.packed for _, _, rule in served):
        yield from _packings()


Served = list[tuple[str, int, Rule]]


def _redirects(served: Served) -> Iterator[str]:
    """`$bp_forced_N` and `$bp_then_N`: the redirect of a request to the N-th rule before and after the files."""
    tables: dict[str, list[str]] = {}
    rows: dict[str, list[str]] = {}
    for host, number, rule in served:
        for name, forced in (("forced", True), ("then", False)):
            chosen = [redirect for redirect in rule.redirects if redirect.force is forced]
            if chosen:
                digest = f"{name}_{moves.digest(chosen, prefix(rule))}"
                tables[digest] = list(moves.table(digest, chosen, prefix(rule)))
                rows.setdefault(f"{name}_{number}", []).append(f"    {host} $bp_{digest};")
    for _, lines in sorted(tables.items()):
        yield from lines
    for name, lines in sorted(rows.items()):
        yield f"map $host $bp_{name} {{"
        yield from lines
        yield '    default "";'
        yield "}"
        yield from moves.parts(name)
        yield f"map $bp_{name}_status $bp_{name}_file {{"
        yield f"    200 $bp_{name}_to;"
        yield f"    default {pages.NO_FILE};"
        yield "}"


def _headers(served: Served) -> Iterator[str]:
    """`$bp_head_N_M`: the value of the M-th header of the N-th rule, by the path that was asked for (`$bp_asked`)."""
    tables: dict[str, list[str]] = {}
    rows: dict[str, list[str]] = {}
    for host, number, rule in served:
        for index, header in enumerate(rule.headers):
            lines = [f'"~{moves.pattern(header.path, prefix(rule))}" {quoted(header.value)};', 'default "";']
            _add(tables, rows, host, f"head_{number}_{index}", lines)
        for name, usual in USUAL.items():
            paths = [header.path for header in rule.headers if header.name.lower() == name]
            lines = [f'"~{moves.pattern(path, prefix(rule))}" "";' for path in dict.fromkeys(paths)]
            if lines:
                _add(tables, rows, host, f"usual_{number}_{name.replace('-', '_')}", [*lines, f"default {usual};"])
    for digest, lines in sorted(tables.items()):
        yield f"map $bp_asked $bp_{digest} {{"
        yield from (f"    {line}" for line in lines)
        yield "}"
    for name, lines in sorted(rows.items()):
        yield f"map $host $bp_{name} {{"
        yield from lines
        yield "}"


def _add(tables: dict[str, list[str]], rows: dict[str, list[str]], host: str, name: str, lines: list[str]) -> None:
    digest = f"value_{hashlib.sha256(chr(0).join(lines).encode()).hexdigest()[:16]}"
    tables[digest] = lines
    rows.setdefault(name, []).append(f"    {host} $bp_{digest};")


def _packings() -> Iterator[str]:
    """Which packings a client takes, and what the name of a packed file says of its content."""
    for packing, encoding in _PACKINGS.items():
        accepted = rf"~*(^|,)\s*{encoding}\s*(;\s*q=(?!0(\.0*)?\s*(,|$))[0-9.]+\s*)?(,|$)"
        yield f"map $http_accept_encoding $bp_packed_{packing} {{"
        yield f'    "{accepted}" .{packing};'
        yield f'    default "{pages.NO_FILE}";'
        yield "}"
    yield "map $uri $bp_packed_as {"
    yield from (f'    "~\\.{packing}$" {encoding};' for packing, encoding in _PACKINGS.items())
    yield "}"
    yield "map $uri $bp_packed_type {"
    for extensions, kind in TYPE_OF.items():
        shown = f"{kind}; charset=utf-8" if is_text(kind) else kind
        yield f'    "~*\\.({extensions.replace(" ", "|")})\\.(br|gz)$" "{shown}";'
    yield "    default application/octet-stream;"
    yield "}"


def locations(number: int, rule: Rule, site: Site, layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """(name, lines) of the locations beside the rule's own."""
    if rule.packed and site.compression != "off":
        yield f"@plain_{number}", ['set $bp_kept "";', *_root(number, rule, site, layout), *_plain(number, rule)]
    yield f"@then_{number}", list(_then(number, rule, site, layout))
    yield f"@missing_{number}", list(_missing(number, rule, site, layout))


def forced(number: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    """Where the redirects are answered that come before the files."""
    statuses = {redirect.status for redirect in rule.redirects if redirect.force}
    if statuses:
        beside = _file(f"forced_{number}", number, rule, site, layout)
        name = f"forced_{number}"
        yield from moves.answers(f"{pages.PREFIX}{name}", name, statuses, gates.ended(site, 418, always=True), beside)


def body(number: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    if rule.headers:  # before the rewrite, behind which nothing is set
        yield "set $bp_asked $uri;"
    if any(redirect.force for redirect in rule.redirects):
        yield f"if ($bp_forced_{number}) {{ rewrite ^ {pages.PREFIX}forced_{number} last; }}"
    yield "if ($bp_hidden) { return 404; }"
    if rule.packed and site.compression != "off":
        yield "set $bp_kept packed;"
    yield from rewritten(rule)
    if not rule.packed or site.compression == "off":
        yield from _root(number, rule, site, layout)
        yield from _plain(number, rule)
        return
    yield from _root(number, rule, site, layout, packed=True)
    names = (f"{name}$bp_packed_{packing}" for name in ("$uri", "$uri.html", "$bp_index") for packing in rule.packed)
    yield f"try_files {' '.join(names)} @plain_{number};"
    yield from _errors(number)


def _plain(number: int, rule: Rule) -> Iterator[str]:
    yield f"try_files $uri $uri.html $bp_index $bp_without_slash @then_{number};"
    yield from _errors(number)


def _errors(number: int) -> Iterator[str]:
    yield f"error_page 403 404 =404 @missing_{number};"
    yield f"error_page 405 {pages.address('405')};"
    yield f"error_page 401 {pages.address('401')};"


def _then(number: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    """There is no such file: a directory's page gets its slash, as its links need it; the site's own redirects; its
    fallback."""
    yield "if (-f $document_root$uri/index.html) { return 301 $bp_with_slash$is_args$args; }"
    name = f"then_{number}"
    if own := {redirect.status for redirect in rule.redirects if not redirect.force}:
        yield from moves.sent(name, own)
        yield from _file(name, number, rule, site, layout)
        return
    yield from _root(number, rule, site, layout)
    yield f"try_files {_fallback(rule)};"
    yield from _errors(number)


def _file(name: str, number: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    yield f"if ($bp_{name}_status = 404) {{ return 404; }}"
    yield from _root(number, rule, site, layout)
    target = f"$bp_{name}_file"
    yield f"try_files {target} {target}.html {target}/index.html {_fallback(rule)};"
    yield from _errors(number)


def _fallback(rule: Rule) -> str:
    return f"{'$bp_spa_file' if rule.spa else pages.NO_FILE} =404"


def _missing(number: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    """The site's own 404.html, or the edge's page."""
    yield from _root(number, rule, site, layout)
    yield "try_files /404.html =404;"
    yield f"error_page 403 404 =404 {pages.address('404')};"


def _root(number: int, rule: Rule, site: Site, layout: Layout, *, packed: bool = False) -> Iterator[str]:
    """Files beneath the link and nowhere else: no symbolic link in the tree is followed."""
    yield f'root "{layout.links}/$bp_rule_{number}/files";'
    yield "disable_symlinks on from=$document_root;"
    if packed:
        yield 'types { } default_type ""; gzip off; recursive_error_pages on; max_ranges 1;'
        yield "add_header Content-Type $bp_packed_type;"
        yield "add_header Content-Encoding $bp_packed_as;"
        yield "add_header Vary Accept-Encoding;"
    else:
        yield f"gzip {'off' if site.compression == 'off' else 'on'}; recursive_error_pages on;"
    own = {name.lower() for name, _ in site.headers}
    given = {header.name.lower() for header in rule.headers}
    for name, usual in {"Cache-Control": "$bp_cache_control", "X-Content-Type-Options": "nosniff"}.items():
        if name.lower() not in own:
            there = f"$bp_usual_{number}_{name.lower().replace('-', '_')}" if name.lower() in given else usual
            yield f"add_header {name} {there} always;"
    for index, header in enumerate(rule.headers):
        if header.name.lower() not in own:
            yield f"add_header {header.name} $bp_head_{number}_{index} always;"
    yield from gates.said(site)
