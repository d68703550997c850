"""docker-compose.yml: services that are built become apps, those with the image of a database become one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from apps.core.errors import Invalid
from apps.core.names import check_variable
from apps.manifests.importing import checks, disks, stores
from apps.manifests.importing.report import Imported, Making, as_name, is_secret
from apps.manifests.nodes import Node, read, shown
from apps.manifests.problems import refused

FILE = "docker-compose.yml"
_VARIABLE = re.compile(
    r"\$(?:\$|\{(?P<braced>[A-Za-z_]\w*)(?::?(?P<how>[-?+])(?P<default>[^}]*))?\}|(?P<name>[A-Za-z_]\w*))"
)
_COUNT = re.compile(r"[0-9]{1,9}")
_QUIET = ("image", "build", "restart", "container_name", "networks", "init", "tty", "stdin_open", "expose", "hostname")
_SAID = {
    "env_file": "is not in this file: enter its variables into the app or a Config.",
    "secrets": "are not carried: make them secrets of a Config, or files of one.",
    "configs": "are not carried: make them files of a Config.",
    "user": "has no counterpart: apps run as a user of their own.",
    "privileged": "is not given to any app.",
    "network_mode": "has no counterpart: apps are reached by routes.",
    "extends": "is not followed: give the whole file, as `docker compose config` prints it.",
    "labels": "are not read: what they say of hosts and paths belongs into a route.",
    "profiles": "is not read: the service is carried as if it were always on.",
    "extra_hosts": "has no counterpart.",
    "working_dir": "has no counterpart: commands run where the app's code is; choose its root directory.",
}


def imported(text: str, *, source: dict[str, str], pod: str = "") -> Imported:
    """Raises FileRefused."""
    root = read(text)
    services = root.get("services")
    if services is None or not isinstance(services.value, dict):
        raise refused(root.place, "must have services: a docker-compose.yml as Compose describes it.")
    making = Making()
    found: list[stores.Store] = []
    for service, node in services.items():
        image = node.get("image")
        if image is not None and node.get("build") is None and stores.kind_of(filled(image.text or "")[0]):
            variables = {key: value for key, value, _ in _environment(node)}
            image.value = filled(image.text or "")[0]
            found.append(stores.add(making, FILE, service, node, image, variables))
    for service, node in services.items():
        if not any(it.service == service for it in found):
            _service(making, service, node, found, source)
    for key, node in root.items():
        if key in ("include", "secrets", "configs"):
            making.say("left", FILE, node, key, _SAID.get(key, "is not followed: give the whole file."))
    name = root.get("name")
    return making.done(pod or (as_name(name.text)[:40].strip("-") if name and name.text else ""))


def filled(text: str) -> tuple[str, list[str]]:
    """`text` with the defaults of its `${VARIABLES}`; the names of those that have none."""
    absent: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match["braced"] or match["name"]
        if name is None:
            return "$"
        if match["how"] != "-":
            absent.append(name)
        return match["default"] or "" if match["how"] == "-" else ""

    return _VARIABLE.sub(replace, text), absent


def _environment(node: Node) -> Iterator[tuple[str, str, Node]]:
    """Name, value as written, and place."""
    environment = node.get("environment")
    if environment is None:
        return
    for key, inner in environment.items():
        yield key, inner.text or "", inner
    for entry in environment.entries():
        key, _, value = (entry.text or "").partition("=")
        yield key, value, entry


def _service(making: Making, service: str, node: Node, found: list[stores.Store], source: dict[str, str]) -> None:
    subject = f"services.{shown(service)}"
    build = node.get("build")
    if build is None:
        image = node.get("image") or node
        words = f"runs the ready image {shown(image.text or '?')}: apps are built from git repositories here."
        making.say("left", FILE, image, subject, words)
        return
    ports = node.get("ports")
    web = bool(ports and ports.value) or bool(node.get("expose"))
    spec: dict[str, Any] = {"type": "web" if web else "worker"}
    spec["source"], spec["build"] = _built(making, subject, build, source)
    name = as_name(service)
    _commands(making, subject, node, spec)
    _variables(making, subject, name, node, found, spec)
    disks.mount(making, FILE, subject, name, node, spec)
    _count(making, subject, node, spec)
    checks.health(making, FILE, subject, node, spec)
    name = making.add("App", name, {key: value for key, value in spec.items() if value not in ({}, [], "")})
    if ports and ports.value:
        _ports(making, subject, name, ports)
    _rest(making, subject, node, found)


def _built(making: Making, subject: str, build: Node, source: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The source and the build of an app."""
    context = build.text if build.text is not None else (build.get("context") or build).text or "."
    context, _ = filled(context)
    made: dict[str, Any] = dict(source)
    if re.match(r"(https://|ssh://|git@)", context):
        repo, _, rest = context.partition("#")
        branch, _, folder = rest.partition(":")
        made = {"repo": repo} | ({"branch": branch} if branch else {}) | ({"rootDir": folder} if folder else {})
    elif (folder := context.removeprefix("./").strip("/")) and folder != ".":
        if ".." in folder.split("/") or context.startswith(("/", "~")):
            making.say(
                "left", FILE, build, f"{subject}.build", "lies outside of the repository: choose the root directory."
            )
        else:
            made["rootDir"] = folder
    settings: dict[str, Any] = {}
    for key, inner in build.items():
        if key in ("dockerfile", "target") and inner.text:
            settings[key] = inner.text.removeprefix("./")
        elif key == "args":
            making.say(
                "left", FILE, inner, f"{subject}.build.args", "are not passed on: set them as variables of the app."
            )
        elif key not in ("context", "dockerfile", "target"):
            making.say("left", FILE, inner, f"{subject}.build.{shown(key)}", "has no counterpart.")
    if build.get("dockerfile_inline") is not None:
        settings.pop("dockerfile", None)
    return made, settings


