"""Config: variables, secrets and files that several apps share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field as Constraint
from pydantic import field_validator, model_validator

from apps.core.errors import Detail, Invalid
from apps.core.names import check_variable
from apps.pods.kinds.base import Field, Kind, Part
from apps.pods.kinds.mount import FILE_NAME
from apps.pods.kinds.types import Variable, Whole, check_variables

LARGEST_FILES = 1024 * 1024  # bytes, together


class Spec(Part):
    """`secrets` says which version of each name counts; the values are in the secret store and nowhere else."""

    variables: Annotated[tuple[Variable, ...], Constraint(max_length=500)] = ()
    secrets: Annotated[dict[str, Annotated[Whole, Constraint(ge=1)]], Constraint(max_length=200)] = {}
    files: Annotated[dict[str, str], Constraint(max_length=50)] = {}

    @field_validator("secrets")
    @classmethod
    def _secrets(cls, secrets: dict[str, int]) -> dict[str, int]:
        for name in secrets:
            check_variable(name, name)
            if len(name) > 200:
                raise Invalid([Detail(name, "must have a name of at most 200 characters.")])
        return dict(sorted(secrets.items()))

    @field_validator("files")
    @classmethod
    def _files(cls, files: dict[str, str]) -> dict[str, str]:
        for name, text in files.items():
            if not FILE_NAME.fullmatch(name):
                raise Invalid("must have names of letters, digits, dots and hyphens, such as settings.yaml.")
            if "\0" in text:
                raise Invalid([Detail(name, "must be text without NUL characters.")])
        if sum(len(text.encode()) for text in files.values()) > LARGEST_FILES:
            raise Invalid("must be at most 1 MB together: put large files on a disk or into the repository.")
        return dict(sorted(files.items()))

    @model_validator(mode="after")
    def _once(self) -> Spec:
        wrong = check_variables(self.variables, "variables")
        for index, variable in enumerate(self.variables):
            if variable.name in self.secrets:
                message = f"{variable.name} is a secret already: remove one of the two."
                wrong.append(Detail(f"variables.{index}.name", message))
        if wrong:
            raise Invalid(wrong)
        return self


FORM = (
    Field(
        "variables", "Variables", "pairs", section="Environment",
        hint="Every app that attaches this config gets them. Elsewhere: ${config.NAME}.",
    ),
    Field(
        "secrets", "Secrets", "secrets", section="Environment",
        hint="Kept in the secret store, never shown again. A rollback brings the old values back.",
    ),
    Field(
        "files", "Files", "files", section="Files",
        hint="At most 1 MB together; an app mounts them read-only at a path of its choice.",
    ),
)  # fmt: skip

CONFIG = Kind(
    name="Config",
    plural="Configs",
    icon="adjustments",
    about="Variables, secrets and files that apps share.",
    Spec=Spec,
    form=FORM,
)
