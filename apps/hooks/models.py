"""Webhooks in: the address of a pod, what came in on it, and how far each app has followed its branch."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.models import Team
from apps.connections.models import Connection
from apps.core.leases import Leased
from apps.deployments.models import Deployment
from apps.pods.models import Pod


class Webhook(models.Model):
    """The key of a pod's address is in the secret store, at `Pod.webhook_path`; here is only its version.

    Each version holds the key and the one it replaced, which counts until `old_until`.
    """

    pod = models.OneToOneField(Pod, on_delete=models.CASCADE, related_name="webhook")
    version = models.PositiveIntegerField()
    made_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(null=True)
    old_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"webhook of {self.pod_id}"

    @property
    def old_counts(self) -> bool:
        return self.old_until is not None and self.old_until > timezone.now()


class AppSecret(models.Model):
    """That the key of one app's own address was replaced alone: the `turn`th is the present one.

    Without a row it is the first, 0. The one before counts until `old_until`. No key is here: apps/hooks/keys.py.
    """

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="app_secrets")
    app = models.CharField(max_length=63)
    turn = models.PositiveIntegerField(default=0)
    rotated_at = models.DateTimeField(null=True)
    old_until = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("webhook", "app"), name="one_secret_per_app"),)

    def __str__(self) -> str:
        return f"webhook secret of {self.app}"

    @property
    def old_counts(self) -> bool:
        return self.old_until is not None and self.old_until > timezone.now()


class Tip(models.Model):
    """How far an app has followed its branch: the newest push that was judged for it, whether it deployed or not.

    `pushed_at` in seconds since 1970 by the host's clock; None where the host does not say.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="tips")
    app = models.CharField(max_length=63)
    repository = models.CharField(max_length=2000)
    branch = models.CharField(max_length=250)
    head = models.CharField(max_length=64)
    before = models.CharField(max_length=64, blank=True)
    pushed_at = models.BigIntegerField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "app"), name="one_tip_per_app"),)

    def __str__(self) -> str:
        return f"{self.app} at {self.head[:7]}"


class Outcome(models.TextChoices):
    DEPLOYING = "deploying"
    NOTHING = "nothing"  # all is well and there was nothing to do
    REFUSED = "refused"  # it asked for something that cannot be done now
    UNSIGNED = "unsigned"  # nobody knows who sent it


class Receipt(models.Model):
    """A delivery and what became of it, in words.

    `event`: what it told, as apps.hooks.events writes it, to be judged again, and `app` where it came on the address of
    one alone; None where that is of no use.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="receipts")
    provider = models.CharField(max_length=20)
    delivery = models.CharField(max_length=64, blank=True)
    about = models.CharField(max_length=250, blank=True)  # the branch or tag
    head = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    verdict = models.CharField(max_length=500)
    event = models.JSONField(null=True)
    again_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.SET_NULL, related_name="+")
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.verdict


class AppReceipt(models.Model):
    """A delivery of a team's GitHub App and what became of it, in words; `pods`: the names of those it concerned.

    Each of them has a Receipt of its own, to be judged again.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="receipts")
    provider = models.CharField(max_length=20, blank=True)
    delivery = models.CharField(max_length=64, blank=True)
    about = models.CharField(max_length=250, blank=True)
    pods = models.CharField(max_length=250, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    verdict = models.CharField(max_length=500)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.verdict


class Registration(Leased):
    """The pod's webhook at a repository's host, put there by the platform; it outlives its pod until it is taken away.

    `repository`: as apps.hooks.repositories writes it. `address` and `version` (of the key) are those that the host
    was given; 0: none yet. `failed`: why the host could not be told of another, or have it taken away; it is not tried
    again before `next_at`.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    pod = models.ForeignKey(Pod, null=True, on_delete=models.SET_NULL, related_name="registrations")
    repository = models.CharField(max_length=2000)
    address = models.CharField(max_length=300)
    version = models.PositiveIntegerField()
    registered_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(default=timezone.now, db_index=True)
    tries = models.PositiveSmallIntegerField(default=0)
    failed = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "repository"), name="one_registration_each"),)

    def __str__(self) -> str:
        return f"webhook at {self.repository}"
