"""Which repository an address names, and whether the bearer of a token may push to it or clone it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from apps.accounts import gate, policies
from apps.accounts.models import ApiToken, Team, User
from apps.accounts.policies import pod_urn
from apps.accounts.roles import Role
from apps.builds.inputs import has_source
from apps.core.errors import Conflict, NotFound, UserError
from apps.core.names import check_name
from apps.deployments.actions import revision_under_way
from apps.pods.models import Pod, Resource, Revision, Snapshot
from apps.pods.resources import check_resource_name
from apps.sources.hosted import Hosted
from apps.sources.urls import check_url

FIRST_APP = "web"  # what the app of a pod is called that a push makes
SCHEME = "brainpod:"


@dataclass(frozen=True, slots=True)
class Repository:
    """`pod` is None for one that a push would make. `name`: as in the address `brainpod:<team>/<name>`. `token`: that
    it is pushed with.
    """

    token: ApiToken
    team: Team
    pod: Pod | None
    pod_name: str
    app: str
    name: str

    @property
    def user(self) -> User:
        return self.token.user

    @property
    def url(self) -> str:
        return f"{SCHEME}{self.team.slug}/{self.name}"

    @property
    def is_there(self) -> bool:
        return hosted().exists(self.team.slug, self.name)


def hosted() -> Hosted:
    return Hosted(settings.BRAINPOD.state / "repositories")


def remote(pod: Pod, app: str = "") -> str:
    """The address to push to, for people; without `app` that of a pod with one app, or none yet."""
    return f"{settings.BRAINPOD.public_address}/git/{pod.name}{f'/{app}' if app else ''}.git"


def pushed_to(resource: Resource, team: Team) -> bool:
    """Whether it is an app that is built from a repository of the team hosted here."""
    return has_source(resource) and resource.spec["source"]["repo"].startswith(f"{SCHEME}{team.slug}/")


def base(pod: Pod) -> Revision | None:
    """What a push is added to: what will be live soon, is live, or was deployed last."""
    return revision_under_way(pod) or pod.live or pod.head


def snapshot(pod: Pod) -> Snapshot:
    """What stands in what is deployed, and what the draft adds to it."""
    deployed, draft = base(pod), pod.draft
    return (draft.snapshot() if draft else {}) | (deployed.snapshot() if deployed else {})


def find(token: ApiToken, pod_name: str, app: str, *, push: bool) -> Repository:
    """The repository at `<pod>.git`, or `<pod>/<app>.git` with an app.

    Raises UserError `token_scope`, `forbidden`, Invalid for a name that cannot be, NotFound for one that is not there
    to be cloned, Conflict for one that cannot be pushed to.
    """
    team = token.team
    if team is None:
        hint = "Make one of the team on your account's page, under Tokens."
        raise UserError("token_scope", "Pushing and cloning need a token of a team.", hint, status=403)
    needs = Role.DEVELOPER if push else Role.VIEWER
    gate.access(token.user, team)
    check_resource_name(pod_name, longest=40)
    policies.require(token.policy, "revisions:deploy" if push else "resources:read", pod_urn(pod_name))
    pod = Pod.objects.select_related("team", "live", "head").filter(name=pod_name).first()
    if pod is not None and pod.team_id != team.pk:
        if push:
            raise Conflict("name_taken", f"There is a pod called {pod_name} already.", "Choose another name.")
        pod = None
    if pod is None and not push:
        raise NotFound(f"pod {pod_name} in the team of this token")
    if pod is None:
        gate.access(token.user, team, needs)
        policies.require(token.policy, "pods:create", pod_urn(pod_name))
    else:
        gate.pod_access(token.user, pod, needs)
    if pod is not None and pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Push again once it is gone, or elsewhere.")
    chosen, name = _chosen(pod, team, pod_name, app, push=push)
    if pod is None or chosen not in snapshot(pod):
        policies.require(token.policy, "resources:write", pod_urn(pod_name))
    return Repository(token, team, pod, pod_name, chosen, name)


def check_may_deploy(found: Repository, pod: Pod) -> None:
    """Raises UserError `forbidden` (403) for who may push to `found` and not deploy `pod`, NotFound."""
    gate.pod_access(found.user, pod, Role.DEVELOPER)
    policies.require(found.token.policy, "revisions:deploy", pod_urn(pod.name))


def _chosen(pod: Pod | None, team: Team, pod_name: str, app: str, *, push: bool) -> tuple[str, str]:
    """The app and the name of its repository."""
    there = snapshot(pod) if pod else {}
    ours = {r.name: r for r in there.values() if pushed_to(r, team)}
    if not app:
        app = _only(ours, there, pod_name)
    found = there.get(check_name(app))
    if found is None:
        if not push:
            raise NotFound(f"app {app} in {pod_name}")
        return app, f"{pod_name}/{app}"
    if app not in ours:
        raise Conflict("not_pushed_to", *_elsewhere(found, pod_name))
    return app, check_url(found.spec["source"]["repo"], team=team.slug).name


def _only(ours: Snapshot, there: Snapshot, pod_name: str) -> str:
    if len({resource.spec["source"]["repo"] for resource in ours.values()}) == 1:
        return min(ours)
    names = sorted(ours) or ["<app>"]
    if not any(resource.kind == "App" for resource in there.values()):
        return FIRST_APP
    choices = ", ".join(f"/git/{pod_name}/{name}.git" for name in names)
    raise Conflict("push_which_app", f"Which app of {pod_name} is meant is not clear.", f"Name it: {choices}.")


def _elsewhere(found: Resource, pod_name: str) -> tuple[str, str]:
    if not has_source(found):
        return f"{found.name} of {pod_name} is a {found.kind} without a repository.", "Push to another name."
    repo = found.spec["source"]["repo"]
    return (
        f"{found.name} of {pod_name} is built from {repo}, not from what is pushed here.",
        "Push to that repository, or choose to push from your machine in the app's configuration.",
    )
