"""Installing a blueprint, and the blueprints that a team has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from apps.accounts.models import Team
from apps.audit import trail
from apps.blueprints import catalogue
from apps.blueprints.models import TeamBlueprint
from apps.blueprints.reading import Blueprint, read_blueprint
from apps.blueprints.sources import address, stored
from apps.core.errors import Conflict, Detail, Invalid
from apps.deployments.models import Deployment
from apps.manifests import actions as manifests
from apps.manifests.problems import FileRefused
from apps.pods.databases import newest_here
from apps.pods.kinds import DATABASES
from apps.pods.models import Pod, Revision

if TYPE_CHECKING:
    from apps.accounts.models import User

MOST = 100  # of a team


def install(*, pod: Pod, blueprint: Blueprint, given: Mapping[str, Any], by: User | None) -> Revision:
    """Put the resources of `blueprint` into the draft, which is returned, beside what is there.

    Raises Invalid, its paths the names of inputs (of what they make together: none), Conflict("name_taken" |
    "host_taken" | "repository_exists"), Unavailable; then nothing has changed.
    """
    values = blueprint.answers(given)
    repositories = {app: address(pod, one.of or app) for app, one in blueprint.sources.items()}
    versions = {kind.name: newest_here(kind, pod.draft or pod.head) for kind in DATABASES}
    try:
        found = blueprint.manifest(values, team=pod.team.slug, address=repositories, versions=versions)
        found = replace(found, resources=tuple(replace(one, create=True) for one in found.resources))
        secrets = blueprint.secrets(values)
        with stored(pod, blueprint.sources, f"From the blueprint {blueprint.title}"):
            row = manifests.apply(pod=pod, manifest=found, values=secrets, keep=True, by=by)
    except FileRefused as error:
        raise Invalid([Detail("", f"{one.path} {one.message}") for one in error.problems]) from None
    trail.note("blueprint.install", by=by, about=pod, blueprint=blueprint.name)
    return row


def install_new(
    *, team: Team, name: str, blueprint: Blueprint, given: Mapping[str, Any], by: User | None
) -> Pod:  # fmt: skip
    """A new pod with the blueprint in its draft; raises as `create_pod` and `install` do, and then there is none."""
    blueprint.answers(given)
    with manifests.made(team=team, name=name, by=by) as pod:
        install(pod=pod, blueprint=blueprint, given=given, by=by)
    return pod


def deploy(*, pod: Pod, blueprint: Blueprint, by: User | None) -> Deployment:
    """Deploy the draft that installing made. Raises as `deploy_draft`."""
    return manifests.deploy(pod=pod, summary=f"From the blueprint {blueprint.title}"[:200], confirmed=False, by=by)


def add(*, team: Team, text: str, by: User | None) -> TeamBlueprint:
    """Give the team a blueprint of its own. Raises FileRefused, Conflict("name_taken"), Invalid for too many."""
    found = read_blueprint(text)
    if found.name in catalogue.shipped():
        raise Conflict("name_taken", f"There is a blueprint {found.name} for everybody.", "Give yours another name.")
    if team.blueprints.count() >= MOST:
        raise Invalid([Detail("text", f"is one too many: a team has at most {MOST}. Delete another.")])
    try:
        with transaction.atomic():
            row = TeamBlueprint.objects.create(team=team, name=found.name, text=text, created_by=by)
            trail.note("blueprint.add", by=by, about=row)
            return row
    except IntegrityError:
        message = f"The team has a blueprint {found.name} already."
        raise Conflict("name_taken", message, "Delete that one first, or give this one another name.") from None


@transaction.atomic
def remove(*, row: TeamBlueprint, by: User | None) -> None:
    """Pods that were installed from it stay as they are."""
    trail.note("blueprint.remove", by=by, about=row)
    row.delete()
