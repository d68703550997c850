"""Which blueprints there are: those of the installation, files of `blueprints/`, and a team's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog
from django.conf import settings

from apps.accounts.models import Team
from apps.blueprints.models import TeamBlueprint
from apps.blueprints.reading import Blueprint, read_blueprint
from apps.core.errors import NotFound
from apps.manifests.problems import FileRefused

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """`own`: the team's row it comes from; None: everybody has it."""

    blueprint: Blueprint
    own: TeamBlueprint | None = None

    def matches(self, words: str) -> bool:
        """Whether every one of `words` is in what is said of it."""
        one = self.blueprint
        text = " ".join((one.name, one.title, one.tagline, one.category, *one.tags)).lower()
        return all(word in text for word in words.lower().split())


def folder() -> Path:
    return Path(settings.ROOT) / "blueprints"


@cache
def shipped() -> dict[str, Blueprint]:
    """By name. Raises FileRefused for a file that does not hold."""
    found = (read_file(path) for path in sorted(folder().glob("*.yaml")))
    return {one.name: one for one in sorted(found, key=lambda one: one.title.lower())}


def read_file(path: Path) -> Blueprint:
    """The folders it names lie in one beside it that is called as it is."""
    return read_blueprint(path.read_bytes(), beside=path.with_suffix(""))


def entries(team: Team | Iterable[Team] | None) -> list[Entry]:
    """Of one team or several: everybody's, and then their own; one that does not hold any more is left out."""
    teams = [team] if isinstance(team, Team) else list(team or ())
    found = [Entry(one) for one in shipped().values()]
    for row in TeamBlueprint.objects.filter(team__in=teams).select_related("team", "created_by"):
        try:
            found.append(Entry(read_blueprint(row.text), row))
        except FileRefused as error:
            log.warning("blueprint_refused", team=row.team.slug, blueprint=row.name, why=str(error)[:500])
    return found


def find(name: str, team: Team | None) -> Entry:
    """The one called `name`. Raises NotFound, and FileRefused for one of the team's that does not hold any more."""
    if name in shipped():
        return Entry(shipped()[name])
    row = TeamBlueprint.objects.filter(team=team, name=name).select_related("team").first() if team else None
    if row is None:
        raise NotFound("such blueprint")
    return Entry(read_blueprint(row.text), row)
