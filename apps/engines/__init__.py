"""Where pods run, and where they are built: the engines that the wiring picked.

An installation offers one engine or several (BRAINPOD_ENGINES); a revision says which it runs on, a workload on which
it runs. Engines go by their names, those of apps/engines/offers.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from apps.engines.base import Engine


def engine() -> Engine:
    """The default of this installation: of revisions and workloads that name none."""
    from apps.core.components import component  # here, so that the engine's own processes stay without Django

    return cast("Engine", component("engine"))


def offered() -> tuple[str, ...]:
    """The names of the engines that pods may run on here; the default first."""
    from apps.core.components import component

    return cast("tuple[str, ...]", component("offered_engines")())


def default() -> str:
    """The name of `engine()`."""
    return offered()[0]


def named(name: str) -> Engine:
    """The engine called `name`, offered or not: what runs on one that is no longer offered is still to be found."""
    from apps.core.components import component

    return engine() if not name or name == default() else cast("Engine", component(f"{name}_engine"))


def builder() -> Engine:
    """Where the commands of builds run: the engine whose sandboxes see this machine's directories, if one is here."""
    from apps.core.components import component

    return cast("Engine | None", component("build_engine")) or engine()
