"""Adding, changing and removing services. Operators only: the faces see to it, and infrastructure.yml is theirs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from apps.core.errors import Conflict, Detail, Invalid, PlatformError, UserError
from apps.core.names import check_name
from apps.core.programs import numbers
from apps.infrastructure import asking, builtin, credentials, kept_data, key_users, places, workloads
from apps.infrastructure.models import PORTS, SERVERS, Declared, Service, Type
from apps.metrics import store as metrics

if TYPE_CHECKING:
    from apps.accounts.models import User

LONGEST_NAME = 40
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
PASSWORD = re.compile(r"[A-Za-z0-9_.~+=@%^-]{12,128}")  # what every server's own files and statements take as it is
MEMORY = (128, 65536)  # MB
TAKEN_USERS = frozenset({"brainpod", "default", "public", "none"})
LISTED = ", ".join(SERVERS)


def add_external(
    *, name: str, type: str, host: str, port: int = 0, user: str = "", password: str = "",
    by: User | None, declared: str = Declared.DASHBOARD, ask: bool = True,
) -> Service:  # fmt: skip
    """Connect to a server that somebody else runs; it is asked first, unless `ask` is false.

    Raises Invalid naming the field, Conflict("name_taken"), what apps/infrastructure/asking.py raises, Unavailable.
    """
    kind = _type(type)
    service = Service(name=_name(name), type=kind, managed=False, declared=declared, created_by=by)
    service.port = _port(port, kind)
    service.host = places.check(host, service.port, resolves=ask)
    service.user = _user(user, external=True)
    if ask:
        asking.version(asking.Place(kind, service.host, service.port, service.user, password))
    return _added(service, password, by, f"Added, at {service.host}:{service.port}")


def add_managed(
    *, name: str, type: str, version: str = "", memory: int = 512, user: str = "", password: str = "",
    image: str = "", container: str = "", shared: bool = False, by: User | None, declared: str = Declared.DASHBOARD,
) -> Service:  # fmt: skip
    """Have Brainpod run a server, and start it. Data that a server of that name left is gone on with.

    Raises Invalid naming the field, Conflict("name_taken"), Unavailable. What keeps it from starting is in the row.
    """
    kind = _type(type)
    service = Service(name=_name(name), type=kind, managed=True, declared=declared, created_by=by)
    service.engine, service.container = workloads.engine_name(), container
    service.memory, service.image = _memory(memory), _image(image, service)
    service.user, service.version = _user(user), version
    server = workloads.server_of(service)
    lines = kind == Type.POSTGRESQL
    kept_data.take_over(service, server.kind, line_counts=lines)
    service.user = service.user or server.admin
    service.version = _version(service)
    service.shared = _shared(service, shared)
    if password and not PASSWORD.fullmatch(password):
        raise Invalid([Detail("password", "must be 12 to 128 letters, digits and any of _ . ~ + = @ % ^ -")])
    made = _added(service, password or credentials.generated(), by, f"Added: {server.title} {service.version}")
    kept_data.note(made, server.kind)
    try:
        workloads.launch(made)
    except (UserError, PlatformError):
        pass  # it is in the row, and tried again
    return made


def _added(service: Service, password: str, by: User | None, words: str) -> Service:
    if Service.objects.filter(name=service.name).exists():
        raise _taken(service.name)
    if password:
        credentials.keep(service, password)
    try:
        with transaction.atomic():
            service.save(force_insert=True)
            workloads.tell(service, "added", words, by)
    except IntegrityError:
        credentials.forget(service.path)
        raise _taken(service.name) from None
    return service


def change(service: Service, *, by: User | None, **fields: Any) -> None:
    """What the dashboard may: `apply_change`. Raises besides Conflict("builtin_stays" | "declared_in_file").

    Whether it is shared is said here alone, of those that a file declares too.
    """
    if service.built_in or fields.keys() - {"shared"}:
        _changeable(service)
    apply_change(service, by=by, **fields)


def apply_change(
    service: Service, *, host: str = "", port: int = 0, user: str | None = None, password: str = "",
    memory: int = 0, image: str | None = None, shared: bool | None = None, by: User | None, ask: bool = True,
) -> None:  # fmt: skip
    """What is not given stays. A managed one is restarted for a new password, memory or image.

    Raises Invalid naming the field, what apps/infrastructure/asking.py raises, Unavailable.
    """
    before, again = service.path, False
    service.shared = service.shared if shared is None else _shared(service, shared)
    if service.managed:
        again = _change_managed(service, password, memory, image)
    else:
        _change_external(service, host, port, user, password, ask)
    if password:
        credentials.keep(service, password)
    with transaction.atomic():
        service.save(update_fields=["shared", "memory", "image", "host", "port", "user", "path", "secret"])
        workloads.tell(service, "changed", "Changed" + (": a new password" if password else ""), by)
    if password:
        credentials.forget(before)
    if again and service.wanted == "running":
        workloads.end(service)
        workloads.launch(service)


def _change_external(
    service: Service, host: str, port: int, user: str | None, password: str, ask: bool
) -> None:  # fmt: skip
    service.port = _port(port or service.port, Type(service.type))
    service.host = places.check(host or service.host, service.port, resolves=ask)
    service.user = service.user if user is None else _user(user, external=True)
    secret = password or credentials.read(service).admin_password
    if ask:
        asking.version(asking.Place(service.type, service.host, service.port, service.user, secret))


def _change_managed(service: Service, password: str, memory: int, image: str | None) -> bool:
    """Whether it has to be started anew for it."""
    if password and not PASSWORD.fullmatch(password):
        raise Invalid([Detail("password", "must be 12 to 128 letters, digits and any of _ . ~ + = @ % ^ -")])
    again = bool(password)
    if memory and memory != service.memory:
        service.memory, again = _memory(memory), True
    if image is not None and image != service.image:
        service.image, again = _image(image, service), True
    return again


def remove(service: Service, *, confirm: str, by: User | None) -> None:
    """End and forget it; `confirm` is its name. What a managed one has on its disk stays, for the next of that name."""
    _changeable(service)
    if confirm.strip() != service.name:
        raise Invalid([Detail("confirm", f"must be {service.name}, to make sure.")])
    if used := service.allotments.count():
        raise Conflict(
            "service_used",
            f"{service.name} has {used} database{'' if used == 1 else 's'} of pods.",
            "Take them out of the pods, and drop them on this page first.",
        )
    if service.managed:
        Service.objects.filter(pk=service.pk).update(wanted="stopped")
        workloads.end(service)
    with transaction.atomic():
        workloads.tell(service, "removed", "Removed" + ("; its data is kept" if service.managed else ""), by)
        Service.objects.filter(pk=service.pk).delete()
        metrics.forget_service(service.name)
    credentials.forget(service.path)


def _changeable(service: Service) -> None:
    if service.built_in:
        raise Conflict(
            "builtin_stays", f"{service.name} is a part of the platform.", "The settings say which there are."
        )
    if service.declared == Declared.FILE:
        raise Conflict(
            "declared_in_file",
            f"{service.name} stands in infrastructure.yml.",
            "Change it there; what the file says is done within seconds.",
        )


def other_kind(service: Service) -> Conflict:
    return Conflict(
        "service_differs",
        f"There is a service {service.name} of another kind, {service.get_type_display()}, already.",
        "Remove that one on the dashboard first; its data is kept.",
    )


def other_user(service: Service) -> Conflict:
    return Conflict(
        "service_differs",
        f"The user of {service.name} is {service.user}, and stays that for as long as there is its data.",
        f"Write root_user: {service.user}, or leave it out.",
    )


def _taken(name: str) -> Conflict:
    return Conflict("name_taken", f"There is a service called {name} already.", "Choose another name.")


def _name(name: str) -> str:
    name = check_name(name.strip(), longest=LONGEST_NAME)
    if name in builtin.NAMES:
        raise Invalid([Detail("name", f"{name} is the platform's own: choose another name.")])
    return name


def _type(type: str) -> Type:
    if type not in SERVERS:
        raise Invalid([Detail("type", f"must be one of {LISTED}.")])
    return Type(type)


def _port(port: int, kind: Type) -> int:
    if not 0 <= port <= 65535:
        raise Invalid([Detail("port", "must be 1 to 65535.")])
    return port or PORTS[kind]


def _user(user: str, *, external: bool = False) -> str:
    user = user.strip()
    if user and (not USER.fullmatch(user) or (not external and user in TAKEN_USERS)):
        words = "must be up to 32 letters, digits, _ and -, begin with a letter, and not be one the server has itself."
        raise Invalid([Detail("user", words)])
    return user


def _shared(service: Service, shared: bool) -> bool:
    """Those in use stay in use when it is shared no more."""
    if shared and service.external:
        words = "counts only for managed ones: apps have no way to what is external."
        raise Invalid([Detail("shared", words)])
    if shared and SERVERS[Type(service.type)] == "Valkey" and numbers(service.version) < (key_users.OLDEST,):
        words = f"needs version {key_users.OLDEST} or later: an older one does not hold its users to their keys."
        raise Invalid([Detail("shared", words)])
    return shared


def _memory(memory: int) -> int:
    if not MEMORY[0] <= memory <= MEMORY[1]:
        raise Invalid([Detail("memory", f"must be {MEMORY[0]} to {MEMORY[1]} MB.")])
    return memory


def _image(image: str, service: Service) -> str:
    image = image.strip()
    if image and service.engine != "docker":
        raise Invalid([Detail("image", "counts only where services run in Docker; here they are processes.")])
    if image and not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}", image):
        raise Invalid([Detail("image", "must be the name of an image, such as mariadb:11.8.")])
    return image


def _version(service: Service) -> str:
    if not service.version:
        return workloads.newest(service)
    server = workloads.server_of(service)
    known = list(server.versions) if service.engine == "docker" else sorted(server.installed())
    if service.version not in known:
        raise Invalid([Detail("version", f"must be one of {', '.join(known) or 'none: nothing is installed'}.")])
    return service.version
