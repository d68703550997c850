"""Blueprints: what there is to install, what each asks, and installing one into the draft of a pod."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from ninja import Body, Router
from pydantic import ConfigDict

from apps.accounts.roles import Role
from apps.api import places, schemas
from apps.api.door import Request, operation
from apps.api.resources_shown import mutation
from apps.blueprints import actions, catalogue
from apps.blueprints.inputs import Input
from apps.blueprints.reading import Blueprint
from apps.core.errors import Detail, Invalid

router = Router(tags=["blueprints"])


class InstallInput(schemas.Strict):
    """`input`: an answer to each input, by its name."""

    input: dict[str, Any]


class Shown(schemas.Linked):
    id: str
    name: str
    category: Literal["software", "framework"]
    description: str = ""
    tagline: str = ""
    tags: list[str] = []
    version: str = ""

    model_config = ConfigDict(title="Blueprint")


class Detailed(Shown):
    body: str
    defaults: dict[str, Any]
    inputSchema: dict[str, Any]

    model_config = ConfigDict(title="BlueprintDetail")


@operation(router, "GET", "/blueprints", answers={200: list[Shown]})
def list_blueprints(request: Request) -> Any:
    """The blueprints that everybody has, and the team's own."""
    return [_shown(entry.blueprint) for entry in catalogue.entries(request.auth.team)]


@operation(router, "GET", "/blueprints/{blueprint}", answers={200: Detailed})
def get_blueprint(request: Request, blueprint: str) -> Any:
    """One of them: what it says of itself, and the JSON schema of its inputs."""
    found = catalogue.find(blueprint, request.auth.team).blueprint
    return _shown(found) | {
        "body": found.description or found.tagline,
        "defaults": {one.name: _default(one) for one in found.inputs if one.default},
        "inputSchema": schema(found),
    }


@operation(
    router, "POST", "/pods/{pod}/blueprints/{blueprint}/install", "resources:write", role=Role.DEVELOPER,
    answers={201: schemas.ResourceMutation},
)  # fmt: skip
def install_blueprint(request: Request, pod: str, blueprint: str, payload: Annotated[InstallInput, Body()]) -> Any:
    """Put a blueprint's resources into the pod's draft, beside what is there, without deploying it."""
    found = request.auth.pod(pod)
    wanted = catalogue.find(blueprint, request.auth.team).blueprint
    try:
        row = actions.install(pod=found, blueprint=wanted, given=payload.input, by=request.auth.user)
    except Invalid as error:
        named = [Detail(f"input.{one.path}" if one.path else "input", one.message) for one in error.details]
        raise Invalid(named) from None
    snapshot = row.snapshot()
    return 201, mutation(found, row, [snapshot[name] for _, name in wanted.makes()])


def _shown(one: Blueprint) -> dict[str, Any]:
    told = {
        "id": one.name, "name": one.title, "category": one.category, "description": one.description,
        "tagline": one.tagline, "tags": list(one.tags), "version": one.release,
    }  # fmt: skip
    link = {"self": places.link(f"/blueprints/{quote(one.name)}")}
    return {name: value for name, value in told.items() if value or name in ("id", "name", "category")} | {
        "_links": link
    }


def _default(one: Input) -> Any:
    return one.default == "true" if one.kind == "boolean" else one.default


def schema(found: Blueprint) -> dict[str, Any]:
    """The JSON schema of an installation's input."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {one.name: _property(one) for one in found.inputs},
        "required": [one.name for one in found.inputs if one.required and not (one.generate or one.default)],
        "additionalProperties": False,
    }


def _property(one: Input) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "boolean" if one.kind == "boolean" else "string", "title": one.label}
    if one.help:
        made["description"] = one.help
    if one.default:
        made["default"] = _default(one)
    if one.choices:
        made["enum"] = list(one.choices)
    if one.pattern:
        made["pattern"] = f"^(?:{one.pattern})$"
    if one.kind == "hostname":
        made["format"] = "hostname"
    if one.secret:
        made |= {"format": "password", "writeOnly": True}
    return made