def words_of(node: Node) -> str:
    """A command as one line of a shell."""
    return (
        filled(node.text)[0] if node.text is not None else shlex.join(filled(it.text or "")[0] for it in node.entries())
    )


def _commands(making: Making, subject: str, node: Node, spec: dict[str, Any]) -> None:
    entrypoint, command = node.get("entrypoint"), node.get("command")
    parts = [words_of(it) for it in (entrypoint, command) if it is not None and it.value]
    if parts:
        spec["startCommand"] = " ".join(parts)
        at = command or entrypoint or node
        if spec["type"] == "web" and re.search(r"\b\d{4,5}\b", spec["startCommand"]):
            words = "names a port: the app has to listen on $PORT, which the platform chooses."
            making.say("note", FILE, at, f"{subject}.command", words)


def _variables(
    making: Making, subject: str, app: str, node: Node, found: list[stores.Store], spec: dict[str, Any]
) -> None:
    env: dict[str, str] = {}
    secrets: list[str] = []
    for key, written, place in _environment(node):
        at = f"{subject}.environment.{shown(key)}"
        try:
            check_variable(key, "")
        except Invalid as error:
            making.say("left", FILE, place, at, error.message)
            continue
        value, absent = filled(written)
        reference, said = stores.led(key, value, found)
        if reference:
            env[key] = reference
            making.say("changed", FILE, place, at, said)
        elif key == "PORT":
            making.say("left", FILE, place, at, "is set by the platform.")
        elif is_secret(key, value):
            secrets.append(key)
            making.say("changed", FILE, place, at, "becomes a secret: enter its value beside the plan.")
        else:
            env[key] = value
            if absent:
                words = f"takes {', '.join(absent)} from where Compose runs, which is not known here: enter the value."
                making.say("note", FILE, place, at, words)
    if env:
        spec["env"] = env
    if secrets:
        spec["configs"] = [making.add("Config", f"{app[:55]}-secrets", {"secrets": sorted(set(secrets))})]


def _count(making: Making, subject: str, node: Node, spec: dict[str, Any]) -> None:
    deploy = node.get("deploy") or Node({}, node.place)
    wanted = deploy.get("replicas") or node.get("scale")
    if wanted is not None and _COUNT.fullmatch(text := filled(wanted.text or "")[0]):
        count = min(max(int(text), 1), 10)
        if any("disk" in mount for mount in spec.get("mounts", ())) and count > 1:
            making.say("changed", FILE, wanted, f"{subject}.replicas", "is 1 here: a disk has one writer.")
        elif count > 1:
            spec["replicas"] = count
        if count != int(text):
            making.say("changed", FILE, wanted, f"{subject}.replicas", f"is {count} here: 1 to 10.")
    for key, inner in deploy.items():
        if key != "replicas":
            words = "is not carried: choose the instance of the app." if key == "resources" else "has no counterpart."
            making.say("left", FILE, inner, f"{subject}.deploy.{shown(key)}", words)


def _ports(making: Making, subject: str, app: str, ports: Node) -> None:
    first, *others = ports.entries() or [ports]
    making.add("Route", f"{app[:57]}-site", {"rules": [{"path": "/", "app": app}]})
    words = "becomes a route: the host name is assigned, and the app has to listen on $PORT."
    making.say("changed", FILE, first, f"{subject}.ports", words)
    for other in others:
        making.say("left", FILE, other, f"{subject}.ports", "is a second port: an app listens on one.")


def _rest(making: Making, subject: str, node: Node, found: list[stores.Store]) -> None:
    """Whatever else a service says."""
    done = ("ports", "command", "entrypoint", "environment", "volumes", "deploy", "scale", "healthcheck", *_QUIET)
    for key, inner in node.items():
        at = f"{subject}.{shown(key)}"
        if key == "depends_on":
            names = [name for name, _ in inner.items()] or [it.text or "" for it in inner.entries()]
            apps = [name for name in names if not any(it.service == name for it in found)]
            if apps:
                words = f"{', '.join(map(shown, apps))}: apps start together, only databases start before them."
                making.say("left", FILE, inner, at, words)
        elif key == "restart" and inner.text == "no":
            words = "apps are always started again: what runs once belongs into `release:` of a Procfile, or a job."
            making.say("left", FILE, inner, at, words)
        elif key not in done and not key.startswith("x-"):
            making.say("left", FILE, inner, at, _SAID.get(key, "has no counterpart."))
