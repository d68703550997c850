"""Which host names a pod's routes have. Each has one owner; all of this runs with the pod's row locked."""

from __future__ import annotations

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.core.errors import Conflict, Detail, Invalid
from apps.pods.domains import claims
from apps.pods.models import HostName, Pod


def main_host(pod_name: str) -> str:
    return f"{pod_name}.{settings.BRAINPOD.domain}"


def reserve(pod: Pod) -> None:
    """Keep `<pod>.<domain>` for the pod's first route. Raises Conflict."""
    _take(pod, main_host(pod.name), "")


def assign(pod: Pod, route: str) -> str:
    """The host of `route`: the pod's own for its first one, `<route>-<pod>.<domain>` after. Raises Conflict."""
    owned = pod.hosts.filter(custom=False, route=route).first()
    if owned:
        return owned.host
    host = main_host(pod.name)
    if pod.hosts.filter(host=host, route="").update(route=route):
        return host
    if pod.hosts.filter(host=host).exists():
        label = f"{route}-{pod.name}"
        if len(label) > 63:
            raise Invalid(
                [Detail("name", f"must be at most {62 - len(pod.name)} characters: it is part of a host name.")]
            )
        host = f"{label}.{settings.BRAINPOD.domain}"
    _take(pod, host, route)
    return host


def release_unused(pod: Pod) -> None:
    """Give up the hosts of routes that no revision has any more; the pod's own is kept for the next route.

    And the domains that nothing names which is live, was deployed last or is about to be.
    """
    claims.release_unused(pod)
    for owned in pod.hosts.filter(custom=False).exclude(route=""):
        if pod.revisions.filter(resources__kind="Route", resources__name=owned.route).exists():
            continue
        if owned.host == main_host(pod.name):
            pod.hosts.filter(pk=owned.pk).update(route="")
        else:
            owned.delete()


def _take(pod: Pod, host: str, route: str) -> None:
    host = host.lower()
    taken = Conflict("host_taken", f"The host name {host} is taken.", "Choose another name.")
    if host == settings.BRAINPOD.dashboard_host.lower():
        raise taken
    try:
        with transaction.atomic():
            HostName.objects.create(host=host, pod=pod, route=route)
    except IntegrityError:
        raise taken from None
