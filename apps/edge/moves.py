"""Redirects as maps: from the request as it came to "<status><sign> <target>", empty where none fits.

What a star or a name stands for is taken from the request as it came, never from the decoded path: nothing in it can
end a header. It begins with no slash and has no backslash, so that no target becomes another host's. The sign says
whether the query of the request goes with it (+) or the target has one of its own (=).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

from apps.edge.base import Redirect
from apps.edge.quoting import escaped, literal

NAME = re.compile(r":([A-Za-z][A-Za-z0-9_]{0,23})")
_SEGMENT, _REST = (
    r"[^/?\\\\]+",
    r"[^?\\\\]*+",
)  # nginx reads two backslashes in quotes as one, and so does the expression
REDIRECTS = (301, 302, 307, 308)


def digest(redirects: Sequence[Redirect], prefix: str = "") -> str:
    return hashlib.sha256("\0".join(map(str, (prefix, *redirects))).encode()).hexdigest()[:16]


def table(name: str, redirects: Sequence[Redirect], prefix: str = "") -> Iterator[str]:
    """`prefix`: where the site is whose paths these are."""
    yield f"map $request_uri $bp_{name} {{"
    for redirect in redirects:
        yield f'    "~{pattern(redirect.path, prefix)}" "{redirect.status}{_target(redirect, prefix)}";'
    yield '    default "";'
    yield "}"


def pattern(path: str, prefix: str = "") -> str:
    """The regular expression of the requests that `path` means."""
    if path == "*":
        return "^/"
    beneath = path.endswith("/*")
    plain = path[:-2] if beneath else path.rstrip("/")
    parts = NAME.split(prefix + plain)
    text = "".join(f"(?<bp_at_{part}>{_SEGMENT})" if number % 2 else literal(part) for number, part in enumerate(parts))
    rest = f"(?:/++(?<bp_at_splat>{_REST}))?" if beneath else "/?"
    return f"^{text}{rest}(?:\\?|$)"


def _target(redirect: Redirect, prefix: str) -> str:
    target = redirect.target
    if redirect.path == "*":
        port = "$bp_port_given" if target.startswith("//") else ""
        return f"= {escaped(target)}{port}$request_uri"
    if target.startswith("/") and redirect.status in REDIRECTS:  # what is answered with a file stays within the site
        target = prefix + target
    parts = NAME.split(target)
    text = "".join(f"${{bp_at_{part}}}" if number % 2 else escaped(part) for number, part in enumerate(parts))
    return f"{'=' if '?' in target or redirect.status in (200, 404) else '+'} {text}"


def parts(name: str) -> Iterator[str]:
    """The status and the target in `$name`."""
    yield f"map $bp_{name} $bp_{name}_status {{"
    yield '    "~^(?<bp_moved_code>[0-9]+)" $bp_moved_code;'
    yield '    default "";'
    yield "}"
    yield f"map $bp_{name} $bp_{name}_to {{"
    yield '    "~^[0-9]+[+] (?<bp_moved_bare>.*)$" $bp_moved_bare$is_args$args;'
    yield '    "~^[0-9]+= (?<bp_moved_whole>.*)$" $bp_moved_whole;'
    yield '    default "";'
    yield "}"


def answers(address: str, name: str, statuses: Iterable[int], ended: str, beside: Iterable[str] = ()) -> Iterator[str]:
    """Where requests with a redirect in `$name` are sent by `rewrite ^ address last`. `ended`: with 418.

    `beside`: what else the location does, where a redirect may also answer with a file.
    """
    named = address.rpartition("/")[2]
    yield f"location = {address} {{"
    yield "    internal;"
    yield f"    {ended}"
    yield f"    error_page 418 = @{named};"
    yield "}"
    yield f"location @{named} {{"
    yield from (f"    {line}" for line in sent(name, statuses))
    yield from (f"    {line}" for line in beside)
    yield "}"


def sent(name: str, statuses: Iterable[int]) -> Iterator[str]:
    for status in sorted(set(statuses) & set(REDIRECTS)):
        yield f"if ($bp_{name}_status = {status}) {{ return {status} $bp_{name}_to; }}"
