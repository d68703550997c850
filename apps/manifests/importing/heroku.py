"""Procfile and app.json, as Heroku and Dokku have them."""

from __future__ import annotations

import re
from typing import Any

from apps.core.errors import Invalid
from apps.core.names import check_variable
from apps.manifests.importing.report import Imported, Making, as_name, is_secret
from apps.manifests.nodes import Node, read, shown
from apps.manifests.problems import Place, refused

PROCFILE, APP_JSON = "Procfile", "app.json"
_LINE = re.compile(r"\s*([A-Za-z0-9_-]+)\s*:\s*(.+?)\s*")
_COUNT = re.compile(r"[0-9]{1,9}")
SETTINGS = "settings"
_SIZES = {
    "eco": "1x", "basic": "1x", "standard-1x": "1x", "standard-2x": "2x", "performance-m": "4x", "performance-l": "8x",
    "free": "1x", "hobby": "1x",
}  # fmt: skip
_ADDONS = {
    "heroku-postgresql": ("PostgresDB", "postgres", "DATABASE_URL"),
    "heroku-redis": ("Valkey", "redis", "REDIS_URL"),
    "rediscloud": ("Valkey", "redis", "REDISCLOUD_URL"),
    "redistogo": ("Valkey", "redis", "REDISTOGO_URL"),
    "openredis": ("Valkey", "redis", "OPENREDIS_URL"),
    "heroku-key-value-store": ("Valkey", "redis", "REDIS_URL"),
    "jawsdb": ("MariaDB", "mariadb", "JAWSDB_URL"),
    "jawsdb-maria": ("MariaDB", "mariadb", "JAWSDB_MARIA_URL"),
    "cleardb": ("MariaDB", "mariadb", "CLEARDB_DATABASE_URL"),
}
_QUIET = ("name", "description", "keywords", "website", "logo", "success_url", "$schema")


def imported(procfile: str, app_json: str, *, source: dict[str, str], pod: str = "") -> Imported:
    """Either may be empty. Raises FileRefused."""
    making = Making()
    processes = _processes(procfile, making)
    root = read(app_json) if app_json.strip() else Node({}, Place(1, 1))
    if not isinstance(root.value, dict):
        raise refused(root.place, "must be an object: app.json as Heroku describes it.")
    formation = dict((root.get("formation") or Node({}, root.place)).items())
    processes |= {name: ("", node.place.line) for name, node in formation.items() if name not in processes}
    repository = root.get("repository")
    source = dict(source)
    if not source["repo"] and repository and repository.text:
        source["repo"] = repository.text
    _settings(root, making)
    if found := _addons(root, making):
        config = making.resources.setdefault("Config", {}).setdefault(SETTINGS, {})
        making.resources["Config"][SETTINGS] = {"variables": config.pop("variables", {}) | found, **config}
    configs = [SETTINGS] if "Config" in making.resources else []
    for name, (command, line) in (processes or {"web": ("", 1)}).items():
        _app(making, name, command, line, formation.get(name), source, configs)
    _rest(root, making)
    return making.done(pod)


