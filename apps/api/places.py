"""Addresses within the API, as answers link to them."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from apps.api.ids import OUTSIDE, revision_id

BASE = "/api/v1"
Link = dict[str, str]


def link(path: str) -> Link:
    return {"href": f"{BASE}{path}"}


def pod(name: str, *parts: str) -> Link:
    return link("/".join(["/pods", quote(name), *(quote(part) for part in parts)]))


def revision(pod_name: str, pk: int | None, *parts: str) -> Link:
    return pod(pod_name, "revisions", revision_id(pk), *parts)


def resources(pod_name: str, pk: int | None) -> Link:
    return {"href": f"{pod(pod_name, 'resources')['href']}?revision={revision_id(pk)}"}


def resource(pod_name: str, kind: str, name: str) -> Link:
    """`kind` is ours."""
    return pod(pod_name, "resources", OUTSIDE[kind], "default", name)


def query(at: Link, **given: object) -> Link:
    words = {name: value for name, value in given.items() if value is not None}
    return {"href": f"{at['href']}?{urlencode(words)}"} if words else at
