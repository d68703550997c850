"""What users describe: pods, their numbered revisions, and the resources of each."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Membership, Team
from apps.accounts.roles import Role
from apps.core.ids import new_id

if TYPE_CHECKING:
    from apps.accounts.models import User


class Lineage(models.TextChoices):
    """What a pod is to its parent; empty where it has none."""

    STAGING = "staging", "Staging"
    PREVIEW = "preview", "Preview"


class PodQuerySet(models.QuerySet["Pod"]):
    def visible_to(self, user: User) -> PodQuerySet:
        """The pods of the teams `user` is a member of."""
        return self.filter(team__in=Team.objects.of(user))


class Pod(models.Model):
    """What is deployed together and versioned together.

    `live` is the revision whose deployment was completed last: what runs, or should. `head` is the revision that was
    deployed last, whether it got there or not: what the next draft starts from. `parent`: the pod it was branched off
    (apps/pods/children.py); a child has no children. `seeded`: its databases begin with what is in the parent's
    backups.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="pods")
    name = models.CharField(max_length=40, unique=True)  # part of host names, hence unique on the platform
    region = models.CharField(max_length=40, default="local")  # where it is built
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    live = models.ForeignKey("Revision", null=True, on_delete=models.SET_NULL, related_name="+")
    head = models.ForeignKey("Revision", null=True, on_delete=models.SET_NULL, related_name="+")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    lineage = models.CharField(max_length=8, choices=Lineage.choices, default="", db_default="", blank=True)
    seeded = models.BooleanField(default=False, db_default=False, editable=False)
    webhook_path = models.CharField(max_length=64, default="", blank=True)  # see apps.hooks: where the secret is kept
    # Counts what makes answers kept by the edge old: going live, and being asked to forget them.
    cache_generation = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    deleting_at = models.DateTimeField(null=True, editable=False)

    objects = PodQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(parent=None, lineage="") | Q(parent__isnull=False, lineage__in=Lineage.values),
                name="children_have_a_lineage",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def roles_from(self) -> str | None:
        """The id of the pod whose roles hold in this one: a preview has none but its parent's."""
        return self.parent_id if self.lineage == Lineage.PREVIEW else self.pk

    @property
    def draft(self) -> Revision | None:
        """The draft the team shares, if anybody changed something since the last deploy."""
        return self.revisions.filter(sealed_at=None).first()


class PodRole(models.Model):
    """What a member may in one pod and its previews, instead of what they may in the team. Read by
    apps/accounts/gate.py alone.
    """

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="pod_roles")
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=9, choices=Role.choices)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("membership", "pod"), name="one_role_per_pod"),)

    def __str__(self) -> str:
        return f"{self.membership.user} is {self.role} in {self.pod}"


class Revision(models.Model):
    """Everything that could run. A draft has no `sealed_at` and no `version`; a sealed revision never changes.

    `engine` is the name of the one it runs on; empty: the installation's default.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="revisions")
    version = models.PositiveIntegerField(null=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="children")
    summary = models.CharField(max_length=200, blank=True)
    engine = models.CharField(max_length=20, default="", db_default="", blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    sealed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-version",)
        constraints = (
            models.UniqueConstraint(fields=("pod", "version"), name="one_revision_per_version"),
            models.UniqueConstraint(fields=("pod",), condition=Q(sealed_at=None), name="one_draft_per_pod"),
            models.CheckConstraint(
                condition=Q(sealed_at=None, version=None) | Q(sealed_at__isnull=False, version__isnull=False),
                name="sealed_revisions_have_a_version",
            ),
        )

    def __str__(self) -> str:
        return f"v{self.version}" if self.version else "draft"

    @property
    def is_draft(self) -> bool:
        return self.sealed_at is None

    def snapshot(self) -> Snapshot:
        """Its resources by name. A sealed revision's never change, so that its row in memory reads them once."""
        if not self.is_draft:
            models.prefetch_related_objects([self], "resources")
        return {r.name: r for r in self.resources.all()}


