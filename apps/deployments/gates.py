"""What the edge does before a route's apps are asked, from the route's spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from apps.edge.base import Redirect


def gates(spec: dict[str, Any], host: str, hosts: Sequence[str], *, hashed: str, https: bool) -> dict[str, Any]:
    """Fields of the Site of `host`, one of the route's `hosts`. `hashed`: the password; `https`: it answers on TLS."""
    return {
        "https": https,
        "https_only": spec.get("httpsOnly", False),
        "hsts": spec.get("hsts", 0),
        "allow": tuple(spec.get("allowFrom", ())),
        "password": f"{spec.get('passwordUser', 'guest')}:{hashed}" if hashed else "",
        "redirects": tuple(_redirects(spec, host, hosts)),
        "headers": tuple((header["name"], header["value"]) for header in spec.get("headers", ())),
        "compression": spec.get("gzip", "files"),
    }


def _redirects(spec: dict[str, Any], host: str, hosts: Sequence[str]) -> Iterator[Redirect]:
    bare = host.removeprefix("www.")
    match spec.get("www", ""):
        case "remove" if bare != host and bare in hosts:
            yield Redirect("*", f"//{bare}", 308)
        case "add" if bare == host and f"www.{host}" in hosts:
            yield Redirect("*", f"//www.{host}", 308)
    for entry in spec.get("redirects", ()):
        of, slash, path = entry["source"].partition("/")
        if of in ("", host):
            yield Redirect(_path(slash + path, entry["target"]), entry["target"], entry["status"])


def _path(path: str, target: str) -> str:
    """All of a host goes to another with its path kept, unless the target has one."""
    return path or ("*" if target.count("/") == 2 and not {"?", "#"} & set(target) else "/*")
