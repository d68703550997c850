"""manage.py apply: a pod as a brainpod.yaml says it should be.

Ends with 0 when it is done or there is nothing to do, 1 when it is refused or the deployment failed, 2 from --plan when
something differs, 3 when something would be destroyed and --yes is missing.
"""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps.accounts.models import Team
from apps.core.errors import PlatformError, UserError
from apps.core.quiet import only_warnings
from apps.deployments.models import Deployment
from apps.manifests import actions
from apps.manifests.nodes import LARGEST, read
from apps.manifests.reading import Manifest, parse
from apps.manifests.wording import lines_of
from apps.pods.models import Pod

REFUSED, DIFFERS, DESTROYS = 1, 2, 3


class Command(BaseCommand):
    help = "Make the draft of a pod what a brainpod.yaml says, and deploy it with --deploy."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file; - reads what is piped in")
        parser.add_argument("--pod", default="", help="the pod; without, the one that the file names")
        parser.add_argument("--team", default="", help="whose it is: needed to make a new pod")
        parser.add_argument("--secrets", type=Path, metavar="FILE", help="YAML with values: config, NAME: value")
        parser.add_argument("--keep", action="store_true", help="leave what the file does not mention")
        parser.add_argument("--plan", action="store_true", help="only say what would change")
        parser.add_argument("--deploy", action="store_true", help="deploy the draft afterwards")
        parser.add_argument("--yes", action="store_true", help="agree to what is destroyed")
        parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="for the deployment to end")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with only_warnings():
                self._apply(options)
        except (UserError, PlatformError, OSError) as error:
            raise CommandError(_words(error), returncode=REFUSED) from None

    def _apply(self, options: dict[str, Any]) -> None:
        content = _content(options["file"])
        pod = _pod(options["pod"], content)
        if isinstance(pod, str) or (options["team"] and pod.team.slug != options["team"]):
            team, pod = _team(options["team"], pod)
        else:
            team = pod.team
        manifest = parse(content, team=team.slug)
        values = _values(options["secrets"])
        found = self._outcome(pod, team, manifest, values, options)
        for line in lines_of(found):
            self.stdout.write(line)
        if options["plan"]:
            if found.anything:
                raise SystemExit(DIFFERS)
            return
        if found.plan.destructive and options["deploy"] and not options["yes"]:
            raise CommandError("Deploying this destroys data. Add --yes to agree.", returncode=DESTROYS)
        with actions.made(team=team, name=pod, by=None) if isinstance(pod, str) else nullcontext(pod) as there:
            if found.anything or isinstance(pod, str):
                actions.apply(pod=there, manifest=manifest, values=values, keep=options["keep"], by=None)
                self.stdout.write(f"The draft of {there.name} is what the file says.")
        if options["deploy"] and found.deployable:
            self._deploy(there, options)

    def _outcome(
        self, pod: Pod | str, team: Team, manifest: Manifest, values: actions.Values, options: dict[str, Any]
    ) -> actions.Outcome:
        if isinstance(pod, Pod):
            return actions.outcome(pod=pod, manifest=manifest, values=values, keep=options["keep"], by=None)
        with transaction.atomic():
            self.stdout.write(f"Makes the pod {pod} in the team {team.slug}.")
            with actions.made(team=team, name=pod, by=None) as new:
                found = actions.outcome(pod=new, manifest=manifest, values=values, keep=options["keep"], by=None)
            transaction.set_rollback(True)
        return found

    def _deploy(self, pod: Pod, options: dict[str, Any]) -> None:
        row = actions.deploy(pod=pod, summary="From a file", confirmed=options["yes"], by=None)
        self.stdout.write(f"{row.revision} of {pod.name} is being deployed.")
        deadline = time.monotonic() + options["wait"]
        while options["wait"] and row.is_open and time.monotonic() < deadline:
            time.sleep(0.5)
            row = Deployment.objects.select_related("revision").get(pk=row.pk)
        if options["wait"]:
            self.stdout.write(f"{row.revision} of {pod.name}: {row.state}.")
            if row.state != "ready":
                raise CommandError(f"It is not live: {row.error} {row.hint}".strip(), returncode=REFUSED)


def _words(error: Exception) -> str:
    problems = getattr(error, "problems", None)
    return "\n".join(map(str, problems)) if problems else str(error)


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(LARGEST + 1)
    with Path(name).open("rb") as file:
        return file.read(LARGEST + 1)


def _pod(named: str, content: bytes) -> Pod | str:
    """The pod, or the name of one that is to be made."""
    node = read(content).get("pod")
    name = named or (node.text if node else "") or ""
    if not name:
        raise CommandError("Say which pod: the file names none. --pod NAME.", returncode=REFUSED)
    return Pod.objects.select_related("team").filter(name=name).first() or name


def _team(slug: str, pod: Pod | str) -> tuple[Team, str]:
    """The team of a new pod. A pod of another team is not there."""
    if isinstance(pod, Pod):
        raise CommandError(f"There is no pod called {pod.name} in the team {slug}.", returncode=REFUSED)
    team = Team.objects.filter(slug=slug).first()
    if team is None:
        words = f"There is no team {slug}." if slug else f"There is no pod called {pod}: --team SLUG makes it there."
        raise CommandError(words, returncode=REFUSED)
    return team, pod


def _values(path: Path | None) -> dict[tuple[str, str], str]:
    if path is None:
        return {}
    found = {}
    for name, secrets in read(path.read_bytes()).items():
        for secret, value in secrets.items():
            if value.text is None:
                raise CommandError(f"{path}: {name}.{secret} must be text.", returncode=REFUSED)
            found[name, secret] = value.text
    return found
