"""Sessions of MCP servers: each stays with the instance it began at.

The instance makes up the session's id and says it in its answer, so no digest of the id could lead back to it.
Instead the edge writes the number of the instance behind the id (`.bp2`) on the way out and takes it off on the way
in: nothing is remembered here, and a reload or a restart forgets nothing. When that instance is gone another one is
asked, which knows no such session and says so with 404: the client then begins a new one, as the protocol has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from apps.edge.base import Rule

IDLE = 3600  # seconds a stream may be silent


def maps(rules: Sequence[Rule]) -> Iterator[str]:
    """`$bp_session`: the app's own id; `$bp_session_given`: that the client is given; `$bp_session_at_N`: which pool.

    `rules`: of MCP servers.
    """
    if not rules:
        return
    yield "map $http_mcp_session_id $bp_session {"
    yield '    "~^(?<bp_session_plain>.+)\\.bp[0-9]{1,2}$" $bp_session_plain;'
    yield "    default $http_mcp_session_id;"
    yield "}"
    yield "map $upstream_addr $bp_session_instance {"
    yield '    "~/(?<bp_session_link>[0-9]+)\\.sock$" .bp$bp_session_link;'
    yield '    "~:[0-9]+$" .bp0;'  # an address, which is in no pool
    yield '    default "";'
    yield "}"
    yield "map $upstream_http_mcp_session_id $bp_session_given {"
    yield '    "" "";'
    yield "    default $upstream_http_mcp_session_id$bp_session_instance;"
    yield "}"
    for number in sorted({len(rule.upstreams) for rule in rules if len(rule.upstreams) > 1}):
        yield f"map $http_mcp_session_id $bp_session_at_{number} {{"
        yield from (f'    "~\\.bp{index}$" _{index};' for index in range(number))
        yield '    default "";'
        yield "}"


def pools(folder: str, addresses: Sequence[str]) -> Iterator[str]:
    """For each instance a pool that asks the others only when it cannot be reached."""
    for index in range(len(addresses)) if len(addresses) > 1 else ():
        yield f"upstream pool_{folder}_{index} {{"
        yield "    keepalive_requests 1;"  # as in every pool of apps: tenants.pools
        for other, address in enumerate(addresses):
            yield f"    server {address} max_fails=0{'' if other == index else ' backup'};"
        yield "}"


def chosen(rule: Rule) -> str:
    """What is written behind the name of the rule's pool."""
    return f"$bp_session_at_{len(rule.upstreams)}" if rule.mcp and len(rule.upstreams) > 1 else ""


def headers(rule: Rule, passed: Mapping[str, str], said: Iterable[str], unsaid: Iterable[str]) -> Iterator[str]:
    """In the location of a rule: all headers, since those set further out count no more beside one's own.

    `passed`: those of requests as other apps see them; `said`, `unsaid`: the site's directives for those of answers.
    """
    given = dict(passed) | {"Mcp-Session-Id": "$bp_session"}
    if rule.keyed:  # the app is not told the platform's keys; credentials of its own pass
        given["X-API-Key"] = "$bp_key_free_header"
        given.setdefault("Authorization", "$bp_key_free_authorization")
    for header, value in given.items():
        yield f"proxy_set_header {header} {value};"
    yield from unsaid
    yield "proxy_hide_header Mcp-Session-Id;"
    yield from said
    yield "add_header Mcp-Session-Id $bp_session_given always;"
