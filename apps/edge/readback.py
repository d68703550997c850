"""The configuration read back by another reader than nginx, and compared with what was meant, before it is used.

Structure is what a hostile text would change: which servers there are, whose hosts they have, where their locations
are and lead, and what stands in each map. Rows of maps from hosts, and lists of hosts, are most of a configuration:
those of the plainest form are taken out first and read here line by line, crossplane reads all that is left.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crossplane

from apps.core.errors import Unavailable
from apps.edge import gates, hop, links, moves, tenants
from apps.edge.base import EdgeState, Rule, Site
from apps.edge.layout import Layout
from apps.edge.quoting import escaped
from apps.edge.render import dashboard_names

_HOSTS = re.compile(r" +server_name\n((?: +[a-z0-9.-]{1,253}\n)+) +;\n")
_ROWS = re.compile(r"( *map \$host \$[a-z0-9_]+ \{\n)((?: +[a-z0-9.-]{1,253} [a-z0-9$_/-]{1,130};\n)+)")
_OWN = re.compile(r"(\^~ )?/(@edge|\.well-known/acme-challenge)/|= /@edge/")

# What may stand in somebody else's `http`: it concerns no server but ours.
AROUND = frozenset(("map", "geo", "log_format", "upstream", "proxy_cache_path", "limit_req_zone", "server"))

Block = dict[str, Any]


class _Differs(Exception):
    """In words, what is not as meant."""


def compare(text: str, state: EdgeState, layout: Layout) -> None:
    """Raise Unavailable("edge_refused") unless `text` is a configuration for `state` and nothing else."""
    try:
        rows: list[list[tuple[str, str]]] = []
        http = _parsed(_reduced(text, rows), layout)
        _compare(http, rows, state, layout, hop.listening(text, layout))
    except (_Differs, crossplane.errors.NgxParserBaseException) as error:
        words = f"The configuration that was made ({layout.beside}) is not the one that was meant: {error}"
        raise Unavailable("edge_refused", words, "Nothing has changed. Please report this.") from None


def _reduced(text: str, rows: list[list[tuple[str, str]]]) -> str:
    """`text` with each run of plain rows as one, `rows_N`; what they were goes into `rows`."""

    def hosts(found: re.Match[str]) -> str:
        rows.append([(host, "") for host in found[1].split()])
        return f"server_name rows_{len(rows) - 1};" + _lines(found[0])

    def pairs(found: re.Match[str]) -> str:
        words = found[2].replace(";", "").split()
        entries = list(zip(words[::2], words[1::2], strict=True))
        usual = [f"default {value};" for name, value in entries if name == "default"]
        rows.append([entry for entry in entries if entry[0] != "default"] if usual else entries)
        return found[1] + " ".join((f"rows_{len(rows) - 1} x;", *usual)) + _lines(found[2])

    return _ROWS.sub(pairs, _HOSTS.sub(hosts, text))


def _lines(taken: str) -> str:
    """In place of `taken`: what follows stays on its line."""
    return "\n" * taken.count("\n")


def _parsed(text: str, layout: Layout) -> list[Block]:
    """What is in `http`. Raises _Differs, NgxParserBaseException."""
    with tempfile.TemporaryDirectory(prefix="edge-") as folder:
        path = Path(folder, "read.conf")
        path.write_text(text)
        found = crossplane.parse(str(path), single=True, catch_errors=False, check_ctx=False, check_args=False)
    for error in found["errors"]:
        raise _Differs(f"{str(error['error']).rpartition(' in ')[0]} in line {error['line']}")
    parsed: list[Block] = found["config"][0]["parsed"]
    if layout.outside:
        if strange := {block["directive"] for block in parsed} - AROUND:
            raise _Differs(f"it has {min(strange)}, which is not ours to say")
        return parsed
    blocks = [block for block in parsed if "block" in block]
    if [block["directive"] for block in blocks] != ["events", "http"]:
        raise _Differs("it has other blocks than events and http")
    inside: list[Block] = blocks[1]["block"]
    return inside


def _compare(http: list[Block], rows: list[list[tuple[str, str]]], state: EdgeState, layout: Layout, hops: int) -> None:
    kinds = list(tenants.kinds(state).values())
    servers = [block["block"] for block in http if block["directive"] == "server"]
    own = [*([] if layout.outside else ([], [""])), dashboard_names(layout)]
    last: list[list[str]] = [[]] if hops or hop.count(state) else []
    meant = own + [[site.host for site in sites] for sites in kinds] + last
    if len(servers) != len(meant):
        raise _Differs(f"it has {len(servers)} servers, {len(meant)} were meant")
    named = [_names(server, rows) for server in servers]
    if named != meant:
        raise _Differs("its servers have other hosts")
    for server, sites in zip(servers[len(own) :], kinds, strict=False):
        _locations(server, sites[0], layout)
    pools = {block["args"][0] for block in http if block["directive"] == "upstream"}
    if pools - {"brainpod_pages", "brainpod_sockets", "brainpod_git"} != set(_pools(state)):
        raise _Differs("it has other pools of instances")
    _maps(http, rows, state)


def _names(server: list[Block], rows: list[list[tuple[str, str]]]) -> list[str]:
    found: list[str] = []
    for block in server:
        if block["directive"] == "server_name":
            for name in block["args"]:
                number = name.removeprefix("rows_")
                found += [host for host, _ in rows[int(number)]] if number != name else [name]
    return found


def _locations(server: list[Block], site: Site, layout: Layout) -> None:
    """The locations of a kind of site are those of its rules, and they lead to its rules' links."""
    found: Counter[str] = Counter()
    for block in server:
        if block["directive"] == "location":
            place = " ".join(block["args"])
            found[place] += 1
            for inner in _deep(block["block"]):
                _leads(inner, layout)
    plain = Counter({place: n for place, n in found.items() if not place.startswith("@") and not _OWN.match(place)})
    if plain != Counter(_places(site)) or any(n > 1 for n in found.values()):
        raise _Differs(f"{site.host} has other locations")


