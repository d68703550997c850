"""A team's access to a git host: who it is there, and where the secret is kept."""

from __future__ import annotations

import base64
import hashlib
import urllib.parse
from collections.abc import Iterable
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.sources.access import authority
from apps.sources.urls import ParsedUrl


class Provider(models.TextChoices):
    GITHUB = "github", "GitHub"
    GITLAB = "gitlab", "GitLab"
    BITBUCKET = "bitbucket", "Bitbucket"
    GITEA = "gitea", "Gitea or Forgejo"
    OTHER = "other", "Another"


class Kind(models.TextChoices):
    GITHUB_APP = "github_app", "GitHub App"
    TOKEN = "token", "Token"
    DEPLOY_KEY = "deploy_key", "Deploy key"
    OAUTH = "oauth", "Sign-in"

    @property
    def words(self) -> str:
        """As it stands within a sentence."""
        return self.label if self is Kind.GITHUB_APP else self.label.lower()


def repository_path(parsed: ParsedUrl) -> str:
    """`owner/repository` of an address, however it is written."""
    parts = urllib.parse.unquote(urllib.parse.urlsplit(parsed.url).path).split("/")
    return "/".join(filter(None, parts)).removesuffix(".git")


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def serving(self, parsed: ParsedUrl) -> Connection | None:
        """The one whose scope fits `parsed` most closely; of two alike the newer."""
        return best(self.filter(host=authority(parsed)), parsed)


def best(connections: Iterable[Connection], parsed: ParsedUrl) -> Connection | None:
    fitting = [connection for connection in connections if connection.fits(parsed)]
    return max(fitting, key=lambda c: (c.scope.count("/") + bool(c.scope), c.pk), default=None)


class Connection(models.Model):
    """`host` has `:port` where that is not the usual one. `scope`: the owner, or owner and repository, that it is for;
    empty: all of the host's. `path` and `version` say where the secret store keeps the secret.

    `app_page`: of a GitHub App that was made from here, its page at GitHub; until it is installed there it has no
    `installation_id` and serves nothing. `last_error`: what the host said when it was last refused, empty since it was
    last let in.

    `hook_untold`: that the secret of the app's webhook was replaced and GitHub has not taken the new one; when it has,
    the old one counts until `hook_old_until` (apps/connections/hook_secret.py).
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="connections")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    provider = models.CharField(max_length=9, choices=Provider.choices)
    host = models.CharField(max_length=260)
    scope = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=80)
    username = models.CharField(max_length=100, blank=True)
    app_id = models.CharField(max_length=40, blank=True)
    installation_id = models.CharField(max_length=20, blank=True)
    app_page = models.CharField(max_length=300, blank=True, default="", db_default="")
    public_key = models.CharField(max_length=200, blank=True)
    host_key = models.CharField(max_length=1300, blank=True)
    path = models.CharField(max_length=120)
    version = models.PositiveIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=400, blank=True)
    checked_at = models.DateTimeField(null=True)
    check_result = models.CharField(max_length=400, blank=True)
    hook_rotated_at = models.DateTimeField(null=True)
    hook_old_until = models.DateTimeField(null=True)
    hook_untold = models.BooleanField(default=False, db_default=False)

    objects: ClassVar[ConnectionQuerySet] = ConnectionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("host", "scope", "id")
        constraints = (models.UniqueConstraint(fields=("team", "name"), name="one_connection_per_name"),)

    def __str__(self) -> str:
        return f"{self.name} ({self.host})"

    @property
    def scheme(self) -> str:
        return "ssh" if self.kind == Kind.DEPLOY_KEY else "https"

    @property
    def waits(self) -> bool:
        """A GitHub App that nobody has installed yet."""
        return self.kind == Kind.GITHUB_APP and not self.installation_id

    @property
    def old_hook_counts(self) -> bool:
        return self.hook_untold or (self.hook_old_until is not None and self.hook_old_until > timezone.now())

    @property
    def host_fingerprint(self) -> str:
        """As ssh shows it, and as hosts publish it."""
        if not self.host_key:
            return ""
        raw = hashlib.sha256(base64.b64decode(self.host_key.split()[1])).digest()
        return f"SHA256:{base64.b64encode(raw).decode().rstrip('=')}"

    def fits(self, parsed: ParsedUrl) -> bool:
        """Whether it may be shown to the host of `parsed` for that repository."""
        if parsed.scheme != self.scheme or authority(parsed) != self.host or self.waits:
            return False
        scope, path = self.scope.casefold(), repository_path(parsed).casefold()
        return not scope or path == scope or path.startswith(f"{scope}/")


class OAuthApplication(models.Model):
    """What an operator registered at a git host, so that people sign in there; the secret store keeps its secret."""

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    provider = models.CharField(
        "kind of host", max_length=9, choices=[one for one in Provider.choices if one[0] != Provider.OTHER]
    )
    host = models.CharField(max_length=260, unique=True)
    client_id = models.CharField("client id", max_length=200)
    api = models.BooleanField(
        "more than cloning", default=False, db_default=False,
        help_text="Lists repositories, registers webhooks and reports back: the application has to have the scopes for "
        "it, which docs/git-access.md names. Who signed in before signs in again.",
    )  # fmt: skip
    path = models.CharField(max_length=120, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("host",)
        verbose_name = "OAuth application"

    def __str__(self) -> str:
        return f"{self.get_provider_display()} at {self.host}"


class Grant(Leased):
    """What somebody allowed by signing in; its lease is held while the tokens are renewed.

    `account`: who signed in, as the host calls them. `renew_at`: None where the host's tokens do not run out.
    """

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="grant")
    application = models.ForeignKey(OAuthApplication, on_delete=models.PROTECT, related_name="grants")
    account = models.CharField(max_length=200)
    renew_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.account} at {self.application.host}"


class Handshake(models.Model):
    """A sign-in somebody was sent off to: taken once, by the same session. `id` and `session` are digests."""

    id = models.CharField(primary_key=True, max_length=64)
    session = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    application = models.ForeignKey(OAuthApplication, on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, null=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.user} at {self.application.host}"


class AppHandshake(models.Model):
    """As Handshake, for a GitHub App: that is to be made as connection `made`, or installed as `connection`."""

    id = models.CharField(primary_key=True, max_length=64)
    session = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    host = models.CharField(max_length=260)
    made = models.CharField(max_length=16)
    connection = models.ForeignKey(Connection, null=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.user} at {self.host}"
