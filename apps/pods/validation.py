"""What is wrong with a snapshot as a whole. Problems keep it from being sealed; warnings do not."""

from __future__ import annotations

from collections.abc import Iterator

from apps.core.errors import Detail
from apps.pods import kinds
from apps.pods.contents import apps_of, configs_of, databases_of, disks_of, routes_of
from apps.pods.databases import placeholders
from apps.pods.domains import standing
from apps.pods.models import Snapshot
from apps.pods.references import References


def problems(snapshot: Snapshot) -> list[Detail]:
    """Paths are `<resource name>.<field>`."""
    own = [*_specs(snapshot), *_routes(snapshot), *_attached(snapshot), *_disks(snapshot), *_files(snapshot)]
    return [*own, *standing.problems(snapshot)]


def warnings(snapshot: Snapshot) -> list[Detail]:
    """What will work and may surprise."""
    return [*_values(snapshot), *_unused(snapshot)]


def _specs(snapshot: Snapshot) -> Iterator[Detail]:
    for name, item in sorted(snapshot.items()):
        for detail in kinds.get(item.kind).wrong(item.spec):
            yield Detail(f"{name}.{detail.path}" if detail.path else name, detail.message)


def _missing(snapshot: Snapshot, name: str, kind: str) -> str:
    """Why `name` is not a resource of `kind`; empty when it is."""
    article = "an" if kind[0] in "AEIOU" else "a"
    if name not in snapshot:
        return f"{name} does not exist: make {article} {kind} of this name, or choose another."
    if snapshot[name].kind != kind:
        return f"{name} is a {snapshot[name].kind}, not {article} {kind}: choose another."
    return ""


def _routes(snapshot: Snapshot) -> Iterator[Detail]:
    apps = apps_of(snapshot)
    for name, route in routes_of(snapshot).items():
        for index, rule in enumerate(route.rules):
            path = f"{name}.rules.{index}.app"
            if message := _missing(snapshot, rule.app, "App"):
                yield Detail(path, message)
            elif apps[rule.app].type in ("worker", "job"):
                what = "a worker" if apps[rule.app].type == "worker" else "run by the clock"
                yield Detail(
                    path, f"{rule.app} is {what} and answers no requests: make its type web, or choose another."
                )


def _attached(snapshot: Snapshot) -> Iterator[Detail]:
    for name, app in apps_of(snapshot).items():
        for index, config in enumerate(app.configs):
            if message := _missing(snapshot, config, "Config"):
                yield Detail(f"{name}.configs.{index}", message)


def _disks(snapshot: Snapshot) -> Iterator[Detail]:
    """Each is there and has one writer."""
    uses = [(name, "disk", database.disk) for name, database in databases_of(snapshot).items() if database.disk]
    for name, app in apps_of(snapshot).items():
        uses += [(name, f"mounts.{index}.disk", mount.disk) for index, mount in enumerate(app.mounts) if mount.disk]
    owner: dict[str, str] = {}
    for name, field, disk in uses:
        if message := _missing(snapshot, disk, "Disk"):
            yield Detail(f"{name}.{field}", message)
        elif owner.setdefault(disk, name) != name:
            message = f"{disk} belongs to {owner[disk]} already, and a disk has one writer."
            yield Detail(f"{name}.{field}", f"{message} Make another disk.")


def _files(snapshot: Snapshot) -> Iterator[Detail]:
    configs = configs_of(snapshot)
    for name, app in apps_of(snapshot).items():
        for index, mount in enumerate(app.mounts):
            path = f"{name}.mounts.{index}"
            if mount.disk:
                continue
            if message := _missing(snapshot, mount.config, "Config"):
                yield Detail(f"{path}.config", message)
            elif mount.file not in configs[mount.config].files:
                yield Detail(
                    f"{path}.file", f"{mount.config} has no file {mount.file}: add it there, or choose another."
                )


def _values(snapshot: Snapshot) -> Iterator[Detail]:
    references = References(snapshot, placeholders(snapshot))
    owners = [(name, "env", app.env) for name, app in apps_of(snapshot).items()]
    owners += [(name, "variables", config.variables) for name, config in configs_of(snapshot).items()]
    for name, field, variables in owners:
        for variable in variables:
            path = f"{name}.{field}.{variable.name}"
            if variable.name == "PORT":
                yield Detail(path, "is ignored: the platform sets PORT.")
            yield from (Detail(path, sentence) for sentence in references.fill(variable.value)[1])


def _unused(snapshot: Snapshot) -> Iterator[Detail]:
    reached = {rule.app for route in routes_of(snapshot).values() for rule in route.rules}
    mounted = {disk for app in apps_of(snapshot).values() for disk in app.disks}
    mounted |= {database.disk for database in databases_of(snapshot).values()}
    for name, app in apps_of(snapshot).items():
        if (app.listens or app.type == "static") and name not in reached:
            yield Detail(name, "has no route: nobody can reach it.")
    for name in disks_of(snapshot).keys() - mounted:
        yield Detail(name, "is mounted by no app.")
