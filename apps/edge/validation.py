"""What may come near the configuration: everything is matched against an allow-list first."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import get_args

from apps.core.errors import Detail, Invalid
from apps.edge.base import Answer, EdgeState, Rule, Site

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*")
PATH = re.compile(r"/([A-Za-z0-9._~-]+/)*")
FILE = re.compile(r"/[A-Za-z0-9._/@+,=~:-]+")
KEY = re.compile(r"[A-Za-z0-9._:/-]{0,200}")
APP = re.compile(r"[a-z0-9-]{1,40}/[a-z0-9-]{1,63}")
PORT = re.compile(r"[1-9][0-9]{0,4}")
LONGEST_SOCKET = 107  # bytes: what the kernel has room for
MOST_UPSTREAMS = 64
MOST_RULES = 100


def check(state: EdgeState, reserved: Iterable[str] = ()) -> None:
    """Raise Invalid("edge_state") naming every field that does not hold; `reserved` hosts belong to the platform."""
    taken = dict.fromkeys((*reserved, "localhost"), "belongs to the platform")
    problems: list[Detail] = []
    for index, site in enumerate(state.sites):
        where = f"sites.{index}"
        problem = check_host(site.host) or taken.get(site.host)
        if problem:
            problems.append(Detail(f"{where}.host", f"{site.host!r} {problem}."))
        taken[site.host] = "is there twice"
        problems += [Detail(f"{where}.{field}", message) for field, message in _site(site)]
    if problems:
        raise Invalid(problems, code="edge_state")


def check_host(host: str) -> str:
    """What is wrong with `host` as a host name in its normal form, or an empty string."""
    if not isinstance(host, str) or not HOST.fullmatch(host):
        return "is not a host name of lower-case letters, digits, hyphens and dots"
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", host.rpartition(".")[2]):
        return "is an address, not a name"
    return ""


def _site(site: Site) -> Iterator[tuple[str, str]]:
    if site.answer not in get_args(Answer):
        yield "answer", f"{site.answer!r} is not an answer."
    if not _between(site.timeout, 1, 3600):
        yield "timeout", "must be 1 to 3600 seconds."
    if not _between(site.body_mb, 1, 10240):
        yield "body_mb", "must be 1 to 10240 MB."
    if len(site.rules) > MOST_RULES:
        yield "rules", f"must be at most {MOST_RULES}."
    paths: set[str] = set()
    for index, rule in enumerate(site.rules):
        where = f"rules.{index}"
        if rule.path in paths:
            yield f"{where}.path", f"{rule.path!r} is there twice."
        paths.add(rule.path)
        for field, message in _rule(rule):
            yield f"{where}.{field}", message


def _rule(rule: Rule) -> Iterator[tuple[str, str]]:
    plain = bool(PATH.fullmatch(rule.path)) and not {".", ".."} & set(rule.path.split("/"))
    if not plain or len(rule.path) > 201:
        yield "path", "must begin and end with a slash and have plain segments, at most 201 characters."
    if not KEY.fullmatch(rule.key):
        yield "key", "must be at most 200 letters, digits and . _ : / -."
    if rule.app and not APP.fullmatch(rule.app):
        yield "app", f"{rule.app!r} is not a pod's id, a slash and an app's name."
    if rule.directory and not _file(rule.directory):
        yield "directory", f"{rule.directory!r} is not a plain absolute path."
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
