"""Rows that ask something of a slow host on a person's behalf; apps/deployments/errands.py has them worked on."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.core.states import Transitions
from apps.pods.models import Pod


class Errand(Leased):
    """Asked for by a person, worked on by one worker at a time, and ended: as wished, or `failed` with an error in
    words for people. Past the `deadline` it has failed, whoever works on it.

    A subclass has the `pod` it is about, a `state`, and in `moves` which states lead where: those that lead anywhere
    are open ones.
    """

    moves: ClassVar[Transitions]
    pod: models.ForeignKey[Pod, Pod]
    pod_id: str
    state: models.CharField[str, str]

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField()

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        return self.state in self.moves
