"""Which implementation answers for each contract: the one module that reads settings and picks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings

from apps.accounts.models import User
from apps.artifacts import objects
from apps.artifacts.local import LocalArtifacts
from apps.artifacts.oci import Registry
from apps.artifacts.shared import SharedArtifacts
from apps.core.masking import Mask
from apps.deployments import measured, runtime_logs
from apps.edge.nginx import NginxEdge
from apps.engines.base import Engine, Handle
from apps.engines.nomad.cluster import LOCAL, Cluster
from apps.engines.process.client import ProcessEngine
from apps.infrastructure.embedded import binaries, openbao
from apps.infrastructure.nodes import addresses
from apps.metrics.instances import Instances
from apps.secretstore.vault import Vault
from apps.sources.git import GitSource


def engine() -> Engine:
    config = settings.BRAINPOD
    if config.engine == "docker":
        from apps.engines.docker.client import DockerEngine  # here: docker-py costs 9 MB in each process

        found = registry()
        return DockerEngine(
            config.docker_host,
            config.state,
            allowed=config.networks,
            shared=config.joined_networks,
            login=found.login if found else lambda _: None,
        )
    if config.engine == "nomad":
        from apps.engines.nomad import client  # here: the other engines need none of it

        return client.NomadEngine(_cluster(config), config.state, addresses.address)
    return ProcessEngine(config.run / "engine.sock")


def build_engine() -> Engine | None:
    """What runs the commands of builds where the engine is a cluster: its nodes do not see this host's directories."""
    config = settings.BRAINPOD
    return ProcessEngine(config.run / "engine.sock") if config.engine == "nomad" else None


def _cluster(config: Any) -> Cluster:
    return Cluster(
        config.nomad_addr or LOCAL,
        token=config.nomad_token,
        namespace=config.nomad_namespace,
        region=config.nomad_region,
        datacenters=config.nomad_regions,
        node_pool=config.nomad_node_pool,
        driver=config.nomad_driver,
        discovery=config.nomad_discovery,
        user=config.nomad_user,
        ca=config.nomad_ca,
        certificate=config.nomad_cert,
        key=config.nomad_key,
    )


def edge() -> NginxEdge:
    config = settings.BRAINPOD
    return NginxEdge(
        config.state,
        config.run,
        binary=binaries.resolve("nginx").path,
        port=config.port,
        bind=config.bind,
        dashboard_host=config.dashboard_host,
        dashboard_pages=[f"unix:{config.run / 'pages.sock'}"],
        dashboard_sockets=f"unix:{config.run / 'sockets.sock'}",
        static_root=settings.STATIC_ROOT,
        trusted_proxies=tuple(n.strip() for n in config.trusted_proxies.split(",") if n.strip()),
    )


def secrets() -> Vault:
    """The Vault outside that the settings name, else the embedded OpenBao."""
    config = settings.BRAINPOD
    if config.vault_addr:
        return Vault(config.vault_addr, config.vault_role_id, config.vault_secret_id)
    way = openbao.access(config.state)
    return Vault(way.address, way.role_id, way.secret_id)


def artifacts() -> LocalArtifacts:
    """On this host alone, or shared with others through the store that the settings name."""
    config = settings.BRAINPOD
    if config.artifacts_url:
        return SharedArtifacts(config.state / "artifacts", objects.opened(config.artifacts_url))
    return LocalArtifacts(config.state / "artifacts")


def registry() -> Registry | None:
    """Where images are pushed to and pulled from, if anywhere."""
    config = settings.BRAINPOD
    if not config.registry:
        return None
    return Registry(config.registry, config.registry_user, config.registry_password, config.registry_ca)


def cache_store() -> objects.Objects | None:
    """Where build caches are shared with other machines, if anywhere."""
    url = settings.BRAINPOD.cache_url
    return objects.opened(url) if url else None


def source() -> GitSource:
    config = settings.BRAINPOD
    return GitSource(
        config.state / "repositories",
        allowed=config.networks,
        max_mb=config.clone_mb,
        max_files=config.clone_files,
        seconds=config.clone_seconds,
    )


def log_gate() -> Callable[[User, str], bool]:
    return runtime_logs.may_read


def runtime_masks() -> Callable[[str], Mask]:
    return runtime_logs.runtime_mask


def runtime_handles() -> Callable[[str], Handle | None]:
    return runtime_logs.runtime_handle


def measured_instances() -> Instances:
    return measured.instances
