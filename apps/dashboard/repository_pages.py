"""Choosing a repository and its branch for an app, from what the team's connections see."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from apps import sources
from apps.connections.access import access
from apps.connections.models import Connection
from apps.connections.remote.client import can
from apps.core.errors import UserError
from apps.dashboard.resource_forms import Input, ResourceForm
from apps.pods import kinds
from apps.pods.models import Pod
from apps.sources.base import Branches

SHOWN = 50  # repositories of one list
PATIENCE = 20.0  # seconds that the others wait
AT_ONCE = 4  # hosts that one process of the pages asks at the same time
REPO, BRANCH = "source.repo", "source.branch"
_asking = threading.BoundedSemaphore(AT_ONCE)


def pickers(pod: Pod) -> list[Connection]:
    """The team's connections that can list repositories."""
    return [connection for connection in pod.team.connections.all() if can(connection)]


@contextmanager
def in_turn() -> Iterator[None]:
    """Raises UserError("too_many_inspections")."""
    if not _asking.acquire(timeout=PATIENCE):
        raise UserError("too_many_inspections", "Others are being looked at.", "Try again in a moment.", status=429)
    try:
        yield
    finally:
        _asking.release()


def branches_of(pod: Pod, repo: str) -> Branches:
    """Raises Invalid naming `source.repo`, and what apps.sources.base.Source raises."""
    with in_turn(), access(pod.team, repo) as way:
        return sources.source().branches(repo, credential=way.credential)


def filled(repo: str, found: Branches | None) -> list[Input]:
    """The inputs of the form for the repository and the branch; `found`: those it has, None where nobody knows."""
    spec = {"source": {"repo": repo, "branch": found.default if found else ""}}
    form = ResourceForm(kinds.get("App"), spec, {})
    inputs = {one.field.path: one for section in form.sections().values() for one in section}
    branch = inputs[BRANCH]
    if found and found.names and not found.more:
        usual = f"The default branch ({found.default})" if found.default else "The default branch"
        options = (("", usual), *((name, name) for name in found.names))
        branch = replace(branch, field=replace(branch.field, widget="select", options=options))
    return [inputs[REPO], branch]