def _processes(text: str, making: Making) -> dict[str, tuple[str, int]]:
    """Command and line by the name of the process; `release` stays where it is."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            making.say("left", PROCFILE, number, shown(line.split(":")[0].strip()), "is no line `name: command`.")
        elif match[1] == "release":
            message = "is run before each new version, as it stands in the repository's Procfile."
            making.say("note", PROCFILE, number, "release", message)
        elif match[1] in found:
            making.say("left", PROCFILE, number, match[1], "is there twice: the first counts.")
        else:
            found[match[1]] = (match[2], number)
    return found


def _app(
    making: Making, process: str, command: str, line: int, formation: Node | None, source: dict[str, str],
    configs: list[str],
) -> None:  # fmt: skip
    spec: dict[str, Any] = {"type": "web" if process == "web" else "worker", "source": dict(source)}
    if process not in ("web", "worker") and command:
        spec["startCommand"] = command
    elif command:
        making.say("note", PROCFILE, line, process, "starts as the repository's Procfile says, then and later.")
    if configs:
        spec["configs"] = list(configs)
    if formation is not None:
        _formation(making, process, formation, spec)
    name = making.add("App", as_name(process), spec)
    if spec["type"] == "web":
        making.add("Route", "site", {"rules": [{"path": "/", "app": name}]})


def _formation(making: Making, process: str, node: Node, spec: dict[str, Any]) -> None:
    subject = f"formation.{process}"
    for key, value in node.items():
        text = value.text or ""
        if key == "size" and text.lower() in _SIZES:
            spec["instance"] = _SIZES[text.lower()]
            making.say("changed", APP_JSON, value, f"{subject}.size", f"{text} becomes {spec['instance']}.")
        elif key == "quantity" and _COUNT.fullmatch(text):
            if 1 <= int(text) <= 10:
                spec["replicas"] = int(text)
            else:
                spec["replicas"] = min(max(int(text), 1), 10)
                making.say(
                    "changed", APP_JSON, value, f"{subject}.quantity", "must be 1 to 10 here: stop the app for 0."
                )
        else:
            making.say("left", APP_JSON, value, f"{subject}.{shown(key)}", "has no counterpart.")


def _settings(root: Node, making: Making) -> None:
    """The Config of all apps: variables, and what is secret by name."""
    env = root.get("env")
    variables: dict[str, str] = {}
    secrets: list[str] = []
    for name, node in env.items() if env else ():
        subject = f"env.{shown(name)}"
        try:
            check_variable(name, "")
        except Invalid as error:
            making.say("left", APP_JSON, node, subject, error.message)
            continue
        value = node.get("value") if isinstance(node.value, dict) else node
        text = (value.text if value else None) or ""
        generator = node.get("generator")
        if generator is not None and generator.text == "secret":
            secrets.append(name)
            making.say("note", APP_JSON, node, subject, "is a secret: have one made up beside the plan.")
        elif is_secret(name, text):
            secrets.append(name)
            making.say("changed", APP_JSON, node, subject, "becomes a secret: enter its value beside the plan.")
        else:
            variables[name] = text
            if not text:
                making.say("note", APP_JSON, node, subject, "has no value in the file: enter it.")
    if variables or secrets:
        config: dict[str, Any] = {"variables": variables} if variables else {}
        making.resources["Config"] = {SETTINGS: config | ({"secrets": sorted(secrets)} if secrets else {})}


def _addons(root: Node, making: Making) -> dict[str, str]:
    """The databases, and the variables that lead to them."""
    found: dict[str, str] = {}
    addons = root.get("addons")
    for node in addons.entries() if addons else ():
        plan = node.get("plan") if isinstance(node.value, dict) else node
        text = (plan.text if plan else None) or ""
        addon = text.partition(":")[0]
        if addon not in _ADDONS:
            making.say("left", APP_JSON, node, f"addons.{shown(addon) or 'entry'}", "has no counterpart: look for one.")
            continue
        kind, called, variable = _ADDONS[addon]
        if variable in found:
            making.say("left", APP_JSON, node, f"addons.{addon}", f"is there twice: {variable} leads to the first.")
            continue
        disk = making.add("Disk", f"{called}-data", {"size": 10})
        name = making.add(kind, called, {"disk": disk})
        found[variable] = f"${{{name}.uri}}"
        message = f"becomes the {kind} {name}, with an empty disk of 10 GB; {variable} leads to it."
        making.say("changed", APP_JSON, node, f"addons.{addon}", message)
    return found


def _rest(root: Node, making: Making) -> None:
    """Whatever else the file says."""
    for key, node in root.items():
        if key in (*_QUIET, "env", "formation", "addons"):
            continue
        if key == "repository":
            message = "is the address that the apps are built from, unless another was given."
            making.say("note", APP_JSON, node, key, message)
        elif key == "buildpacks":
            for pack in node.entries():
                url = pack.get("url") or pack
                words = (
                    f"{shown(url.text or 'buildpack')}: no buildpacks here; what is built is found in the repository."
                )
                making.say("left", APP_JSON, pack, "buildpacks", words)
        elif key == "scripts":
            for script, inner in node.items():
                words = "is not run: put what has to run before each version into `release:` of the Procfile."
                making.say("left", APP_JSON, inner, f"scripts.{shown(script)}", words)
        elif key == "stack":
            making.say("left", APP_JSON, node, key, "has no counterpart: the base is chosen with the build.")
        else:
            making.say("left", APP_JSON, node, shown(key), "has no counterpart.")
