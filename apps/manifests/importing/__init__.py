"""Files of other tools as brainpod.yaml, with a report of what could not be carried."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from apps.core.errors import UserError
from apps.manifests.importing import compose, heroku
from apps.manifests.importing.report import Imported

__all__ = ["Imported", "convert", "format_of"]

FORMATS = {"compose": "docker-compose.yml", "procfile": "Procfile", "app_json": "app.json"}
_COMPOSE = {f"{name}.{end}" for name in ("docker-compose", "compose") for end in ("yml", "yaml")}


def format_of(name: str) -> str:
    """The key in FORMATS of a file called `name`; empty: it is none of them."""
    base = PurePosixPath(name.replace("\\", "/")).name
    known = {"Procfile": "procfile", "app.json": "app_json"}
    return "compose" if base in _COMPOSE else known.get(base, "")


def convert(files: Mapping[str, str], *, repo: str, branch: str = "", pod: str = "") -> Imported:
    """`files` by their format; `repo`: where the code is. Raises FileRefused, UserError("nothing_to_import")."""
    source = {"repo": repo} | ({"branch": branch} if branch else {})
    if "compose" in files and len(files) == 1:
        return compose.imported(files["compose"], source=source, pod=pod)
    if files and "compose" not in files:
        given = (files.get("procfile", ""), files.get("app_json", ""))
        return heroku.imported(*given, source=source, pod=pod)
    message = "A docker-compose.yml comes alone; a Procfile and an app.json may come together."
    raise UserError("nothing_to_import", message, "Choose those files, or paste one.", status=422)
