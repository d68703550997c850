"""An app that is pushed to from people's machines: how that is chosen, and how its page says where to push."""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.errors import Detail, Invalid
from apps.dashboard.resource_forms import ResourceForm
from apps.pods.kinds.app_form import PUSH
from apps.pods.models import Pod, Resource
from apps.pushes.door import SCHEME, pushed_to, remote


@dataclass(frozen=True, slots=True)
class Card:
    """`remote`: the address to push to. `branch`: the one that is deployed. `live`: something of it was deployed."""

    remote: str
    branch: str
    live: bool


def push_card(pod: Pod, app: Resource) -> Card | None:
    """None for what is not pushed to."""
    if not pushed_to(app, pod.team):
        return None
    branch = app.spec["source"].get("branch") or "main"
    return Card(remote(pod, app.name), branch, bool(pod.live and app.name in pod.live.snapshot()))


def tick(form: ResourceForm, pod: Pod, app: Resource) -> None:
    """Show the choice as it was made."""
    if pushed_to(app, pod.team):
        form.spec[PUSH] = True


def choose(form: ResourceForm, pod: Pod) -> None:
    """Give an app that is to be pushed to its repository. Raises Invalid naming `source.repo`."""
    if form.kind.name != "App" or not form.aside(PUSH):
        return
    own = f"{SCHEME}{pod.team.slug}/"
    source = form.spec.setdefault("source", {})
    if not source.get("repo"):
        source["repo"] = f"{own}{pod.name}/{form.name}"
    elif not source["repo"].startswith(own):
        raise Invalid([Detail("source.repo", "must be empty for an app that you push from your machine.")])
