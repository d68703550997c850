"""What a repository has that says what a pod is made of, and the brainpod.yaml that it becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from apps import artifacts, sources
from apps.accounts.models import Team
from apps.builds.detect.project import Project
from apps.connections.access import access
from apps.core import claims
from apps.core.errors import UserError
from apps.manifests import shapes
from apps.manifests.export import rewritten
from apps.manifests.importing import convert, format_of
from apps.manifests.importing.report import Imported, Item, Making
from apps.manifests.nodes import LARGEST, Node, read, shown
from apps.manifests.problems import FileRefused

OWN = ("brainpod.yaml", "brainpod.yml")
COMPOSE = ("docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml")
HEROKU = ("Procfile", "app.json")


@dataclass(frozen=True, slots=True)
class Found:
    """`files`: the names of those that were taken."""

    commit: str
    files: tuple[str, ...]
    imported: Imported


def fetched(
    *, team: Team, repo: str, branch: str, pod: str, scratch: str, cancelled: Callable[[], bool]
) -> Found:  # fmt: skip
    """What the tip of `branch` (empty: the default one) has, cloned with what the team's connections let in.

    `scratch`: the name of where it is cloned to, which is gone afterwards. Raises Invalid, FileRefused, UserError with
    the failure's name (as Source does), "nothing_to_import", or "cancelled".
    """
    store = artifacts.artifacts()
    store.discard_scratch(scratch)
    place = store.scratch(scratch)
    try:
        clone = place / "source"
        clone.mkdir()
        with access(team, repo) as way:
            commit = sources.source().resolve(repo, branch, credential=way.credential)
            sources.source().clone(
                repo, commit, clone, branch=branch, credential=way.credential, on_line=lambda _: None,
                cancelled=cancelled,
            )  # fmt: skip
        return looked_through(Project(clone), commit, {"repo": repo} | ({"branch": branch} if branch else {}), pod)
    finally:
        claims.end(place)


def looked_through(project: Project, commit: str, source: dict[str, str], pod: str) -> Found:
    """The first there is of brainpod.yaml, a Compose file, and Procfile with app.json; raises as `fetched`."""
    there = {kind: [name for name in names if project.path(name)] for kind, names in _KINDS.items()}
    kind = next((kind for kind, names in there.items() if names), "")
    if not kind:
        words = f"The repository has no {OWN[0]}, no {COMPOSE[0]} and no {HEROKU[0]} at its top."
        raise UserError("nothing_to_import", words, "Add one of them, or add an app of the repository.", status=422)
    files = tuple(there[kind]) if kind == "heroku" else (there[kind][0],)
    made = _made(kind, {name: _text(project, name) for name in files}, source, pod)
    if others := [name for names in there.values() for name in names if name not in files]:
        message = f"was taken; {', '.join(others)} of the same repository {_were(others)} not read."
        made = replace(made, report=(Item("note", files[0], 1, " and ".join(files), message), *made.report))
    return Found(commit, files, made)


_KINDS = {"own": OWN, "compose": COMPOSE, "heroku": HEROKU}


def _were(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _text(project: Project, name: str) -> str:
    path = project.path(name)
    assert path is not None
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        words = f"{name} is too large: at most {LARGEST // 1024 // 1024} MB."
        raise UserError("nothing_to_import", words, "Make it smaller, or import what you need of it.", status=422)
    return content.decode("utf-8-sig", errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _made(kind: str, texts: dict[str, str], source: dict[str, str], pod: str) -> Imported:
    name = next(iter(texts))
    try:
        if kind == "own":
            return completed(texts[name], source, name)
        formats = {format_of(name): text for name, text in texts.items()}
        made = convert(formats, repo=source["repo"], branch=source.get("branch", ""), pod=pod)
    except FileRefused as error:
        words = "; ".join(f"{name} {problem}" for problem in error.problems)
        raise UserError(
            "file_refused", words, "Mend the file in the repository, and import it again.", status=422
        ) from None
    if kind == "compose":  # under the name that it has there
        made = replace(made, report=tuple(replace(item, file=name) for item in made.report))
    return made


def completed(text: str, source: dict[str, str], file: str) -> Imported:
    """A brainpod.yaml whose apps that say no repository have `source`. What is wrong with it is left as it is.

    Raises FileRefused for what cannot be read at all.
    """
    root = read(text)
    making = Making()
    resources: dict[str, Any] = {}
    for written, named in (root.get("resources") or Node({}, root.place)).items():
        resources[written] = {}
        for name, node in named.items():
            plain: Any = {} if node.empty else node.plain()
            if shapes.kind_named(written) == "App" and isinstance(plain, dict):
                said = plain.get("source", {})
                if isinstance(said, dict) and not said.get("repo"):
                    whole = source | {key: value for key, value in said.items() if value}
                    plain = {**plain, "source": whole}
                    message = "is this repository: the file says none. Its comments are left out here."
                    making.say("changed", file, named.keys[name], f"resources.App.{shown(name)}.source", message)
            resources[written][name] = plain
    if not making.report:
        return Imported(text, ())
    top = root.plain()
    return Imported(rewritten(top | {"resources": resources}), tuple(making.report))
