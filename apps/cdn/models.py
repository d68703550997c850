"""Which zone of Cloudflare's a pod is behind. The token is in the secret store."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.pods.models import Pod


class CloudflareZone(models.Model):
    """`zone`: its id at Cloudflare. `version`: of the token at `path`. `result`: what the last purge came to."""

    pod = models.OneToOneField(Pod, on_delete=models.CASCADE, related_name="cloudflare")
    zone = models.CharField(max_length=32)
    version = models.PositiveIntegerField()
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    set_at = models.DateTimeField(auto_now=True)
    purged_at = models.DateTimeField(null=True)
    succeeded = models.BooleanField(default=False)
    result = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "Cloudflare zone"

    def __str__(self) -> str:
        return self.zone


def path_of(pod_id: str) -> str:
    """Where the token is kept. No Config has a secret of this name: theirs have no hyphen."""
    return f"pods/{pod_id}/cdn/cloudflare-token"
