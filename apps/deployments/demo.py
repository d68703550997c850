"""The first pod a newcomer sees: a sample app that goes through every stage."""

from __future__ import annotations

from pathlib import Path

from apps.accounts.models import Team
from apps.deployments import actions
from apps.deployments.models import Deployment, Trigger
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.sources.hosted import Hosted

NAME = "hello"


def make(*, repositories: Path, example: Path) -> Deployment:
    """The demo pod `hello` of team `home`, being deployed: the deployment there is, if one was made before, and another
    try if it was none to become live.

    `repositories`: where hosted repositories are; `example`: the app's directory.
    """
    team, _ = Team.objects.get_or_create(slug="home", defaults={"name": "home"})
    pod = Pod.objects.filter(name=NAME, team=team).first()
    if pod and (last := pod.deployments.first()):
        failed = pod.live is None and not last.is_open
        return actions.deploy_revision(pod=pod, revision=last.revision, by=None) if failed else last
    hosted = Hosted(repositories)
    if not hosted.exists(team.slug, NAME):
        hosted.create(team.slug, NAME)
        hosted.commit_tree(team.slug, NAME, example, "Say hello")
    pod = pod or pods.create_pod(team=team, name=NAME, by=None)
    app = {"source": {"repo": f"brainpod:{team.slug}/{NAME}"}, "instance": ".25x"}
    names = set(pod.draft.snapshot()) if pod.draft else set()
    for kind, name, spec in (("App", "web", app), ("Route", "site", {"rules": [{"path": "/", "app": "web"}]})):
        if name not in names:
            pods.save_resource(pod=pod, kind=kind, name=name, spec=spec, by=None, create=True)
    revision = pods.seal(pod=pod, summary="The sample app", by=None)
    return actions.start(pod=pod, revision=revision, trigger=Trigger.DEMO, by=None)