class Resource(models.Model):
    """One part of a revision. `spec` is what apps.pods.kinds.get(kind).Spec made of the input, as JSON."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="resources")
    kind = models.CharField(max_length=20)  # apps.pods.kinds
    name = models.CharField(max_length=63)
    spec = models.JSONField(default=dict)

    class Meta:
        ordering = ("kind", "name")
        constraints = (models.UniqueConstraint(fields=("revision", "name"), name="one_resource_per_name"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def token(self) -> str:
        """What a form was filled from: changes when the kind or the spec does, and is the same in a copy."""
        content = json.dumps([self.kind, self.spec], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class DomainState(models.TextChoices):
    """Of a custom domain. `verified` and `misdirected` ones are the pod's own; the others are claims of it."""

    PENDING = "pending"  # not proven yet, or no longer; looked for
    VERIFIED = "verified"
    MISDIRECTED = "misdirected"  # proven once, and the DNS leads elsewhere now
    EXPIRED = "expired"  # a claim that was not proven in time: looked for when asked


class HostNameQuerySet(models.QuerySet["HostName"]):
    def owned(self) -> HostNameQuerySet:
        """Those that have an owner, one each: assigned by the platform, or proven."""
        return self.filter(Q(custom=False) | Q(verified_at__isnull=False))


class HostName(models.Model):
    """A name that a pod's route answers to: assigned by the platform, or a custom domain. Each has one owner.

    Assigned: `route` is whose it is; empty: kept for the pod's first route, so that no route of another pod takes
    `<pod>.<domain>`. Custom: a claim of the pod, as many as there are pods, until one proves it (`verified_at`); the
    revision says which route answers. `route` is then the one that named it last. docs/domains.md has the rules.
    """

    host = models.CharField(max_length=253)  # A-labels, lower case
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="hosts")
    route = models.CharField(max_length=63, blank=True)
    custom = models.BooleanField(default=False, db_default=False)
    state = models.CharField(max_length=12, choices=DomainState.choices, default="", db_default="", blank=True)
    proof = models.CharField(max_length=8, default="", db_default="", blank=True)  # txt | cname | address
    claimed_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)  # when `state` last changed
    checked_at = models.DateTimeField(null=True)
    check_at = models.DateTimeField(null=True, db_index=True)  # when to look next; null: when asked
    found = models.JSONField(null=True)  # what the last look found: apps/dns/lookup.py

    objects = HostNameQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("host",), condition=Q(custom=False) | Q(verified_at__isnull=False), name="one_owner_per_host"
            ),
            models.UniqueConstraint(fields=("pod", "host"), name="one_claim_per_pod_and_host"),
            models.UniqueConstraint(fields=("pod", "route"), condition=Q(custom=False), name="one_host_per_route"),
            models.CheckConstraint(
                condition=Q(custom=False, state="", verified_at=None)
                | Q(custom=True, state__in=("verified", "misdirected"), verified_at__isnull=False)
                | Q(custom=True, state__in=("pending", "expired"), verified_at=None),
                name="proven_hosts_have_a_time",
            ),
        )
        indexes = (models.Index(fields=("host",)),)

    def __str__(self) -> str:
        return self.host


class DomainProof(models.Model):
    """What a team proves a domain with, and when it last did. Kept when the domain is released: who had it before
    decides what the next one has to show. `team` null: one that is gone.
    """

    team = models.ForeignKey(Team, null=True, on_delete=models.SET_NULL, related_name="+")
    host = models.CharField(max_length=253)
    zone = models.CharField(max_length=253, db_index=True)  # what was registered: example.co.uk
    token = models.CharField(max_length=32, unique=True, default=new_id)  # no secret: it stands in the DNS
    made_at = models.DateTimeField(auto_now_add=True)
    proven_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "host"), name="one_proof_per_team_and_host"),)

    def __str__(self) -> str:
        return self.host


class AppKey(models.Model):
    """A key that the edge lets clients of an app in with. Of the key itself only a digest is kept (apps/pods/keys.py).

    `name` is the readable part of the key. `ends_at`: when it stops counting, once another was made.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="app_keys")
    app = models.CharField(max_length=63)
    name = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=22)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("pod", "app")),)

    def __str__(self) -> str:
        return f"{self.app}: {self.name}"


class RoutePassword(models.Model):
    """What the edge compares with: the hash of a route's password, whose version is that in the secret store."""

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="route_passwords")
    route = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    hashed = models.CharField(max_length=80)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "route", "version"), name="one_hash_per_version"),)

    def __str__(self) -> str:
        return f"{self.route}: version {self.version}"


Snapshot = dict[str, Resource]
Spec = dict[str, Any]
