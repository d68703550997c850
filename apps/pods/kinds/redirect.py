"""What a route does before an app is asked: redirects; and what it adds to answers: headers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints, field_validator, model_validator

from apps.core.errors import Detail, Invalid
from apps.edge.inputs import check_header, check_host, check_source, check_target
from apps.pods.kinds.base import Part

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


class Redirect(Part):
    """Requests for `source` are sent to `target`. `source`: a path, a host, or a host and a path (docs/routes.md)."""

    source: Text
    target: Text
    status: Literal[301, 302, 307, 308] = 307

    @field_validator("source")
    @classmethod
    def _source(cls, source: str) -> str:
        host, slash, path = source.partition("/")
        if host and (problem := check_host(host.lower())):
            raise Invalid(f"must be a path such as /old, or a host such as www.example.com: {host} {problem}.")
        if slash and (problem := check_source(f"/{path}")):
            raise Invalid(problem)
        if not source:
            raise Invalid("is required: a path such as /old, or a host such as www.example.com.")
        return f"{host.lower()}{slash}{path}"

    @model_validator(mode="after")
    def _whole(self) -> Redirect:
        host, slash, path = self.source.partition("/")
        problem = check_target(self.target, f"/{path}" if slash else "/*")
        if self.target in (self.source, f"https://{self.source}", f"http://{self.source}"):
            problem = "must be another place: this one leads to itself."
        elif host and not slash and self.target.startswith("/"):
            problem = "must be an address such as https://example.com: all of a host cannot go to a path of it."
        if problem:
            raise Invalid([Detail("target", problem)])
        return self


class Header(Part):
    name: Text
    value: Text

    @model_validator(mode="after")
    def _whole(self) -> Header:
        if wrong := [Detail(field, message) for field, message in check_header(self.name, self.value)]:
            raise Invalid(wrong)
        return self
