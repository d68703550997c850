"""The code that a blueprint brings, of a folder beside it or in the file itself, put into the apps' repositories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings

from apps.core.errors import Conflict, Detail, Invalid
from apps.core.paths import check_relative
from apps.manifests.nodes import Node, shown
from apps.manifests.problems import Problem
from apps.pods.models import Pod
from apps.sources.hosted import Hosted

MOST = 200  # files of one app in a file
BRANCH = "main"
_WRONG = "must be a mapping, paths of files with the text of each, or the name of an app above that has one."


@dataclass(frozen=True, slots=True)
class Sources:
    """Of one app: a `folder`, or `files` by their paths, or those `of` another app, whose repository it shares."""

    folder: Path | None = None
    of: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def read_sources(node: Node | None, beside: Path | None, problems: list[Problem]) -> dict[str, Sources]:
    """By app. `beside`: the folder that named folders lie in; None: of a file that has none beside it."""
    if node is None or node.empty:
        return {}
    if not isinstance(node.value, dict):
        problems.append(Problem(node.place, "sources", "must be a mapping: apps, beneath them their files."))
        return {}
    found = {}
    for app, inner in node.items():
        path = f"sources.{shown(app)}"
        if isinstance(inner.value, dict):
            found[app] = Sources(files=_files(inner, path, problems))
        elif inner.text in found and not found[inner.text].of:
            found[app] = Sources(of=inner.text)
        elif beside is not None and inner.text and inner.text.isalnum() and (beside / inner.text).is_dir():
            found[app] = Sources(folder=beside / inner.text)
        else:
            problems.append(Problem(inner.place, path, _WRONG))
    return found


def _files(node: Node, path: str, problems: list[Problem]) -> dict[str, str]:
    if not 1 <= len(node.value) <= MOST:
        problems.append(Problem(node.place, path, f"must have 1 to {MOST} files."))
        return {}
    found: dict[str, str] = {}
    for name, inner in node.items():
        where = f"{path}.{shown(name)}"
        try:
            plain = check_relative(name, "")
        except Invalid as error:
            problems += [Problem(node.keys[name], where, detail.message) for detail in error.details]
            continue
        if plain != name or ".git" in name.lower().split("/"):
            problems.append(
                Problem(node.keys[name], where, "must be the path of a file in the repository: app/main.py.")
            )
        elif inner.text is None:
            problems.append(Problem(inner.place, where, "must be text: what stands in the file."))
        elif any(name.startswith(f"{other}/") or other.startswith(f"{name}/") for other in found):
            problems.append(Problem(node.keys[name], where, "is a file and a directory at once: rename one of them."))
        else:
            found[name] = inner.text
    return found


def address(pod: Pod, app: str) -> str:
    """Where the code of the app is cloned from."""
    return f"brainpod:{pod.team.slug}/{pod.name}/{app}"


@contextmanager
def stored(pod: Pod, sources: Mapping[str, Sources], message: str) -> Iterator[None]:
    """The repositories of the apps, with one commit each; gone again if the body fails.

    Raises Conflict("repository_exists") for an app that something was pushed to before; then none is made.
    """
    hosted = Hosted(settings.BRAINPOD.state / "repositories")
    team, made = pod.team.slug, []
    try:
        for app, given in sources.items():
            if given.of:
                continue
            name = f"{pod.name}/{app}"
            if hosted.exists(team, name):
                words = f"Something was pushed to {app} of {pod.name} already."
                raise Conflict("repository_exists", words, "Install into a new pod.")
            hosted.create(team, name)
            made.append(name)
            with _laid_out(given) as folder:
                hosted.commit_tree(team, name, folder, message, branch=BRANCH)
        yield
    except BaseException:
        for name in made:
            hosted.delete(team, name)
        with suppress(OSError):
            hosted.path(team, f"{pod.name}/app").parent.rmdir()  # if nothing else is in it
        raise


@contextmanager
def _laid_out(given: Sources) -> Iterator[Path]:
    """The files in a folder."""
    if given.folder is not None:
        yield given.folder
        return
    with TemporaryDirectory(prefix="blueprint-") as made:
        root = Path(made)
        for name, text in given.files.items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="")
        yield root


def check_apps(sources: Mapping[str, Sources], apps: Mapping[str, Node], node: Node) -> list[Detail]:
    """What is wrong with the apps that `sources` names."""
    wrong = []
    for app in sources:
        if app not in apps:
            wrong.append(Detail(app, "is no App of this blueprint: sources are those of its apps."))
        elif (said := apps[app].get("source")) and (said.get("repo") or said.get("branch")):
            wrong.append(Detail(app, "has its sources here: leave source.repo and source.branch out of the App."))
    return wrong
