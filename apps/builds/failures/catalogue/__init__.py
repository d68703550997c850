"""All known failures, in the order in which they are looked for: what is told surely comes before what is common."""

from __future__ import annotations

from apps.builds.failures.catalogue.clone import CLONE
from apps.builds.failures.catalogue.code import CODE
from apps.builds.failures.catalogue.databases import DATABASES
from apps.builds.failures.catalogue.detect import DETECT
from apps.builds.failures.catalogue.endings import ENDINGS
from apps.builds.failures.catalogue.frameworks import FRAMEWORKS
from apps.builds.failures.catalogue.frontend import FRONTEND
from apps.builds.failures.catalogue.generic import BY_EXIT, GENERIC
from apps.builds.failures.catalogue.health import HEALTH
from apps.builds.failures.catalogue.images import IMAGES
from apps.builds.failures.catalogue.launch import LAUNCH
from apps.builds.failures.catalogue.lockfiles import LOCKFILES
from apps.builds.failures.catalogue.native import NATIVE
from apps.builds.failures.catalogue.push import PUSH
from apps.builds.failures.catalogue.railpack import RAILPACK
from apps.builds.failures.catalogue.registries import GAVE_UP, NETWORK, REGISTRIES
from apps.builds.failures.catalogue.scripts import SCRIPTS
from apps.builds.failures.catalogue.versions import VERSIONS
from apps.builds.failures.entry import Entry

CATALOGUE: tuple[Entry, ...] = (
    *CLONE,
    *DETECT,
    *RAILPACK,
    *PUSH,
    *HEALTH,
    *ENDINGS,
    *DATABASES,
    *LOCKFILES,
    *VERSIONS,
    *IMAGES,
    *FRONTEND,
    *FRAMEWORKS,
    *LAUNCH,
    *NATIVE,
    *GAVE_UP,
    *REGISTRIES,
    *SCRIPTS,
    *CODE,
    *NETWORK,
)

__all__ = ["BY_EXIT", "CATALOGUE", "GENERIC"]
