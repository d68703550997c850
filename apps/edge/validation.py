"""What may come near the configuration: everything is matched against an allow-list first."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import get_args

from apps.core.errors import Detail, Invalid
from apps.edge.base import Answer, Compression, EdgeState, Header, Redirect, Rule, Site, remembered
from apps.edge.inputs import PORT, check_header, check_host, check_network, check_redirect, check_source

PATH = re.compile(r"/([A-Za-z0-9._~-]+/)*")
FILE = re.compile(r"/[A-Za-z0-9._/@+,=~:-]+")
KEY = re.compile(r"[A-Za-z0-9._:/-]{0,200}")
APP = re.compile(r"[a-z0-9-]{1,40}/[a-z0-9-]{1,63}")
GENERATION = re.compile(r"g-[A-Za-z0-9-]{1,38}")
KEY_NAME = re.compile(r"[0-9a-z]{8}")
DIGEST = re.compile(r"[A-Za-z0-9_-]{22}")
MOST_REDIRECTS = 200
MOST_HEADERS = 50
MOST_NETWORKS = 200
USER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
HASH = re.compile(r"\$2b\$[0-9]{2}\$[A-Za-z0-9./]{53}")
LONGEST_SOCKET = 107  # bytes: what the kernel has room for
CERTIFICATE = re.compile(r"[a-z0-9-]{0,80}")
MOST_UPSTREAMS = 64
MOST_RULES = 100


def check(state: EdgeState, reserved: Iterable[str] = ()) -> None:
    """Raise Invalid("edge_state") naming every field that does not hold; `reserved` hosts belong to the platform."""
    taken = dict.fromkeys((*reserved, "localhost"), "belongs to the platform")
    problems: list[Detail] = []
    for index, site in enumerate(state.sites):
        where = f"sites.{index}"
        if problem := taken.get(site.host):
            problems.append(Detail(f"{where}.host", f"{site.host!r} {problem}."))
        taken[site.host] = "is there twice"
        problems += [Detail(f"{where}.{field}", message) for field, message in _problems(site)]
    for field in ("certificate", "panel"):
        if not CERTIFICATE.fullmatch(getattr(state, field)):
            problems.append(Detail(field, "is not the name of a certificate."))
    if problems:
        raise Invalid(problems, code="edge_state")


@remembered
def _problems(site: Site) -> tuple[tuple[str, str], ...]:
    """(field, what is wrong with it)."""
    return (*(("host", f"{site.host!r} {problem}.") for problem in [check_host(site.host)] if problem), *_site(site))


def _site(site: Site) -> Iterator[tuple[str, str]]:
    if site.answer not in get_args(Answer):
        yield "answer", f"{site.answer!r} is not an answer."
    if not _between(site.timeout, 1, 3600):
        yield "timeout", "must be 1 to 3600 seconds."
    if not _between(site.body_mb, 1, 10240):
        yield "body_mb", "must be 1 to 10240 MB."
    if not CERTIFICATE.fullmatch(site.certificate):
        yield "certificate", "is not the name of a certificate."
    if site.route and not APP.fullmatch(site.route):
        yield "route", f"{site.route!r} is not a pod's id, a slash and a route's name."
    if len(site.rules) > MOST_RULES:
        yield "rules", f"must be at most {MOST_RULES}."
    yield from _gates(site)
    paths: set[str] = set()
    for index, rule in enumerate(site.rules):
        where = f"rules.{index}"
        if rule.path in paths:
            yield f"{where}.path", f"{rule.path!r} is there twice."
        paths.add(rule.path)
        for field, message in _rule(rule):
            yield f"{where}.{field}", message


def _gates(site: Site) -> Iterator[tuple[str, str]]:
    if site.compression not in get_args(Compression):
        yield "compression", f"{site.compression!r} is not a way to compress."
    if not _between(site.hsts, 0, 3650):
        yield "hsts", "must be 0 to 3650 days."
    if len(site.allow) > MOST_NETWORKS:
        yield "allow", f"must be at most {MOST_NETWORKS}."
    for index, network in enumerate(site.allow):
        if problem := check_network(network):
            yield f"allow.{index}", problem
    user, _, hashed = site.password.partition(":")
    if site.password and not (USER.fullmatch(user) and HASH.fullmatch(hashed)):
        yield "password", "must be a name, a colon and a hash."
    yield from _redirects(site.redirects, own=False)
    names = [name.lower() for name, _ in site.headers]
    if len(names) > MOST_HEADERS or len(set(names)) != len(names):
        yield "headers", f"must be at most {MOST_HEADERS}, each once."
    for index, (name, value) in enumerate(site.headers):
        for field, problem in check_header(name, value):
            yield f"headers.{index}.{field}", problem


def _redirects(redirects: tuple[Redirect, ...], *, own: bool) -> Iterator[tuple[str, str]]:
    if len(redirects) > MOST_REDIRECTS:
        yield "redirects", f"must be at most {MOST_REDIRECTS}."
    for index, redirect in enumerate(redirects):
        for field, problem in check_redirect(redirect, own=own):
            yield f"redirects.{index}.{field}", problem


def _static(rule: Rule) -> Iterator[tuple[str, str]]:
    if not rule.directory and (rule.redirects or rule.headers or rule.packed):
        yield "directory", "must be there: only static files have redirects, headers and packed files."
    if set(rule.packed) - {"br", "gz"} or len(set(rule.packed)) != len(rule.packed):
        yield "packed", "must be br and gz, each once."
    yield from _redirects(rule.redirects, own=True)
    if len(rule.headers) > MOST_HEADERS:
        yield "headers", f"must be at most {MOST_HEADERS}."
    for index, header in enumerate(rule.headers):
        for field, problem in _header(header):
            yield f"headers.{index}.{field}", problem


def _header(header: Header) -> Iterator[tuple[str, str]]:
    if problem := check_source(header.path):
        yield "path", problem
    yield from check_header(header.name, header.value)


def _rule(rule: Rule) -> Iterator[tuple[str, str]]:
    plain = bool(PATH.fullmatch(rule.path)) and not {".", ".."} & set(rule.path.split("/"))
    if not plain or len(rule.path) > 201:
        yield "path", "must begin and end with a slash and have plain segments, at most 201 characters."
    if not KEY.fullmatch(rule.key):
        yield "key", "must be at most 200 letters, digits and . _ : / -."
    if rule.app and not APP.fullmatch(rule.app):
        yield "app", f"{rule.app!r} is not a pod's id, a slash and an app's name."
    if rule.keyed and not (rule.mcp and rule.app):
        yield "keyed", "is for rules of MCP servers that name their app."
    if rule.cache and (rule.mcp or not GENERATION.fullmatch(rule.cache)):
        yield "cache", "must be up to 40 letters, digits and hyphens, and is not for rules of MCP servers."
    if rule.mcp and rule.sleeps:
        yield "sleeps", "is not for rules of MCP servers: their sessions would end."
    if any(not (KEY_NAME.fullmatch(name) and DIGEST.fullmatch(digest)) for name, digest in rule.keys):
        yield "keys", "must be names of 8 and digests of 22 characters."
    if rule.directory and not _file(rule.directory):
        yield "directory", f"{rule.directory!r} is not a plain absolute path."
    yield from _static(rule)
    if len(rule.upstreams) > MOST_UPSTREAMS or len(set(rule.upstreams)) != len(rule.upstreams):
        yield "upstreams", f"must be at most {MOST_UPSTREAMS}, each once."
    for upstream in rule.upstreams:
        if not _upstream(upstream):
            yield "upstreams", f"{upstream!r} is neither unix:/path nor address:port."


def _between(number: object, least: int, most: int) -> bool:
    return type(number) is int and least <= number <= most


def _file(path: str) -> bool:
    return len(path) < 4000 and bool(FILE.fullmatch(path)) and not {"..", "."} & set(path.split("/"))


def _upstream(text: str) -> bool:
    """A name instead of an address is refused: one that does not resolve would block everybody's reload."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        return _file(path) and len(path) <= LONGEST_SOCKET
    host, _, port = text.rpartition(":")
    try:
        ip = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return False
    plain = not getattr(ip, "scope_id", None) and (ip.version == 4) == (not host.startswith("["))
    return plain and bool(PORT.fullmatch(port)) and int(port) < 65536
