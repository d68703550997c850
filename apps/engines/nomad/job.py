"""A spec as a job of Nomad, in the JSON of its API. Pure.

Nomad puts variables into most strings: `${NOMAD_ALLOC_ID}`, `${node.datacenter}`, a task's own variables. There is
no way to keep it from that in `Env`, so values that have `${` travel as lines of sh or, to containers, as a file of
variables; in a driver's configuration, which is read as HCL, `$${` and `%%{` stand for themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from apps.core.errors import Detail, Invalid
from apps.core.ids import short
from apps.engines import checks, recovery
from apps.engines.base import APP, LaunchSpec, RunSpec
from apps.engines.nomad import script
from apps.engines.nomad.cluster import Cluster, Names

SECOND = 1_000_000_000
TASK = "app"
PORT = "http"
NEVER = 10 * 365 * 86400  # seconds
HEALTHY = 10  # seconds a task has to run for Nomad to call its allocation healthy
PATIENT = 300
RUN_GRACE = 1.0  # seconds between TERM and KILL of a run that is to end
MHZ_PER_CORE = 1000
HELD = "secrets/held.env"  # variables of containers that Nomad is not to put its own into
SHORTEST = 10  # MB: less memory Nomad does not give
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
Job = dict[str, Any]
Address = Callable[[str], str]
"""The address from which nodes fetch the tree at a path of this host, as a .tar.gz."""


def check(spec: RunSpec, cluster: Cluster) -> None:
    """Raises Invalid naming the field."""
    wrong = []
    image = cluster.driver == "docker"
    if image and not spec.image:
        wrong.append(Detail("image", "must be given: the driver docker runs images."))
    if image and any(mount.mode != "write" for mount in spec.mounts):
        wrong.append(Detail("mounts", "cannot be had from this host: an image has everything in it but disks."))
    if spec.image and not image:
        wrong.append(Detail("image", f"cannot be run by the driver {cluster.driver}."))
    for name, value in spec.env.items():
        try:
            (name + value).encode()
        except UnicodeEncodeError:
            wrong.append(Detail("env", f"{name} is no UTF-8, which is all Nomad passes on."))
        if "${" in value and not NAME.fullmatch(name):
            wrong.append(Detail("env", f"{name} has ${{ in its value, which Nomad takes for a variable of its own."))
    for path, content in spec.files.items():
        try:
            content.decode()
        except UnicodeDecodeError:
            wrong.append(Detail("files", f"{path} is no UTF-8, which is all Nomad passes on."))
    if wrong:
        raise Invalid(wrong, code="workload_refused")
    checks.check(spec)


def service(spec: LaunchSpec, cluster: Cluster, names: Names, address: Address) -> Job:
    """A job that runs until it is stopped: a service that listens, or a worker."""
    group = _group(spec, cluster, names, address, grace=spec.grace)
    group["RestartPolicy"] = {
        "Attempts": recovery.ATTEMPTS,
        "Interval": int(recovery.WINDOW * SECOND),
        "Delay": int(recovery.DELAY * SECOND),
        "Mode": "delay",
    }
    group["ReschedulePolicy"] = {
        "Delay": int(recovery.FIRST_DELAY * SECOND),
        "DelayFunction": "exponential",
        "MaxDelay": int(recovery.LONGEST_DELAY * SECOND),
        "Unlimited": True,
    }
    # What listens is replaced, and the replacement stays; a worker may still be at its work, so nobody else begins it.
    # `Replace` says that only until `LostAfter`: then Nomad replaces what it was told not to.
    if recovery.replaced(listens=spec.port is not None):
        lost = cluster.lost_after * SECOND
        group["Disconnect"] = {"LostAfter": lost, "Replace": True, "Reconcile": recovery.RETURNED}
    else:
        group["Disconnect"] = {"LostAfter": NEVER * SECOND, "Replace": False}
    disks = any(mount.mode == "write" for mount in spec.mounts)
    if spec.port is not None:
        group["Services"] = [_service(spec, cluster, names)]
        # What Nomad sends away serves on: another one is started in its place meanwhile (Status.leaving), since
        # Nomad's own replacement waits for its end.
        group["ShutdownDelay"] = 0 if disks else cluster.handover * SECOND
    job = _job(spec, cluster, names.job(spec.id), "service", group)
    # Should somebody change the job beside the platform: the old allocation serves until the new one is healthy,
    # unless it has a disk, which has one writer.
    job["Update"] = {
        "MaxParallel": 1,
        "Canary": 0 if disks else 1,
        "AutoPromote": not disks,
        "AutoRevert": True,
        "HealthCheck": "task_states",
        "MinHealthyTime": HEALTHY * SECOND,
        "HealthyDeadline": PATIENT * SECOND,
        "ProgressDeadline": 2 * PATIENT * SECOND,
    }
    return job


def batch(spec: RunSpec, cluster: Cluster, names: Names, address: Address, *, until: float) -> Job:
    """A job that runs to its end, once. `until`: epoch seconds after which nobody can be waiting for it."""
    group = _group(spec, cluster, names, address, grace=RUN_GRACE)
    group["RestartPolicy"] = {"Attempts": 0, "Interval": 3600 * SECOND, "Delay": SECOND, "Mode": "fail"}
    group["ReschedulePolicy"] = {"Attempts": 0, "Interval": 0, "Unlimited": False}
    group["Tasks"][0]["KillSignal"] = "SIGKILL"
    job = _job(spec, cluster, names.run(spec.id), "batch", group)
    job["Meta"]["brainpod_until"] = str(int(until))
    return job


def _job(spec: RunSpec, cluster: Cluster, name: str, kind: str, group: Job) -> Job:
    job: Job = {
        "ID": name,
        "Name": name,
        "Type": kind,
        "Namespace": cluster.namespace,
        "Datacenters": [cluster.datacenter(spec.region)],
        "Meta": {"brainpod_id": spec.id, "brainpod_pod": spec.pod, "brainpod_app": spec.env.get("BRAINPOD_APP", "")},
        "TaskGroups": [group],
    }
    if cluster.region:
        job["Region"] = cluster.region
    if cluster.node_pool:
        job["NodePool"] = cluster.node_pool
    return job


def _group(spec: RunSpec, cluster: Cluster, names: Names, address: Address, *, grace: float) -> Job:
    network: Job = {"Mode": "host"}
    group: Job = {"Name": TASK, "Count": 1}
    if isinstance(spec, LaunchSpec) and spec.port is not None:
        inside = {"To": spec.port} if cluster.driver == "docker" else {}
        network["DynamicPorts"] = [{"Label": PORT, **inside}]
        group["Networks"] = [network]
    if volumes := _volumes(spec, cluster, names):
        group["Volumes"] = volumes
    group["Tasks"] = [_task(spec, cluster, names, address, grace)]
    group["EphemeralDisk"] = {"SizeMB": 300}
    return group


def _task(spec: RunSpec, cluster: Cluster, names: Names, address: Address, grace: float) -> Job:
    limits = spec.limits
    plain, held = _variables(spec, cluster)
    task: Job = {
        "Name": TASK,
        "Driver": cluster.driver,
        "Leader": True,
        "Env": plain,
        "KillTimeout": int(grace * SECOND),
        "KillSignal": "SIGTERM",
        "LogConfig": {"MaxFiles": 3, "MaxFileSizeMB": 4},
        "Resources": {"CPU": max(1, int(limits.cpu * MHZ_PER_CORE)), "MemoryMB": max(limits.memory, SHORTEST)},
        "Templates": _templates(spec, cluster, held),
    }
    if cluster.user and cluster.driver != "docker":
        task["User"] = cluster.user
    places = _places(spec, cluster)
    if cluster.driver != "raw_exec":
        task["VolumeMounts"] = [{"Volume": _disk(place), "Destination": place} for place in places.values()]
    if cluster.driver == "docker":
        task["Config"] = _container(spec, cluster)
        return task
    sent = [mount for mount in checks.touched(spec) if mount.mode != "write" and not script.is_toolchain(mount)]
    fetched = {mount.target: number for number, mount in enumerate(sent)}
    task["Artifacts"] = [
        {
            "GetterSource": address(mount.source),
            "GetterMode": "file",
            "GetterOptions": {"archive": "false"},  # its own unpacking makes files of links
            "RelativeDest": f"{script.FETCHED}/{fetched[mount.target]}.tar.gz",
        }
        for mount in sent
    ]
    own = cluster.driver == "exec"
    words = ["-c", script.start(spec, fetched, places, isolated=own), "sh", *spec.command]
    task["Config"] = {"command": "/bin/sh", "args": [literal(word) for word in words]}
    if own:
        task["Config"]["cap_drop"] = ["all"]
    return task


def _container(spec: RunSpec, cluster: Cluster) -> Job:
    """The configuration of the docker driver."""
    limits = spec.limits
    files = min(limits.open_files, cluster.open_files)
    config: Job = {
        "image": literal(spec.image),
        "init": True,
        **({"work_dir": spec.workdir} if spec.workdir != APP else {}),
        "cap_drop": ["all"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": limits.processes,
        "ulimit": [{"nofile": f"{files}:{files}", "core": "0:0"}],
        "mount": [
            {"type": "bind", "source": f"{script.FILES}/{number}", "target": literal(path), "readonly": True}
            for number, path in enumerate(spec.files)
        ],
    }
    if spec.command:
        config["entrypoint"] = [literal(word) for word in spec.command]
    if isinstance(spec, LaunchSpec) and spec.port is not None:
        config["ports"] = [PORT]
    return config


def _variables(spec: RunSpec, cluster: Cluster) -> tuple[dict[str, str], dict[str, str]]:
    """(those that Nomad passes on, those that travel as lines of sh)."""
    env = script.env_of(spec)
    if isinstance(spec, LaunchSpec) and spec.port is not None:
        port = str(spec.port) if cluster.driver == "docker" else f"${{NOMAD_PORT_{PORT}}}"
    else:
        port = ""
    held = {name: value for name, value in env.items() if "${" in value}
    if cluster.driver == "docker":
        plain = {name: value for name, value in env.items() if name not in held}
        return plain | ({"PORT": port} if port else {}), held
    turned = script.Turned(spec)
    plain = {name: turned.path(value, script.INTERPOLATED) for name, value in env.items() if name not in held}
    return plain | ({"PORT": port} if port else {}), held


def _templates(spec: RunSpec, cluster: Cluster, held: Mapping[str, str]) -> list[Job]:
    """Files of Config and lines of sh, as they are: no pair of marks in them opens anything."""
    found = [(f"{script.FILES}/{number}", content.decode()) for number, content in enumerate(spec.files.values())]
    if held and cluster.driver == "docker":
        found.append((HELD, "".join(f"{name}={json.dumps(value)}\n" for name, value in held.items())))
    elif held:
        found.append((script.VARIABLES, script.variables(held, spec)))
    if cluster.driver != "docker":
        found.append((script.BESIDE, script.beside(spec)))
    return [
        {
            "DestPath": path,
            **({"Envvars": True} if path == HELD else {}),
            "EmbeddedTmpl": text,
            "ChangeMode": "noop",
            "Perms": "0444",
            "LeftDelim": f"<{_mark(text)}<",
            "RightDelim": f">{_mark(text)}>",
        }
        for path, text in found
    ]


def _mark(text: str) -> str:
    """Something that is not in `text`."""
    mark = short(text, 16)
    while mark in text:
        mark = short(mark, 16)
    return mark


def _places(spec: RunSpec, cluster: Cluster) -> dict[str, str]:
    """Where each disk is for the task, by where it is inside: raw_exec mounts nothing, it has the node's directory."""
    disks = [mount for mount in spec.mounts if mount.mode == "write"]
    match cluster.driver:
        case "docker" | "exec":
            return {mount.target: mount.target for mount in disks}
        case "raw_exec":
            return {mount.target: mount.source for mount in disks}


def _volumes(spec: RunSpec, cluster: Cluster, names: Names) -> Job:
    if cluster.driver == "raw_exec":
        return {}
    places = _places(spec, cluster)
    return {
        _disk(places[mount.target]): {
            "Name": _disk(places[mount.target]),
            "Type": "host",
            "Source": names.volume(mount.source),
            "ReadOnly": False,
            "AccessMode": "single-node-multi-writer",
            "AttachmentMode": "file-system",
        }
        for mount in spec.mounts
        if mount.mode == "write"
    }


def _disk(place: str) -> str:
    return f"disk{short(place)}"


def _service(spec: LaunchSpec, cluster: Cluster, names: Names) -> Job:
    return {
        "Name": names.service(spec.pod, spec.env.get("BRAINPOD_APP", "")),
        "Provider": cluster.discovery,
        "PortLabel": PORT,
        "Tags": [f"workload={spec.id}"],
    }


def literal(text: str) -> str:
    """`text` where HCL would put variables in."""
    return re.sub(r"[$%](?=\{)", lambda found: found.group() * 2, text)
