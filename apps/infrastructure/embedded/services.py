"""The platform's services as a plan for the supervisor: their commands, and how one sees that they are ready."""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from django.conf import settings

from apps import engines
from apps.core import downloads
from apps.core.errors import PlatformError
from apps.edge import edge
from apps.edge.nginx import NginxEdge
from apps.engines import builder
from apps.infrastructure.embedded import binaries, files, openbao, process, readiness, steps, valkey
from apps.infrastructure.embedded.plan import Service, Step, Tier

# What only the platform's own Python processes may know; valkey, nginx and what builds and runs apps do not.
SECRET_NAMES = frozenset(
    {
        "DATABASE_URL",
        "BRAINPOD_METRICS_TOKEN",
        "BRAINPOD_REGISTRY_PASSWORD",
        "BRAINPOD_SECRET_KEY",
        "BRAINPOD_SENTRY_DSN",
        "BRAINPOD_SMTP_PASSWORD",
        "BRAINPOD_VALKEY_URL",
        "BRAINPOD_VAULT_ROLE_ID",
        "BRAINPOD_VAULT_SECRET_ID",
        "BRAINPOD_NOMAD_TOKEN",
    }
)
# Websockets that may come at once, say when every browser connects again after a restart: Daphne has room for 50 by
# itself, and nginx answers the others 502.
BACKLOG = 2048
# What the platform's processes share: modules only, nothing made of settings or files. Not Daphne, which makes an event
# loop (what it imports does not), and not the WSGI application, which remembers the static files of before they are
# collected. To load a module touches much of what is there, which is then shared no longer: one process gains, too.
PRELOADED = (
    "apps.accounts.links",
    "apps.builds.fleet",
    "apps.builds.orphans",
    "apps.builds.tasks",
    "apps.dashboard.errors",
    "apps.dashboard.routing",
    "apps.dashboard.static_files",
    "apps.deployments.management.commands.collect_logs",
    "apps.deployments.tasks",
    "apps.deployments.waker",
    "apps.logs.collector",
    "apps.logs.routing",
    "apps.metrics.collector",
    "apps.terminals.routing",
    "apps.terminals.tasks",
    "autobahn.twisted.websocket",
    "billiard.popen_fork",
    "billiard.sharedctypes",
    "brainpod.gunicorn",
    "brainpod.pool",
    "brainpod.urls",
    "brainpod.wiring",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.base",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.contrib.django.task",
    "celery.events",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "cffi.cparser",  # with which billiard says that a pool's process ends with its worker
    "channels.auth",
    "channels.routing",
    "channels.security.websocket",
    "channels_redis.pubsub",
    "django.contrib.sessions.backends.db",
    "django.core.asgi",
    "django.core.wsgi",
    "django.db.models.sql.compiler",
    "django.template.backends.jinja2",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "kombu.transport.redis",
    "pycparser.c_parser",
    "twisted.internet.asyncioreactor",
    "twisted.internet.endpoints",
    "twisted.web.http",
    "whitenoise.storage",
)


IDLE = 2  # processes of a worker that has nothing to do: rounds (brainpod/beat.py) of two kinds may come at once


def tiers(environ: Mapping[str, str] = os.environ) -> list[Tier]:
    """Everything the settings ask for; a Valkey or a Vault outside is not started here."""
    config = settings.BRAINPOD
    own, plain = _environments(environ)
    stores = _engines(config, plain)
    if not config.valkey_url:
        stores.append(_valkey(config.state, plain))
    if not config.vault_addr:
        stores.append(_openbao(config.state, plain))
    preparation = (Step("database", steps.migrate), Step("static files", steps.collect_static))
    outside = config.outside is not None
    return [
        Tier(tuple(stores)),
        Tier(
            (
                *(_pages(config, own), _sockets(config, own), _git(config, own)),
                *(_worker(config, own), _beat(config, own), _logs(own)),
            ),
            preparation,
        ),
        Tier((), (Step("nginx", steps.publish),)) if outside else Tier((_nginx(plain),)),
    ]


def builder_tiers(environ: Mapping[str, str] = os.environ) -> list[Tier]:
    """What a machine needs that only builds."""
    own, plain = _environments(environ)
    return [Tier(tuple(_engines(settings.BRAINPOD, plain))), Tier((_builder(settings.BRAINPOD, own),))]


