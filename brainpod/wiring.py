"""Which implementation answers for each contract: the one module that reads settings and picks."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from apps.artifacts.local import LocalArtifacts
from apps.deployments.runtime_logs import may_read, runtime_mask
from apps.edge.nginx import NginxEdge
from apps.engines.process.client import ProcessEngine
from apps.infrastructure.embedded import vault as embedded_vault
from apps.secretstore.vault import Vault
from apps.sources.git import GitSource


def engine() -> ProcessEngine:
    return ProcessEngine(settings.BRAINPOD.run / "engine.sock")
