"""Route: a host name, and which app answers beneath which path."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field as Constraint
from pydantic import StringConstraints, field_validator, model_validator

from apps.core.errors import Detail, Invalid
from apps.pods.kinds.base import Field, Kind, Part
from apps.pods.kinds.types import Name, Whole, doubles

_PATH = re.compile(r"/([A-Za-z0-9._~-]+/)*")
_ACME = "/.well-known/acme-challenge/"


class Rule(Part):
    """Requests beneath `path` go to `app`; with `strip`, without the path. `path` begins and ends with a slash."""

    path: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = "/"
    app: Name
    strip: bool = False

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        path = path if path.endswith("/") else f"{path}/"
        if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise Invalid("must be a path such as /api: a slash, then letters, digits, dots, hyphens and slashes.")
        if path.startswith(_ACME):
            raise Invalid("belongs to the platform, which proves there that it owns the host name.")
        return path


class Spec(Part):
    """`hostname` is assigned by the platform when the route is made; left out on input."""

    hostname: str = ""
    rules: tuple[Rule, ...] = ()
    timeout: Annotated[Whole, Constraint(ge=1, le=300)] = 60
    bodyLimit: Annotated[Whole, Constraint(ge=1, le=1024)] = 100
    enabled: bool = True
    maintenance: bool = False

    @field_validator("rules")
    @classmethod
    def _longest_first(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        wrong = doubles((rule.path for rule in rules), "{}.path", "{} has two rules: remove one of them.")
        if len(rules) > 20:
            wrong.append(Detail("", "must be at most 20 rules: make another route for more."))
        if wrong:
            raise Invalid(wrong)
        return tuple(sorted(rules, key=lambda rule: (-len(rule.path), rule.path)))

    @model_validator(mode="after")
    def _some(self) -> Spec:
        if not self.rules:
            raise Invalid([Detail("rules", "must have at least one rule: a path, and the app that answers there.")])
        return self


FORM = (
    Field("hostname", "Host name", section="Route", read_only=True, hint="Assigned when the route is made."),
    Field(
        "rules", "Rules", "rules", section="Route",
        hint="The longest path that fits wins. Strip takes the path away before the app sees it.",
    ),
    Field("enabled", "Enabled", "checkbox", section="Answers", hint="Off: visitors get 403."),
    Field("maintenance", "Maintenance page", "checkbox", section="Answers", hint="On: visitors get a page saying so."),
    Field(
        "timeout", "Time limit of a request", "number", section="Limits", unit="s", minimum=1, maximum=300,
    ),
    Field("bodyLimit", "Largest request body", "number", section="Limits", unit="MB", minimum=1, maximum=1024),
)  # fmt: skip

ROUTE = Kind(
    name="Route",
    plural="Routes",
    icon="route",
    about="A host name that leads to your apps, by path.",
    Spec=Spec,
    form=FORM,
    references=lambda spec: {rule.app for rule in spec.rules},
)
