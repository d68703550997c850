"""A job of an app: a command that is run by the clock, with everything the app has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field as Constraint
from pydantic import StringConstraints, field_validator, model_validator

from apps.core.errors import Detail, Invalid
from apps.core.names import check_name
from apps.core.schedules import Schedule
from apps.pods.kinds.base import Part
from apps.pods.kinds.types import Command, Whole, doubles

MOST = 20  # of one app

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class Job(Part):
    """`overlap`: what becomes of a run that is due while the one before it is not over. `keep`: runs remembered.

    `timeout` in seconds. `catchUp`: of runs missed while the platform was down, the last is made up for.
    """

    name: str
    schedule: Text
    command: Command
    timeZone: Text = "UTC"
    timeout: Annotated[Whole, Constraint(ge=1, le=86400)] = 3600
    overlap: Literal["skip", "allow", "replace"] = "skip"
    enabled: bool = True
    catchUp: bool = False
    keep: Annotated[Whole, Constraint(ge=1, le=200)] = 20

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name, "", longest=40)

    @field_validator("command")
    @classmethod
    def _some(cls, command: str) -> str:
        if not command:
            raise Invalid("is required: a command line of the app, such as python manage.py report.")
        return command

    @model_validator(mode="after")
    def _due(self) -> Job:
        self.due.check()
        return self

    @property
    def due(self) -> Schedule:
        return Schedule(self.schedule, self.timeZone)


def check_jobs(jobs: tuple[Job, ...]) -> list[Detail]:
    return doubles((job.name for job in jobs), "jobs.{}.name", "{} is there twice: choose another name.")
