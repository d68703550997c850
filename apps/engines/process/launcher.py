"""Starts one process of a spec: in a bubblewrap sandbox, or plainly. The only place that forks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import Unavailable
from apps.core.ids import short
from apps.engines import checks
from apps.engines.base import RunSpec
from apps.engines.process import identity, namespaces
from apps.engines.process.binaries import Bubblewrap
from apps.engines.process.cgroups import Group, Hierarchy
from apps.engines.process.host import SYSTEM_PATH, Host
from apps.engines.process.identity import Identity
from apps.engines.process.plain import View
from apps.engines.process.sandbox import Inside, arguments, environment

NICE_BUILD = 10
MARKER = "BRAINPOD_WORKLOAD"


def label(workload: str) -> str:
    """A name for paths: sockets have at most 107 characters."""
    return short(workload, 16)


@dataclass(slots=True)
class Wires:
    """Descriptors of a start: output, error output, and in a sandbox its reports and its leave to begin."""

    out: int
    err: int
    status: int = -1
    block: int = -1


class Staging:
    """Root's way to show a pod's user directories it could not walk to: bound beneath one it can, in private."""

    def __init__(self, who: Identity, shown: frozenset[str]) -> None:
        self._who = who
        self._shown = shown  # sources whose files are to look like the pod's own
        self._base = next(name for name in ("/mnt", "/media", "/srv", "/opt") if Path(name).is_dir())
        self._sources: dict[str, str] = {}

    def where(self, source: str) -> str:
        return self._sources.setdefault(source, f"{self._base}/{len(self._sources)}")

    def mount(self) -> None:
        """In the child: a mount namespace of its own with every source in its place."""
        namespaces.unshare(namespaces.CLONE_NEWNS)
        flags = namespaces.MS_REC
        namespaces.mount("none", "/", flags=flags | namespaces.MS_PRIVATE)
        opened = {place: os.open(source, os.O_PATH) for source, place in self._sources.items()}
        namespaces.mount("tmpfs", self._base, "tmpfs", data="mode=0755,size=1m")
        for source, place in self._sources.items():
            if Path(f"/proc/self/fd/{opened[place]}").is_dir():
                Path(place).mkdir()
            else:
                os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
            if source not in self._shown or not self._show(opened[place], place):
                namespaces.mount(f"/proc/self/fd/{opened[place]}", place, flags=flags | namespaces.MS_BIND)
            os.close(opened[place])

    def _show(self, source: int, place: str) -> bool:
        """Whether the kernel showed what the source's owner has in it as the pod's own."""
        info = os.fstat(source)
        if info.st_uid == self._who.uid:
            return False
        try:
            namespaces.bind_as(source, place, (info.st_uid, info.st_gid), (self._who.uid, self._who.gid))
        except OSError:
            return False
        return True


class Launcher:
    """`bubblewrap` None: plain processes. `umbrella` gives the user namespace sandboxes are made beneath."""

    def __init__(
        self,
        views: Path,
        *,
        bubblewrap: Bubblewrap | None,
        required: bool,
        host: Host,
        hierarchy: Hierarchy | None,
        umbrella: Callable[[], int | None],
    ) -> None:
        self._views = views
        self.bubblewrap = bubblewrap
        self.required = required
        self.host = host
        self._hierarchy = hierarchy
        self._umbrella = umbrella

    @property
    def limits_by_cgroup(self) -> bool:
        return self._hierarchy is not None

    def marker(self, workload: str = "") -> str:
        """The environment assignment that marks processes without a sandbox; of all workloads here, its start."""
        instance = short(str(self._views))
        return f"{MARKER}={instance}." + (label(workload) if workload else "")

    def group(self, workload: str) -> Group | None:
        return Group(self._hierarchy, label(workload)) if self._hierarchy else None

    def clear(self, known: set[str]) -> None:
        """End and remove what is left of workloads whose short names are not `known`."""
        if self._hierarchy is not None:
            for name in self._hierarchy.names() - known:
                Group(self._hierarchy, name).remove()
        for path in self._views.iterdir():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """The end of everything: nothing of this engine stays on the host."""
        self.clear(set())
        if self._hierarchy is not None:
            self._hierarchy.remove()

    def view(self, spec: RunSpec) -> View:
        return View(self._views / label(spec.id), spec)

    def prepare(self, spec: RunSpec) -> None:
        """Everything slow, for a thread: refuses (Invalid) what cannot be, hands mounts to the pod's user."""
        if self.bubblewrap is None and self.required:
            raise Unavailable(
                "sandbox_required",
                "Nothing is started: a sandbox is required and this host does not let one be made.",
                "Allow unprivileged user namespaces, or set BRAINPOD_SANDBOX=auto where every app is trusted.",
            )
        checks.check(spec)
        who = self.identity(spec)
        for mount in spec.mounts:
            if mount.mode == "write":
                identity.own(mount.source, who)
        if self.bubblewrap is None:
            self.view(spec).make(who)

    def start(self, spec: RunSpec, wires: Wires, *, proxy_port: int | None, build: bool) -> subprocess.Popen[bytes]:
        """The running process; the caller reaps it. Raises OSError or SubprocessError."""
        group = self.group(spec.id)
        if group is not None:
            group.create(spec.limits)
        if self.bubblewrap is None:
            return self._start_plain(spec, wires, group, build)
        return self._start_sandbox(spec, wires, group, proxy_port, build, self.bubblewrap)

    def identity(self, spec: RunSpec) -> Identity:
        who = identity.of(spec)
        if self.bubblewrap is not None or not who.drop:
            return who
        tools = () if spec.owner else self.host.binds  # what has an owner of its own brings its programs along
        paths = [str(self._views.parent), *tools, *(mount.source for mount in spec.mounts)]
        if all(identity.reachable(path) for path in paths if Path(path).exists()):
            return who
        return Identity(0, 0, drop=False)

    def _start_sandbox(
        self, spec: RunSpec, wires: Wires, group: Group | None, proxy_port: int | None, build: bool, bwrap: Bubblewrap
    ) -> subprocess.Popen[bytes]:
        who = identity.of(spec)
        shown = frozenset(mount.source for mount in spec.mounts if mount.mode != "write")
        staging = Staging(who, shown) if who.drop else None
        where = staging.where if staging else str
        fds: list[int] = []

        def data(content: bytes) -> int:
            fds.append(os.memfd_create("data", os.MFD_CLOEXEC))
            with os.fdopen(os.dup(fds[-1]), "wb") as out:
                out.write(content)
            os.lseek(fds[-1], 0, os.SEEK_SET)
            return fds[-1]

        try:
            env = environment(spec, self.host, proxy_port=proxy_port, build=build)
            inside = Inside(who.uid, who.gid, env)
            args = ["--json-status-fd", str(wires.status), "--block-fd", str(wires.block)]
            args += ["--die-with-parent"] if build else []
            args += arguments(spec, inside, self.host, bwrap.features, where=where, data=data)
            split = args.index("--")
            packed = data(b"\0".join(os.fsencode(word) for word in args[:split]) + b"\0")
            binary = str(Path(where(str(bwrap.root))) / bwrap.path.relative_to(bwrap.root))
            command = [binary, "--args", str(packed), *args[split:]]
            umbrella = self._umbrella()

            def become() -> None:
                if group is not None:
                    group.join()
                if staging is not None:
                    staging.mount()
                who.assume()
                if umbrella is not None:
                    namespaces.setns(umbrella, namespaces.CLONE_NEWUSER)
                identity.limit(spec.limits, memory=group is None, nice=NICE_BUILD if build else 0)

            inherited = (*fds, wires.status, wires.block)
            return _popen(command, {"PATH": SYSTEM_PATH}, "/", wires, become, inherited)
        finally:
            for fd in fds:
                os.close(fd)

    def _start_plain(self, spec: RunSpec, wires: Wires, group: Group | None, build: bool) -> subprocess.Popen[bytes]:
        view, who = self.view(spec), self.identity(spec)
        env = environment(spec, self.host, proxy_port=None, build=build)
        env = {name: view.translate(value) for name, value in env.items()} | dict([self.marker(spec.id).split("=")])

        def become() -> None:
            if group is not None:
                group.join()
            identity.limit(spec.limits, memory=group is None, nice=NICE_BUILD if build else 0, processes=who.drop)
            who.assume()
            namespaces.no_new_privileges()
            if build:
                namespaces.die_with_parent(signal.SIGKILL)

        command = ["/bin/sh", "-c", 'exec "$@"', "sh", *(view.translate(word) for word in spec.command)]
        return _popen(command, env, f"{view.root}{spec.workdir}", wires, become, ())


def _popen(
    command: list[str],
    env: dict[str, str],
    cwd: str,
    wires: Wires,
    become: Callable[[], None],
    inherited: tuple[int, ...],
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={os.fsencode(name): os.fsencode(value) for name, value in env.items()},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=wires.out,
        stderr=wires.err,
        start_new_session=True,
        pass_fds=inherited,
        preexec_fn=become,
    )
