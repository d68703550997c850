"""Files of other tools, and brainpod.yaml, into the draft of a pod, with a report of what could not be carried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from ninja import Query, Router
from pydantic import BaseModel, Field

from apps.accounts.roles import Role
from apps.api import places, schemas
from apps.api.door import Request, operation
from apps.api.ids import revision_id
from apps.core.errors import Detail, Invalid, UserError
from apps.manifests import actions
from apps.manifests.importing import FORMATS, Imported, convert, format_of
from apps.manifests.problems import FileRefused
from apps.manifests.reading import Manifest, parse
from apps.pods.models import Pod

router = Router(tags=["imports"])
MANIFEST = "brainpod.yaml"
Text = Annotated[str, Field(max_length=1_000_000)]
DryRun = Annotated[bool, Query(alias="dryRun")]


class ImportInput(schemas.Strict):
    """`files`: texts by their names: brainpod.yaml; or docker-compose.yml; or Procfile and app.json.

    `repo`, `branch`: where the code is, of files of other tools. `secrets`: values by resource and name. `keep`: leave
    what the files do not mention as it is; without it they are the whole pod.
    """

    files: Annotated[dict[str, Text], Field(min_length=1, max_length=2)]
    repo: Annotated[str, Field(max_length=1000)] = ""
    branch: Annotated[str, Field(max_length=250)] = ""
    secrets: dict[str, dict[str, Text]] = {}
    keep: bool = True


class ReportItem(BaseModel):
    """`left`: not carried; `changed`: carried as something else; `note`: something to know or to do."""

    severity: Literal["left", "changed", "note"]
    file: str
    line: int
    subject: str
    message: str


class ImportChange(BaseModel):
    """Of the draft. `kind` as the file has it."""

    kind: str
    name: str
    change: Literal["create", "update", "delete"]


class MissingSecret(BaseModel):
    resource: str
    secret: str


class Import(schemas.Linked):
    """`manifest`: the whole as brainpod.yaml. `missing`: secrets that have no value yet. `revisionId`: the draft's, and
    null after a dry run."""

    manifest: str
    report: list[ReportItem]
    changes: list[ImportChange]
    missing: list[MissingSecret]
    revisionId: str | None


@operation(
    router, "POST", "/pods/{pod}/imports", "resources:write", role=Role.DEVELOPER, answers={200: Import, 201: Import}
)
def import_files(request: Request, pod: str, payload: ImportInput, dry_run: DryRun = False) -> Any:
    """Put what files say into the draft, without deploying it; `dryRun` only tells what would change, and what could
    not be carried. Not in the public API."""
    found, by = request.auth.pod(pod), request.auth.user
    values = {(name, secret): value for name, given in payload.secrets.items() for secret, value in given.items()}
    with _told(payload):
        made = _read(payload, found)
        manifest = parse(made.text, team=found.team.slug)
        _check_named(manifest, values)
        outcome = actions.outcome(pod=found, manifest=manifest, values=values, keep=payload.keep, by=by)
        if dry_run:
            return 200, _shown(found, made, outcome, None)
        _check_given(outcome)
        row = actions.apply(pod=found, manifest=manifest, values=values, keep=payload.keep, by=by)
    return 201, _shown(found, made, outcome, revision_id(row.pk))


def _read(given: ImportInput, pod: Pod) -> Imported:
    if MANIFEST in given.files:
        if len(given.files) > 1 or given.repo or given.branch:
            raise Invalid([Detail("files", f"{MANIFEST} comes alone, and names the repositories itself.")])
        return Imported(given.files[MANIFEST], ())
    files = {}
    for name, text in given.files.items():
        if not (kind := format_of(name)):
            known = ", ".join((MANIFEST, *FORMATS.values()))
            raise Invalid([Detail(f"files.{name[:100]}", f"is none of {known}: name one of these.")])
        files[kind] = text
    if not given.repo:
        raise Invalid([Detail("repo", "is required: the address of the git repository that the code is in.")])
    return convert(files, repo=given.repo, branch=given.branch, pod=pod.name)


@contextmanager
def _told(given: ImportInput) -> Iterator[None]:
    """What is wrong stands at its line."""
    try:
        yield
    except FileRefused as error:
        whole = MANIFEST if MANIFEST in given.files else "files"
        raise Invalid(
            [Detail(it.path or whole, f"Line {it.place.line}, column {it.place.column}: {it.message}")
             for it in error.problems]
        ) from None  # fmt: skip
    except UserError as error:
        if error.code != "nothing_to_import":
            raise
        raise Invalid([Detail("files", f"{error.message} {error.hint}")]) from None


def _check_named(manifest: Manifest, values: actions.Values) -> None:
    named = {(item.name, secret) for item in manifest.resources for secret in item.named}
    if unknown := sorted(values.keys() - named):
        words = "is a value for a secret that the files do not name: name it there, or leave it out."
        raise Invalid([Detail(f"secrets.{name}.{secret}", words) for name, secret in unknown])


def _check_given(outcome: actions.Outcome) -> None:
    if outcome.missing:
        words = "is a secret without a value: give it one, or leave it out of the file."
        raise Invalid([Detail(f"secrets.{name}.{secret}", words) for name, secret in outcome.missing])


def _shown(pod: Pod, made: Imported, outcome: actions.Outcome, draft: str | None) -> dict[str, Any]:
    return {
        "manifest": made.text,
        "report": [
            {"severity": it.severity, "file": it.file, "line": it.line, "subject": it.subject, "message": it.message}
            for it in made.report
        ],
        "changes": [{"kind": it.kind, "name": it.name, "change": it.change} for it in outcome.changes],
        "missing": [{"resource": name, "secret": secret} for name, secret in outcome.missing],
        "revisionId": draft,
        "_links": {"pod": places.pod(pod.name), "plan": places.pod(pod.name, "plan")},
    }  # fmt: skip
