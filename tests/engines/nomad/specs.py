"""Specs whose jobs are kept as goldens; `python -m tests.engines.nomad.specs` writes them anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from apps.engines.base import LaunchSpec, Limits, Mount, RunSpec
from apps.engines.nomad import job
from apps.engines.nomad.cluster import Cluster, Names

GOLDEN = Path(__file__).parent / "golden"
NAMES = Names("0123abcd")
RAW = Cluster(driver="raw_exec", datacenters={"local": "dc1"})
HOSTILE = {
    "NODE": "${node.unique.id} ${NOMAD_TOKEN} ${attr.kernel.name}",
    "OWN": "${NODE}",
    "QUOTES": "'\"`\\ $HOME $(id) %s !x\n\n",
    "HCL": "%{ if true }x%{ endif } $${A}",
    "TEMPLATE": '{{ env "HOME" }} [[ x ]]',
    "PATHS": "/app/a:/layers/deps/b:/application",
    "HELD_PATHS": "${X}:/app/a'b:/data",
    "EMPTY": "",
    "UNICODE": "grüße 🎉 \u2028",
}
WEB = LaunchSpec(
    id="web-1",
    pod="pod-a",
    command=("sh", "-c", "exec serve --port ${PORT:-1} %{x}"),
    env={"BRAINPOD_APP": "web", "A": "1"},
    mounts=(
        Mount("/trees/aa", "/app", "scratch"),
        Mount("/trees/bb", "/layers/deps", "scratch"),
        Mount("/opt/tools", "/opt/tools"),
        Mount("/disks/data", "/data", "write"),
    ),
    path=("/layers/deps/bin",),
    links=(("/app/node_modules", "/layers/deps/node_modules"),),
    files={"/app/conf/app.ini": b"[a]\nb=${HOME} {{ x }}\n"},
    limits=Limits(cpu=0.5, memory=512),
    port=8080,
    region="local",
)
WORKER = LaunchSpec(id="work-1", pod="pod-a", command=("sh", "-c", "exec work"), env={}, region="oslo")
RUN = RunSpec(id="run-1", pod="pod-a", command=("sh", "-c", "migrate"), env={}, limits=Limits(memory=128))
IMAGE = replace(WEB, mounts=(Mount("/disks/data", "/data", "write"),), links=(), path=(), image="registry/a@sha256:00")


def jobs() -> dict[str, dict[str, Any]]:
    docker, isolated = replace(RAW, driver="docker"), replace(RAW, driver="exec", user="nobody")
    consul = replace(docker, discovery="consul", namespace="pods", region="eu", node_pool="apps")
    return {
        "web": job.service(WEB, RAW, NAMES, _address),
        "web-exec": job.service(WEB, isolated, NAMES, _address),
        "web-docker": job.service(IMAGE, consul, NAMES, _address),
        "hostile-docker": job.service(replace(IMAGE, env=HOSTILE), docker, NAMES, _address),
        "worker": job.service(WORKER, RAW, NAMES, _address),
        "hostile": job.service(replace(WORKER, env=HOSTILE, mounts=WEB.mounts), RAW, NAMES, _address),
        "run": job.batch(RUN, RAW, NAMES, _address, until=1_800_000_000.5),
    }


def _address(path: str) -> str:
    return f"https://platform.example/nodes{path}/tree.tar.gz"


def written(made: dict[str, Any]) -> str:
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    for name, made in jobs().items():
        (GOLDEN / f"{name}.json").write_text(written(made))
