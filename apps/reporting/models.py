"""What a git host is to be told: for each commit and app, and for each pull request, the newest alone."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from apps.pods.models import Pod

CLOSED = "closed"


class Kind(models.TextChoices):
    STATUS = "status", "Commit status"
    COMMENT = "comment", "Comment on a pull request"


class Report(models.Model):
    """`subject`: the commit, or the pull request's number. `key`: the status' context, or whose comment it is.

    `state`: of a status: pending, success, failure or error; of a comment: closed, when nothing of a deployment is to
    be written over it any more. `serial` rises with every change, so that what changed while it was sent is sent again.
    `next_at`: when it is due; None: the host knows, or `failed` says why it is not told.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="reports")
    kind = models.CharField(max_length=7, choices=Kind.choices)
    repository = models.CharField(max_length=2000)
    subject = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    state = models.CharField(max_length=7, blank=True)
    words = models.TextField()
    url = models.CharField(max_length=500)
    serial = models.PositiveIntegerField(default=1)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now, db_index=True)
    changed_at = models.DateTimeField(default=timezone.now, db_index=True)
    sent_at = models.DateTimeField(null=True)
    connection = models.CharField(max_length=16, blank=True)  # the id of the one it was sent with last
    failed = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-changed_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("pod", "kind", "repository", "subject", "key"), name="one_report_each"),
        )

    def __str__(self) -> str:
        return f"{self.key} of {self.subject[:10]}: {self.state or 'comment'}"