def _environments(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What the platform's own processes are started with, and what all others are."""
    config = settings.BRAINPOD
    own = {**environ, "BRAINPOD_STATE": str(config.state), "PYTHONUNBUFFERED": "1"}
    own.setdefault("DJANGO_SETTINGS_MODULE", "brainpod.settings")
    own.setdefault("MALLOC_ARENA_MAX", "2")
    own.setdefault("CELERY_SKIP_CHECKS", "1")  # Django's checks are for developers (make check), not for each start
    return own, {name: value for name, value in own.items() if name not in SECRET_NAMES}


def preload() -> None:
    """Load what several of the platform's processes need, before there are several."""
    middleware = {path.rpartition(".")[0] for path in settings.MIDDLEWARE}
    for module in (*PRELOADED, *sorted(middleware)):
        with suppress(Exception):  # the service that needs it fails by itself, and says so in its log
            importlib.import_module(module)


def named(name: str) -> Service:
    """The one service `name`, for process managers other than ours. Raises PlatformError("service_unknown")."""
    known = {service.name: service for tier in tiers() for service in tier.services}
    if name not in known:
        raise PlatformError("service_unknown", f"There is no service {name} here.", f"There are {', '.join(known)}.")
    return known[name]


def _valkey(state: Path, env: Mapping[str, str]) -> Service:
    def command() -> list[str]:
        valkey.prepare(state)
        return valkey.command(state)

    return Service("valkey", command, lambda: valkey.ready(state), env, leftovers=(valkey.socket(state),))


def _openbao(state: Path, env: Mapping[str, str]) -> Service:
    def command() -> list[str]:
        openbao.prepare(state)
        return openbao.command(state)

    return Service("openbao", command, lambda: openbao.ready(state), env)


def _engines(config: Any, env: Mapping[str, str]) -> list[Service]:
    """What the engines that are offered need: the agent for processes and, with Nomad, for builds; Docker's watcher.

    The one that the default engine cannot do without is called "engine".
    """
    made = [_agent(config, env)] if config.needs_agent else []
    if "docker" in config.offered:
        made.append(_watcher(config, env, "watcher" if made else "engine"))
    return made


def _agent(config: Any, env: Mapping[str, str]) -> Service:
    """TERM ends what it runs in order; USR2 and KILL leave it running for the next agent to adopt."""

    def command() -> list[str]:
        files.directory(config.run, 0o711)
        python = [sys.executable, "-m", "apps.engines.process.agent"]
        paths = ["--state", str(config.state), "--socket", str(config.run / "engine.sock")]
        allowed = [f"--allow-network={network}" for network in config.networks]
        form = f"--log-format={config.log_form}"
        return [*python, *paths, "--sandbox", config.sandbox, *_bwrap(config.sandbox), form, *allowed]

    def ready() -> bool:
        try:
            has = builder().check()
        except PlatformError:
            return False
        if config.sandbox == "required" and not has.sandbox:
            raise PlatformError(
                "sandbox_required",
                f"BRAINPOD_SANDBOX is required, and no sandbox can be made here. {' '.join(has.notes)}",
                "manage.py doctor says why; docs/embedded.md says what a sandbox needs.",
            )
        return True

    return Service("engine", command, ready, env, orphan=signal.SIGKILL, leave=signal.SIGUSR2, grace=60)


def _watcher(config: Any, env: Mapping[str, str], name: str) -> Service:
    """Without it containers that ended are not started again; no signal to it ends an app.

    Where Docker is not the default, a daemon that is away keeps nothing else from starting.
    """

    def command() -> list[str]:
        files.directory(config.run, 0o711)
        python = [sys.executable, "-m", "apps.engines.docker.watcher"]
        allowed = [f"--allow-network={network}" for network in config.networks]
        joined = [f"--join-network={name}" for name in config.joined_networks]
        form = f"--log-format={config.log_form}"
        return [*python, "--state", str(config.state), form, f"--host={config.docker_host}", *allowed, *joined]

    needed = config.engine == "docker"
    ready = readiness.answering(lambda: engines.named("docker").check())
    return Service(name, command, ready if needed else lambda: True, env, orphan=signal.SIGKILL, grace=60)


def _bwrap(sandbox: str) -> list[str]:
    if sandbox == "off":
        return []
    try:
        return ["--bwrap", str(binaries.resolve("bwrap").path)]
    except PlatformError:
        if sandbox == "required":
            raise
        return []


def _pages(config: Any, env: Mapping[str, str]) -> Service:
    return _gunicorn("pages", config, env, workers=config.web_workers, threads=4)


def _git(config: Any, env: Mapping[str, str]) -> Service:
    """Pushes, clones (apps/pushes) and downloads: the same application as the pages, in a process whose threads they
    may hold."""
    threads = config.pushes + config.push_watchers + downloads.AT_ONCE + 8
    return _gunicorn("git", config, env, workers=1, threads=threads)


def _gunicorn(name: str, config: Any, env: Mapping[str, str], *, workers: int, threads: int) -> Service:
    address = config.run / f"{name}.sock"
    command = [
        *(sys.executable, "-m", "gunicorn", "brainpod.wsgi:application", "--bind", f"unix:{address}"),
        *("--workers", str(workers), "--worker-class", "gthread", "--threads", str(threads)),
        "--preload",  # the processes that serve share the application with the one that watches them
        # A heartbeat file on a disk that stalls would have the master kill healthy workers.
        *("--worker-tmp-dir", "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(config.run)),
        *("--timeout", "60", "--graceful-timeout", "5", "--keep-alive", "75", "--no-control-socket"),
        *("--logger-class", "brainpod.gunicorn.Logger"),
    ]
    ready = functools.partial(readiness.speaks_http, address)
    return Service(name, lambda: command, ready, env, leftovers=(address,), forked=True)


def _sockets(config: Any, env: Mapping[str, str]) -> Service:
    address = config.run / "sockets.sock"
    quoted = str(address).replace("\\", r"\\").replace(":", r"\:")
    command = [
        *(sys.executable, "-m", "daphne", "-e", f"unix:{quoted}:backlog={BACKLOG}", "-v", "0", "--no-server-name"),
        # The size counts for what is sent as well: apps/logs/consumers.py stays below.
        *("--application-close-timeout", "3", "--websocket-max-message-size", str(1024 * 1024)),
        "brainpod.asgi:application",
    ]
    return Service(
        "sockets", lambda: command, address.is_socket, env, grace=5,
        leftovers=(address, address.with_suffix(".sock.lock")), forked=True,
    )  # fmt: skip


def _worker(config: Any, env: Mapping[str, str]) -> Service:
    """A stop ends the tasks under way: their rows have leases, and the next worker goes on with them.

    Eleven processes more than builds at once: a rollback waits neither for builds nor for a look at a repository, nor
    reconciling for any of them, nor any for slow git hosts, two at once (LOOKUPS in apps/deployments/lookups.py), nor
    for apps that are started or woken, three at once (AT_ONCE in apps/deployments/settling.py), nor for
    repositories that are imported, two at once (IMPORTS in apps/manifests/fetching.py), nor for those who are
    notified. And one for each job that may run: jobs take hours and nobody else's place. They begin when they are
    needed (brainpod/pool.py).
    """
    queues = ["celery", *([config.builder_queue] if config.builds else [])]
    processes = config.workers + 11 + config.jobs
    return _celery_worker("worker", config, env, queues, processes, stop=signal.SIGQUIT, grace=15)


def _builder(config: Any, env: Mapping[str, str]) -> Service:
    """It builds and does nothing else. A stop waits for what is being built; a second one does not."""
    return _celery_worker(
        "builder", config, env, [config.builder_queue], config.workers, stop=signal.SIGTERM, grace=3600
    )


def _celery_worker(
    name: str,
    config: Any,
    env: Mapping[str, str],
    queues: list[str],
    processes: int,
    *,
    stop: signal.Signals,
    grace: float,
) -> Service:
    marker = config.run / "worker.ready"

    def pulse() -> object:
        # It moves nothing while it waits for the broker, and has to: what it began goes on.
        return readiness.moved(marker) if valkey.answers(settings.VALKEY_URL) else object()

    command = [
        *(sys.executable, "-m", "celery", "-q", "-A", "brainpod.celery", "worker"),
        *("--queues", ",".join(queues), "--autoscale", f"{processes},{min(processes, IDLE)}", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
    return Service(
        name, lambda: command, marker.exists, env, stop=stop, orphan=signal.SIGQUIT, grace=grace,
        leftovers=(marker,), forked=True, pulse=pulse,
    )  # fmt: skip


def _beat(config: Any, env: Mapping[str, str]) -> Service:
    marker = config.run / "beat.ready"

    def command() -> list[str]:
        schedule = files.directory(config.state / "beat") / "schedule"
        celery = [sys.executable, "-m", "celery", "-q", "-A", "brainpod.celery", "beat", "--loglevel", "WARNING"]
        return [*celery, "--schedule", str(schedule), "--pidfile="]

    return Service("beat", command, marker.exists, env, leftovers=(marker,), grace=5, forked=True)


def _logs(env: Mapping[str, str]) -> Service:
    """What apps write, collected into their streams; and what they use and answer, measured."""
    command = [sys.executable, "-m", "django", "collect_logs"]
    return Service("logs", lambda: command, lambda: True, env, grace=10, forked=True)


def _nginx(env: Mapping[str, str]) -> Service:
    """QUIT would wait for every open websocket; TERM closes them, and browsers connect again."""

    def command() -> list[str]:
        nginx = cast(NginxEdge, edge())
        nginx.prepare()
        return nginx.command()

    def reload(pid: int) -> bool:
        if process.program(pid) != os.path.realpath(cast(NginxEdge, edge()).binary):
            return False
        steps.refresh()
        return True

    return Service("nginx", command, readiness.answering(lambda: edge().generation()), env, reload=reload)
