"""manage.py blueprint: what there is to install, one of them in full, installing it, and a team's own."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import Team
from apps.blueprints import actions, catalogue
from apps.blueprints.drawn import drawn
from apps.blueprints.reading import Blueprint
from apps.core.errors import PlatformError, UserError
from apps.manifests.nodes import LARGEST
from apps.pods.models import Pod


class Command(BaseCommand):
    help = "List blueprints, show one, install one into a pod, write a pod as one, or add one to a team's own."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="what there is")
        listing.add_argument("--team", default="", help="with the team's own")
        showing = verbs.add_parser("show", help="what one asks and makes")
        showing.add_argument("name")
        showing.add_argument("--team", default="")
        drawing = verbs.add_parser("draw", help="print what is live of a pod as a blueprint")
        drawing.add_argument("pod")
        drawing.add_argument("--team", default="", help="whose it is, to make sure")
        adding = verbs.add_parser("add", help="add a file to a team's own")
        adding.add_argument("file")
        adding.add_argument("--team", required=True)
        installing = verbs.add_parser("install", help="into the draft of a pod")
        installing.add_argument("name")
        installing.add_argument("pod", help="the pod; one that is not there is made with --team")
        installing.add_argument("--team", default="")
        installing.add_argument("--input", action="append", default=[], metavar="NAME=VALUE", help="an answer")
        words = "an answer from a file: secrets are not for command lines"
        installing.add_argument("--input-file", action="append", default=[], metavar="NAME=FILE", help=words)
        installing.add_argument("--deploy", action="store_true", help="deploy the draft afterwards")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            team = _team(options["team"])
            if options["verb"] == "list":
                for entry in catalogue.entries(team):
                    self.stdout.write(f"{entry.blueprint.name:24} {entry.blueprint.title}")
            elif options["verb"] == "show":
                self._show(catalogue.find(options["name"], team).blueprint)
            elif options["verb"] == "draw":
                self._draw(options["pod"], team)
            elif options["verb"] == "add":
                assert team is not None
                with open(options["file"], encoding="utf-8-sig", errors="replace") as file:
                    row = actions.add(team=team, text=file.read(LARGEST + 1), by=None)
                self.stdout.write(f"{row.name} is among the blueprints of {team.slug}.")
            else:
                self._install(options, team)
        except (UserError, PlatformError, OSError) as error:
            raise CommandError(str(error)) from None

    def _show(self, found: Blueprint) -> None:
        self.stdout.write(f"{found.title}\n{found.tagline}\n\n{found.description}".rstrip())
        for one in found.inputs:
            kind = f"{one.kind}: {', '.join(one.choices)}" if one.choices else one.kind
            rest = "made up if not given" if one.generate else f"default {one.default}" if one.default else ""
            rest = rest or ("required" if one.required else "may be left out")
            self.stdout.write(f"  {one.name} ({kind}; {rest}): {one.label}")

    def _draw(self, name: str, team: Team | None) -> None:
        pod = Pod.objects.select_related("team", "live").filter(name=name).first()
        if pod is None or pod.live is None or team not in (None, pod.team):
            raise CommandError(f"There is no pod called {name} that is live.")
        found = drawn(pod, pod.live)
        self.stdout.write(found.text, ending="")
        for note in found.notes:
            self.stderr.write(note, self.style.NOTICE)

    def _install(self, options: dict[str, Any], team: Team | None) -> None:
        pod = Pod.objects.select_related("team").filter(name=options["pod"]).first()
        if pod is not None and team is not None and pod.team_id != team.pk:
            raise CommandError(f"There is no pod called {pod.name} in the team {team.slug}.")
        owner = pod.team if pod else team
        if owner is None:
            raise CommandError(f"There is no pod called {options['pod']}: --team SLUG makes it there.")
        found = catalogue.find(options["name"], owner).blueprint
        given = _pairs(options["input"]) | {
            name: _content(file) for name, file in _pairs(options["input_file"]).items()
        }
        if pod is None:
            pod = actions.install_new(team=owner, name=options["pod"], blueprint=found, given=given, by=None)
        else:
            actions.install(pod=pod, blueprint=found, given=given, by=None)
        self.stdout.write(f"{found.title} is in the draft of {pod.name}.")
        if options["deploy"]:
            row = actions.deploy(pod=pod, blueprint=found, by=None)
            self.stdout.write(f"{row.revision} of {pod.name} is being deployed.")


def _team(slug: str) -> Team | None:
    if not slug:
        return None
    team = Team.objects.filter(slug=slug).first()
    if team is None:
        raise CommandError(f"There is no team {slug}.")
    return team


def _pairs(given: list[str]) -> dict[str, str]:
    for one in given:
        if "=" not in one:
            raise CommandError(f"{one.partition('=')[0]}: write NAME=VALUE.")
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def _content(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read(10_000).rstrip("\n")