def _places(site: Site) -> Iterator[str]:
    paths = [rule.path for rule in site.rules] if site.answer == "live" else []
    yield from paths
    yield from (f"= {path[:-1]}" for path in paths if path != "/")
    if "/" not in paths:
        yield "/"


def _deep(blocks: list[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from _deep(block.get("block", []))


def _leads(block: Block, layout: Layout) -> None:
    folder = re.escape(str(layout.links))
    waker = re.escape(f"http://unix:{layout.dashboard_sockets}:/@wake")
    rest = r"\$bp_rest_[0-9a-f]{16}"
    allowed = {
        "proxy_pass": rf"http://(\$bp_to|pool_\$bp_rule_[0-9]+(\$bp_session_at_[0-9]+)?|\$bp_woken)({rest})?|{waker}",
        "root": rf"{folder}/\$bp_rule_[0-9]+/(files|to|cache)",
    }
    name = block["directive"]
    if name in allowed and not re.fullmatch(allowed[name], " ".join(block["args"])):
        raise _Differs(f"a {name} leads to {' '.join(block['args'])!r}")


def _pools(state: EdgeState) -> Iterator[str]:
    for site, rule in _served(state):
        if links.shape(rule)[1] == "pool":
            name = f"pool_{links.name(site, rule)}"
            yield name
            if rule.mcp and len(rule.upstreams) > 1:
                yield from (f"{name}_{index}" for index in range(len(rule.upstreams)))


def _served(state: EdgeState) -> Iterator[tuple[Site, Rule]]:
    for site in state.sites:
        yield from ((site, rule) for rule in (site.rules if site.answer == "live" else ()))


def _maps(http: list[Block], rows: list[list[tuple[str, str]]], state: EdgeState) -> None:
    found = {block["args"][1]: _entries(block["block"], rows) for block in http if block["directive"] == "map"}
    hosts = {site.host for site in state.sites}
    by_host = [b["args"][1] for b in http if b["directive"] == "map" and b["args"][0] == "$host"]
    if strange := {host for name in by_host for host, _ in found[name]} - hosts - {"default"}:
        raise _Differs(f"a map has {min(strange)!r}")
    for name, meant in _meant(state).items():
        if found.get(f"$bp_{name}") != meant:
            raise _Differs(f"the map $bp_{name} has other entries")


def _entries(block: list[Block], rows: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in block:
        number = entry["directive"].removeprefix("rows_")
        if number != entry["directive"]:
            found += rows[int(number)]
        else:
            found.append((entry["directive"], " ".join(entry["args"])))
    return found


def _meant(state: EdgeState) -> dict[str, list[tuple[str, str]]]:
    """The maps whose every entry is known beforehand."""
    meant: dict[str, list[tuple[str, str]]] = {}
    for site in sorted(state.sites, key=lambda site: site.host):
        for number, rule in enumerate(sorted(site.rules, key=lambda rule: rule.path) if site.answer == "live" else ()):
            meant.setdefault(f"rule_{number}", []).append((site.host, links.name(site, rule)))
        for name, value in site.headers if gates.gated(site) else ():
            meant.setdefault(gates.variable(name), []).append((site.host, escaped(value).replace('\\"', '"')))
        if site.redirects and gates.gated(site):
            meant[f"moved_{moves.digest(site.redirects)}"] = _redirects(site)
    return meant


def _redirects(site: Site) -> list[tuple[str, str]]:
    entries = (line.strip().removesuffix(";") for line in list(moves.table("x", site.redirects))[1:-1])
    pairs = (entry.partition('" "') if entry.startswith('"') else entry.partition(" ") for entry in entries)
    return [(pattern.strip('"'), value.strip('"')) for pattern, _, value in pairs]
