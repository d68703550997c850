"""Answers kept by the edge: as the app's own headers allow, never longer than until the next going live.

The key of an answer has the path by which the rule's one instance is reached, or that the cache link of several leads
to. Going live changes that by a rename, after the sockets: a request that sees the new name asks the new instances, and
one that sees the old name stores under a name that nobody looks for any more. That holds only because each request
looks once (`$bp_place` in apps/edge/tables.py). So nothing has to be found and removed, and no answer of before is
given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apps.edge import gates, links
from apps.edge.base import EdgeState, Rule, Site
from apps.edge.layout import Layout

ZONE = "brainpod_cache"
IDLE = "1d"  # what nobody asked for so long is removed

MAPS = (
    # What the cache had to do with an answer; nothing where none is used.
    "map $upstream_cache_status $bp_cache_said {",
    "    HIT hit;",
    "    REVALIDATED hit;",
    "    BYPASS bypass;",
    '    "" "";',
    "    default miss;",
    "}",
)


def cached(state: EdgeState) -> Iterable[Rule]:
    return (rule for site in state.sites if site.answer == "live" for rule in site.rules if rule.cache)


def zone(state: EdgeState, layout: Layout) -> Iterator[str]:
    """Where answers are kept, if any rule has them kept: one place for all, the least used go first."""
    if any(True for _ in cached(state)):
        yield (
            f'proxy_cache_path "{layout.home}/cache" levels=1:2 keys_zone={ZONE}:16m'
            f" max_size={layout.cache_mb}m inactive={IDLE} use_temp_path=off;"
        )
        yield "map $bp_cache_said $bp_cache_shown {"
        yield '    "" bypass;'
        yield "    default $bp_cache_said;"
        yield "}"


def location(index: int, rule: Rule, site: Site, layout: Layout) -> Iterator[str]:
    """In the location of a rule whose answers are kept.

    No time is given here: without the app's word (Cache-Control, Expires) nothing is stored, and with Set-Cookie or
    Vary: * nothing is either. Requests with credentials neither read nor fill it.
    """
    if len(rule.upstreams) > 1:  # where there is one, the way to it has the name
        yield f'root "{layout.links}/$bp_rule_{index}/{links.CACHE}";'
    yield f"proxy_cache {ZONE}; proxy_cache_use_stale off; proxy_cache_revalidate on; proxy_cache_convert_head off;"
    yield 'proxy_cache_key "$bp_place $request_method $bp_proto://$host$bp_port_given$request_uri";'
    yield "proxy_cache_bypass $http_authorization; proxy_no_cache $http_authorization;"
    yield "proxy_hide_header X-Cache;"
    yield from gates.unsaid(site)
    yield from gates.said(site)
    yield "add_header X-Cache $bp_cache_shown always;"
