"""Whole outputs of static sites: where nothing that a build reads has changed, nothing is built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from apps import artifacts
from apps.artifacts.base import Tree
from apps.builds import toolchains
from apps.builds.bundle import Manifest
from apps.builds.caching import keys
from apps.builds.caching.index import OUTPUTS
from apps.builds.detect.plan import Plan
from apps.builds.stages.room import Room


@dataclass(frozen=True, slots=True)
class Output:
    """What is known before building. `key` empty: nothing is looked for and nothing kept."""

    key: str = ""

    def find(self, room: Room) -> Manifest | None:
        """What an equal build made."""
        entry = room.caching.find(OUTPUTS, self.key)
        if entry is None or "manifest" not in entry.facts:
            return None
        room.write(f"Nothing changed since build {entry.facts.get('build', '')}: its output is used.")
        return Manifest.from_json(entry.facts["manifest"])

    def keep(self, room: Room, manifest: Manifest, *, label: str) -> None:
        """`label` tells people which build it was."""
        if not self.key:
            return
        tree = Tree(manifest.app, manifest.size, _files(manifest.app))
        room.caching.keep(OUTPUTS, self.key, tree, manifest=manifest.as_json(), build=label)


def source(room: Room, plan: Plan) -> str:
    """The digest of the checkout, before anything has run in it; empty where it is of no use.

    Only of what becomes static files: what runs may be made of the moment of its build.
    """
    return keys.manifest(room.app(plan.root)) if plan.kind == "static" and plan.build and room.caching.on else ""


def expected(room: Room, plan: Plan, env: Mapping[str, str], *, source: str, layer: str) -> Output:
    """`source`: of the checkout when it was untouched; `layer`: the digest of the dependencies."""
    if not source:
        return Output()
    return Output(keys.output(plan, source, toolchains.find(plan, room.tools).versions, env, layer))


def _files(digest: str) -> int:
    return sum(len(names) for _, _, names in os.walk(artifacts.artifacts().path(digest)))
