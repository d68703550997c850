"""Services of a compose file that are databases: what they become, and how the others' variables lead to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from apps.manifests.importing.report import Making, as_name
from apps.manifests.nodes import Node, shown
from apps.pods import kinds

_IMAGES = {
    "postgres": "PostgresDB", "postgresql": "PostgresDB", "mariadb": "MariaDB", "mysql": "MariaDB",
    "redis": "Valkey", "valkey": "Valkey",
}  # fmt: skip
_OWNERS = ("", "library", "bitnami", "valkey", "cimg", "circleci")
_URL = re.compile(
    r"^[a-z][a-z0-9+]*://(?:[^@/\s]*@)?(?P<host>[A-Za-z0-9_.-]+)(?::\d+)?(?P<path>/[^?\s]*)?(?P<query>\?\S*)?$"
)
_PORTS = {"PostgresDB": "5432", "MariaDB": "3306", "Valkey": "6379"}
_PARTS = (
    ("user", ("POSTGRES_USER", "MYSQL_USER", "MARIADB_USER"), re.compile("USER", re.IGNORECASE)),
    (
        "password",
        ("POSTGRES_PASSWORD", "MYSQL_PASSWORD", "MARIADB_PASSWORD", "REDIS_PASSWORD"),
        re.compile("PASS|PWD", re.IGNORECASE),
    ),
    ("database", ("POSTGRES_DB", "MYSQL_DATABASE", "MARIADB_DATABASE"), re.compile("NAME|DATABASE|DB$", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Store:
    """A database; `parts`: what its own variables say, by the reference that has it here."""

    service: str
    name: str
    kind: str
    parts: dict[str, str]


def kind_of(image: str) -> str:
    """The kind of a database with that image; empty: it is none."""
    path = image.partition("@")[0].rpartition(":")[0] or image.partition("@")[0]
    *owners, base = path.split("/")
    owners = [it for it in owners if "." not in it and ":" not in it]
    return _IMAGES.get(base, "") if "/".join(owners) in _OWNERS else ""


def add(making: Making, file: str, service: str, node: Node, image: Node, variables: dict[str, str]) -> Store:
    """The database and its disk."""
    text, subject = image.text or "", f"services.{shown(service)}"
    kind = kind_of(text)
    name = as_name(service)
    disk = making.add("Disk", f"{name[:58]}-data", {"size": 10})
    spec: dict[str, Any] = {"version": _version(text, kind), "disk": disk}
    name = making.add(kind, name, spec)
    message = f"{shown(text)} becomes the {kind} {name}, version {spec['version']}, with an empty disk of 10 GB."
    if "mysql" in text:
        message += " MariaDB speaks MySQL's protocol; check what the app uses of it."
    making.say("changed", file, image, f"{subject}.image", message)
    for key, inner in node.items():
        if key == "environment" and inner.value:
            words = f"is not carried: user, password and database are made here, and ${{{name}.uri}} has them."
            making.say("left", file, inner, f"{subject}.environment", words)
        elif key == "ports":
            making.say("left", file, inner, f"{subject}.ports", "is private to the pod: its pages reach it.")
        elif key == "volumes":
            words = f"its data is on the disk {disk}; what is in the old volume has to be restored from a dump."
            making.say("changed", file, inner, f"{subject}.volumes", words)
        elif key not in ("image", "restart", "healthcheck", "container_name", "networks", "expose", "hostname"):
            making.say("left", file, inner, f"{subject}.{shown(key)}", "has no counterpart for a database.")
    parts = {}
    for part, names, _ in _PARTS:
        if value := next((variables[it] for it in names if variables.get(it)), ""):
            parts[part] = value
    return Store(service, name, kind, parts)


def _version(image: str, kind: str) -> str:
    """The version nearest to the image's tag."""
    server = kinds.get(kind).server
    assert server is not None
    usual: str = kinds.get(kind).blank()["version"]
    if "mysql" in image or "redis" in image:
        return usual
    tag = image.partition("@")[0].rpartition(":")[2]
    found = re.match(r"\d+(\.\d+)?", tag)
    if not found:
        return usual
    exact = [it for it in server.versions if it == found[0] or it == found[0].partition(".")[0]]
    near = [it for it in server.versions if it.partition(".")[0] == found[0].partition(".")[0]]
    return (exact or near or [usual])[0]


def led(key: str, value: str, stores: list[Store]) -> tuple[str, str]:
    """`value` of the variable `key` as a reference to a database, and what there is to say; empty: it is none."""
    if url := _URL.match(value):
        store = next((it for it in stores if it.service == url["host"]), None)
        if store is None:
            return "", ""
        tail = url["path"] or "" if store.kind == "Valkey" and re.fullmatch(r"/\d+", url["path"] or "") else ""
        lost = " Its parameters are left out." if url["query"] else ""
        lost += (
            " The driver that its scheme names is left out: name it in the app." if "+" in value.split(":")[0] else ""
        )
        return f"${{{store.name}.uri}}{tail}", f"leads to {store.name} by its reference.{lost}"
    for store in stores:
        if value == store.service:
            said = f"leads to {store.name} by its reference."
            if store.kind == "Valkey":
                said += f" It asks for a password: give the app ${{{store.name}.password}} too."
            return f"${{{store.name}.host}}", said
        if value == f"{store.service}:{_PORTS[store.kind]}":
            return f"${{{store.name}.host}}:${{{store.name}.port}}", f"leads to {store.name} by its references."
    for store in stores:
        if value == _PORTS[store.kind] and "PORT" in key.upper() and key.upper() != "PORT":
            return f"${{{store.name}.port}}", f"is the port of {store.name}, by its reference."
        for part, _, pattern in _PARTS:
            if store.parts.get(part) == value and pattern.search(key):
                return f"${{{store.name}.{part}}}", f"is the {part} of {store.name}, by its reference."
    return "", ""
