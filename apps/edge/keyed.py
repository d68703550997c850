"""Requests that need a key: nginx compares by itself, so that the check costs no request and needs no other process.

A key is `bpk_<name>_<secret>` (apps/pods/keys.py). The configuration has its name and a digest of it, never itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from apps.edge.base import Rule

_KEY = "bpk_[0-9a-z]{8}_[A-Za-z0-9_-]{43}"


def maps(rules: Sequence[Rule]) -> Iterator[str]:
    """The key of a request (`$bp_key_given`), the digest it has to have, and its credentials without such a key.

    `rules`: those that ask for a key.
    """
    if not rules:
        return
    yield "map $http_authorization $bp_key_bearer {"
    yield f'    "~*^Bearer +(?<bp_key_of_bearer>{_KEY}) *$" $bp_key_of_bearer;'
    yield '    default "";'
    yield "}"
    yield "map $bp_key_bearer $bp_key_given {"
    yield '    "" $http_x_api_key;'
    yield "    default $bp_key_bearer;"
    yield "}"
    yield "map $http_authorization $bp_key_free_authorization {"
    yield f'    "~*{_KEY}" "";'
    yield "    default $http_authorization;"
    yield "}"
    yield "map $http_x_api_key $bp_key_free_header {"
    yield f'    "~{_KEY}" "";'
    yield "    default $http_x_api_key;"
    yield "}"
    yield "map $bp_key_given $bp_key_name {"
    yield '    "~^bpk_(?<bp_key_readable>[0-9a-z]{8})_[A-Za-z0-9_-]{43}$" $bp_key_readable;'
    yield "    default none;"
    yield "}"
    # A browser asks before it sends a request of another site's page, and can send no key with the question.
    yield 'map "$request_method $http_origin $http_access_control_request_method" $bp_preflight {'
    yield '    "~^OPTIONS [^ ]+ [A-Z]+$" 1;'
    yield '    default "";'
    yield "}"
    yield 'map "$bp_preflight$secure_link" $bp_key_missing {'
    yield '    "" 1;'
    yield "    default 0;"
    yield "}"
    yield 'map "$bp_served $bp_key_name" $bp_key_digest {'
    yield from sorted({f'    "{rule.app} {name}" {digest};' for rule in rules for name, digest in rule.keys})
    yield '    default "";'
    yield "}"


def check() -> Iterator[str]:
    """In the location of a rule, behind `set $bp_served`: 401 for a request without a key that counts.

    Preflights of browsers (OPTIONS with Origin and Access-Control-Request-Method) go to the app without one.
    """
    yield "secure_link $bp_key_digest;"
    yield 'secure_link_md5 "$bp_served $bp_key_given";'
    yield "if ($bp_key_missing) { error_page 401 @no_key; return 401; }"


def refusal(headers: Iterable[str]) -> Iterator[str]:
    """What is said of a 401 of the edge's own, with these headers; one of the app's passes as it is."""
    said = "This server asks for a key: send Authorization: Bearer <key>, or X-API-Key: <key>."
    yield "location @no_key {"
    yield "    default_type application/json;"
    yield "    add_header WWW-Authenticate Bearer always;"
    yield "    add_header Cache-Control no-store always;"
    yield from (f"    {line}" for line in headers)
    yield f"""    return 401 '{{"error": "key_required", "message": "{said}"}}';"""
    yield "}"
