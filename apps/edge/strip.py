"""Rules whose apps, or files, see the path without the rule's own.

An app gets the rest as it was asked for: what is encoded stays encoded, so that `/api/a%2Fb` is no `/a/b`. Where the
address is written in another way than the rule (`/%61pi/x`, `//api/x`), it gets the rest of the path as nginx read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from apps.edge.base import Rule
from apps.edge.quoting import literal


def prefix(rule: Rule) -> str:
    """Where the root of what `rule` leads to is for a client."""
    return rule.path[:-1] if rule.strip else ""


def rewritten(rule: Rule) -> Iterator[str]:
    """`$uri` without the path: decoded, without empty segments."""
    if prefix(rule):
        yield f'rewrite "(?s)^{literal(prefix(rule))}/?(.*)$" /$1 break;'


def asked(rule: Rule) -> str:
    """What stands behind an app's address: the rest and its query, or nothing, which means what was `rewritten`."""
    return f"$bp_rest_{_digest(rule)}" if prefix(rule) else ""


def maps(rules: Iterable[Rule]) -> Iterator[str]:
    """Of every path that is taken away the rest. It begins with one slash: no app reads a host out of two."""
    for rule in sorted({prefix(rule): rule for rule in rules if prefix(rule)}.values(), key=prefix):
        yield f"map $request_uri $bp_rest_{_digest(rule)} {{"
        yield f'    "~^{literal(prefix(rule))}(?<bp_rest_asked>/(?!/)[^#]*)$" $bp_rest_asked;'
        yield '    default "";'
        yield "}"


def _digest(rule: Rule) -> str:
    return hashlib.sha256(prefix(rule).encode()).hexdigest()[:16]
