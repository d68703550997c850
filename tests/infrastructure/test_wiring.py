"""Which engine answers, by the settings."""

from __future__ import annotations

import dataclasses
from typing import Any

from apps import engines
from apps.engines.docker.client import DockerEngine
from apps.engines.nomad.client import NomadEngine
from apps.engines.process.client import ProcessEngine
from brainpod.config import read


def test_a_cluster_runs_apps_and_this_host_builds_them(settings: Any) -> None:
    given = read(
        {
            "BRAINPOD_ENGINE": "nomad",
            "BRAINPOD_NOMAD_ADDR": "https://nomad.internal:4646",
            "BRAINPOD_NOMAD_TOKEN": "t",
            "BRAINPOD_NOMAD_NAMESPACE": "pods",
            "BRAINPOD_NOMAD_DATACENTERS": "local=dc1, oslo=north",
            "BRAINPOD_NOMAD_DRIVER": "exec",
        }
    )
    settings.BRAINPOD = dataclasses.replace(given, state=settings.BRAINPOD.state)
    engine = engines.engine()
    assert isinstance(engine, NomadEngine)
    cluster = engine.cluster
    assert (cluster.address, cluster.token, cluster.namespace) == ("https://nomad.internal:4646", "t", "pods")
    assert [cluster.datacenter(region) for region in ("local", "oslo", "rome")] == ["dc1", "north", "rome"]
    assert engine.artifacts == {"bundle"}
    assert isinstance(engines.builder(), ProcessEngine)
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, nomad_driver="docker")
    assert engines.engine().artifacts == {"image"}


def test_elsewhere_the_engine_builds_too(settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engine="process")
    assert engines.builder() is engines.engine()


def test_engines_by_their_names(settings: Any) -> None:
    given = read({"BRAINPOD_ENGINES": "docker, process", "BRAINPOD_DOCKER_RUNTIME": "runc"})
    settings.BRAINPOD = dataclasses.replace(given, state=settings.BRAINPOD.state)
    assert engines.offered() == ("process", "docker")
    assert engines.named("") is engines.named("process") is engines.engine()
    assert engines.named("docker").artifacts == {"image"}
    assert engines.named("docker") is engines.named("docker")
    assert engines.named("nomad").disks == "elsewhere", "what runs there still is found, though it is offered no more"
    assert engines.builder() is engines.engine()


def test_beside_docker_processes_build(settings: Any) -> None:
    for offered, builds in (("", DockerEngine), ("process", ProcessEngine), ("nomad", ProcessEngine)):
        settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engine="docker", engines=offered)
        assert isinstance(engines.builder(), builds)
