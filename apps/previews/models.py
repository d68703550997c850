"""Previews: a pod of its own for a pull request, and what a pod's team has decided about them."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.pods.children import DatabasePolicy
from apps.pods.models import Pod

MOST = 50  # previews of one pod at once
LONGEST = 90  # days without activity
MOST_SLEEP = 1440  # minutes


class PreviewSettings(models.Model):
    """What holds for the previews of `pod`. Without a row there are none.

    `days`: how long one lives after its last activity. `sleep`: minutes without a request until its web apps sleep, 0:
    never. `variables`: by name, over those of the apps. `bases`: patterns of branches that a pull request has to be
    for; empty: any.
    """

    pod = models.OneToOneField(Pod, on_delete=models.CASCADE, related_name="preview_settings")
    enabled = models.BooleanField(default=False)
    limit = models.PositiveSmallIntegerField(default=10, validators=[MinValueValidator(1), MaxValueValidator(MOST)])
    days = models.PositiveSmallIntegerField(default=7, validators=[MinValueValidator(1), MaxValueValidator(LONGEST)])
    sleep = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(MOST_SLEEP)])
    variables = models.JSONField(default=dict)
    databases = models.CharField(max_length=6, choices=DatabasePolicy.choices, default=DatabasePolicy.EMPTY)
    bases = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "preview settings"

    def __str__(self) -> str:
        return f"previews of {self.pod}: {'on' if self.enabled else 'off'}"


class PreviewState(models.TextChoices):
    WAITING = "waiting"  # for what `why` says; there is no pod
    OPEN = "open"  # there is a pod, or a worker is making one
    CLOSED = "closed"  # the pod is being deleted, or gone


class Why(models.TextChoices):
    """What a preview, or its newest commit, waits for."""

    NOTHING = ""
    APPROVAL = "approval"  # by somebody of the team: it comes from a fork
    LIMIT = "limit"


class PreviewQuerySet(models.QuerySet["Preview"]):
    def due(self) -> PreviewQuerySet:
        """Those whose pod is not as their row says. What was refused waits until somebody asks for it again."""
        admitted = Q(is_fork=False) | Q(approved_sha=F("head_sha"))
        opening = Q(pod=None, deployed_sha="") | Q(pod__isnull=False) & ~Q(deployed_sha=F("head_sha"))
        closing = Q(state=PreviewState.CLOSED, pod__isnull=False, pod__deleting_at=None)
        return self.filter(Q(state=PreviewState.OPEN, error="") & admitted & opening | closing)


class Preview(models.Model):
    """A pull request of which there is a preview, waits for one, or was. One row each, for good: an old delivery must
    not bring back what was closed.

    `repository`: as apps.hooks.repositories writes it. `apps`: those built from it, when the newest commit came.
    `is_pull_open`: as the host says; a preview can be closed while it is. `head_sha`: the newest commit that was heard
    of (of Bitbucket its first characters), `deployed_sha`: the one whose deployment was started last, as `head_sha` has
    it, and `approved_sha`: the one that somebody has approved, of a fork. `said_at`: by the host's clock, in seconds
    since 1970. `ended`: why it was closed, in words. `error`: why the pod could not be made as it should be.
    """

    parent = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="previews")
    pod = models.OneToOneField(Pod, null=True, on_delete=models.SET_NULL, related_name="preview")
    name = models.CharField(max_length=40)  # of the pod
    repository = models.CharField(max_length=2000)
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=250, blank=True)
    author = models.CharField(max_length=100, blank=True)
    url = models.CharField(max_length=500, blank=True)  # of the pull request, http or https
    branch = models.CharField(max_length=250, blank=True)
    base = models.CharField(max_length=250, blank=True)
    ref = models.CharField(max_length=250)
    source_url = models.CharField(max_length=2000, blank=True)
    is_fork = models.BooleanField(default=False)
    head_sha = models.CharField(max_length=64)
    before_sha = models.CharField(max_length=64, blank=True)
    approved_sha = models.CharField(max_length=64, blank=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    deployed_sha = models.CharField(max_length=64, blank=True)
    apps = models.JSONField(default=list)
    is_pull_open = models.BooleanField(default=True)
    state = models.CharField(max_length=7, choices=PreviewState.choices)
    why = models.CharField(max_length=8, choices=Why.choices, blank=True)
    ended = models.CharField(max_length=200, blank=True)
    error = models.CharField(max_length=500, blank=True)
    said_at = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    active_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = PreviewQuerySet.as_manager()

    class Meta:
        ordering = ("-active_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("parent", "repository", "number"), name="one_preview_per_pull_request"),
        )
        indexes = (models.Index(fields=("state",)),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_admitted(self) -> bool:
        """Whether its newest commit may be built and run."""
        return not self.is_fork or self.approved_sha == self.head_sha
