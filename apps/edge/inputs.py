"""Texts that people enter, matched against allow-lists: each check says what is wrong, or nothing.

The same for what is entered on a page (apps/pods/kinds), read from a repository (apps/builds/site) and applied.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from apps.edge.base import Redirect
from apps.edge.moves import NAME, REDIRECTS
from apps.edge.quoting import LONGEST, escaped

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*")
PORT = re.compile(r"[1-9][0-9]{0,4}")
SOURCE = re.compile(r"(?=/)(/([A-Za-z0-9._~!&'(),;=:@+-]|%[0-9A-Fa-f]{2})*)*(/\*)?")
TARGET = re.compile(r"(/|https?://[^/?#]+(/|$))([A-Za-z0-9._~!&'()*+,;=:@/?#-]|%[0-9A-Fa-f]{2})*")
ADDRESS = re.compile(r"https?://([^/?#]+)")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
# Headers that say how an answer travels, or that the edge itself answers for.
OURS = frozenset(
    (
        "accept-ranges", "connection", "content-encoding", "content-length", "content-range", "content-type", "date",
        "etag", "keep-alive", "last-modified", "location", "mcp-session-id", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "server", "status", "strict-transport-security", "te", "trailer",
        "transfer-encoding", "upgrade", "www-authenticate", "x-request-id",
    )
)  # fmt: skip
LONGEST_VALUE = 2000  # characters of a header's value


def check_host(host: str) -> str:
    """What is wrong with `host` as a host name in its normal form, or an empty string."""
    if not isinstance(host, str) or not HOST.fullmatch(host):
        return "is not a host name of lower-case letters, digits, hyphens and dots"
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", host.rpartition(".")[2]):
        return "is an address, not a name"
    return ""


def check_network(text: str) -> str:
    """What is wrong with `text` as a network in its normal form, or an empty string."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "is no address or network such as 203.0.113.7 or 2001:db8::/32."
    return "" if text in (str(network), str(network.network_address)) and "%" not in text else f"must be {network}."


def check_header(name: str, value: str) -> Iterator[tuple[str, str]]:
    """("name" or "value", what is wrong)."""
    if not HEADER.fullmatch(name):
        yield "name", "must be a header's name such as X-Frame-Options: letters, digits and hyphens."
    elif name.lower() in OURS or name.lower().startswith("x-accel-"):
        yield "name", f"{name} is the edge's own: it cannot be set."
    if len(value) > LONGEST_VALUE or len(escaped(value)) > LONGEST:
        yield "value", f"must be at most {LONGEST_VALUE} characters."
    elif not VALUE.fullmatch(value):
        yield "value", "must be printable ASCII characters on one line, with no space around."


def check_source(path: str) -> str:
    """What is wrong with `path` as one that a redirect is for, or an empty string."""
    names = NAME.findall(path)
    if len(path) > 1000 or not SOURCE.fullmatch(path):
        return "must be a path such as /old or /old/*, with what is no plain letter as %C3%A9."
    if "//" in path or {".", ".."} & set(path.split("/")):
        return "must be a path without empty segments, . and .. in it."
    if path.count(":") != len(re.findall(rf"/{NAME.pattern}(?=/|$)", path)) or "splat" in names:
        return "may have a colon only before the name of a whole segment, as in /blog/:year."
    return "has a name twice." if len(set(names)) != len(names) else ""


def check_target(target: str, path: str = "*") -> str:
    """What is wrong with `target` as where the requests for `path` are sent, or an empty string."""
    if len(target) > 1000 or not TARGET.fullmatch(target) or target.startswith("//"):
        return "must be a path such as /new, or an address such as https://example.com/new."
    if address := ADDRESS.match(target):
        host, _, port = address[1].partition(":")
        if check_host(host.lower()) or (":" in address[1] and not (PORT.fullmatch(port) and int(port) < 65536)):
            return "must name a host as example.com or example.com:8443."
    known = {*NAME.findall(path), *(["splat"] if path.endswith("/*") else [])}
    rest = target[address.end() :] if address else target
    if unknown := [name for name in NAME.findall(rest) if name not in known]:
        return f"has :{unknown[0]}, which stands for nothing in {path}."
    return ""


def check_redirect(redirect: Redirect, *, own: bool) -> Iterator[tuple[str, str]]:
    """(field, what is wrong). `own`: of a static site's, which may also answer with a file."""
    statuses = (*REDIRECTS, 200, 404) if own else REDIRECTS
    if type(redirect.status) is not int or redirect.status not in statuses:
        yield "status", f"must be {', '.join(map(str, statuses[:-1]))} or {statuses[-1]}."
    whole = redirect.path == "*" and not own
    target = re.sub("^//", "https://", redirect.target) if whole else redirect.target
    if not whole and (problem := check_source(redirect.path)):
        yield "path", problem
    elif whole and not re.fullmatch(r"(https?:)?//[^/?#]+", redirect.target):
        yield "target", "must be a host such as https://example.com, without a path."
    elif problem := check_target(target, redirect.path):
        yield "target", problem
    elif redirect.status in (200, 404) and not check_file(redirect.target):
        yield "target", "must be the plain path of a file of the site."


def check_file(target: str) -> bool:
    """Whether `target` is a file's path that nothing of a request is put into."""
    plain = re.fullmatch(r"/[A-Za-z0-9._~@+,=/-]*", target)
    return bool(plain) and not {"..", "."} & set(target.split("/"))
