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
from apps.metrics.databases import Databases
from apps.metrics.instances import Instances
from apps.secretstore.vault import Vault
from apps.sources.git import GitSource


def upgrade_copy() -> Callable[[], object]:
    """What keeps the database as it is before a new version changes it."""
    from apps.backups.platform import upgrading  # here: an upgrade is rare, and this is much to load

    return upgrading.keep


def engine() -> Engine:
    """The default of this installation."""
    made = {"process": process_engine, "docker": docker_engine, "nomad": nomad_engine}
    return made[settings.BRAINPOD.engine]()


def offered_engines() -> Callable[[], tuple[str, ...]]:
    return lambda: settings.BRAINPOD.offered


def process_engine() -> ProcessEngine:
    return ProcessEngine(settings.BRAINPOD.run / "engine.sock")


def docker_engine() -> Engine:
    from apps.engines.docker.client import DockerEngine  # here: docker-py costs 9 MB in each process

    config = settings.BRAINPOD
    found = registry()
    return DockerEngine(
        config.docker_host,
        config.state,
        allowed=config.networks,
        shared=config.joined_networks,
        runtime=config.docker_runtime,
        login=found.login if found else lambda _: None,
    )


def nomad_engine() -> Engine:
    from apps.engines.nomad import client  # here: the other engines need none of it

    config = settings.BRAINPOD
    return client.NomadEngine(_cluster(config), config.state, addresses.address)


def build_engine() -> Engine | None:
    """What runs the commands of builds where the default engine cannot: neither a cluster's nodes nor the images of
    Docker see this host's directories. None: the default does."""
    config = settings.BRAINPOD
    return process_engine() if config.engine != "process" and config.needs_agent else None


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
        open_files=config.nomad_open_files,
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
        dashboard_git=f"unix:{config.run / 'git.sock'}",
        push_mb=config.push_mb,
        static_root=settings.STATIC_ROOT,
        tls_port=config.https_port,
        names=(config.domain, f"*.{config.domain}", "localhost", "127.0.0.1", "::1"),
        cache_mb=config.edge_cache_mb,
        trusted_proxies=tuple(n.strip() for n in config.trusted_proxies.split(",") if n.strip()),
        outside=config.outside,
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


def measured_databases() -> Databases:
    return measured.database_servers
