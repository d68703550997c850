"""Clusters and images, as far as they mean something here: where pods run, and what was built.

A cluster is an engine in a region. An image is what a build of an app made, called `<pod>/<app>` with the version of
its revision as the tag; the digest is the registry's, or of what the build is made of where there is no registry.
"""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from typing import Annotated, Any, Literal

from django.conf import settings
from django.db.models import QuerySet
from ninja import Query, Router

from apps import engines
from apps.api import places, running_schemas, schemas
from apps.api.door import Request, operation
from apps.builds.models import Build, Builder
from apps.core.errors import NotFound
from apps.pods.models import Pod

router = Router()
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
LOOKED = 2000  # builds, the newest
CLUSTERS = uuid.UUID("6a0c2f6e-6a2d-5f0e-8e4f-2f5d1f6f4b52")  # the space their ids are of
Visibility = Annotated[Literal["all", "public", "pod"], Query(description="There are none but the pod's.")]


@operation(router, "GET", "/clusters", answers={200: list[schemas.Cluster]}, tags=("clusters",))
def list_clusters(request: Request) -> Any:
    """Where pods run: every engine that is offered here, in every region that builds for it."""
    regions = sorted({settings.BRAINPOD.region, *Builder.objects.values_list("region", flat=True)})
    return [
        {
            "id": str(uuid.uuid5(CLUSTERS, f"{region}/{name}")),
            "provider": name,
            "region": region,
            "architectures": [architecture()],
        }
        for region in regions
        for name in engines.offered()
    ]


@operation(
    router, "GET", "/pods/{pod}/images", "registry:pull", answers={200: running_schemas.ImageList}, tags=("images",)
)
def list_pod_images(
    request: Request,
    pod: str,
    search: Annotated[str, Query(max_length=256)] = "",
    visibility: Visibility = "all",
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Any:
    """What was built of a pod's apps and is still there, the newest first."""
    found = request.auth.pod(pod)
    shown = [] if visibility == "public" else [_shown(found, one) for one in _builds(found)[:LOOKED]]
    wanted = search.casefold()
    words = ("repository", "tag", "digest", "namespace", "architectures")
    shown = [one for one in shown if any(wanted in str(one[word]).casefold() for word in words)]
    here = places.pod(found.name, "images")
    said = {"search": search or None, "visibility": visibility, "limit": limit}
    more = offset + limit < len(shown)
    return {
        "items": shown[offset : offset + limit],
        "total": len(shown),
        "_links": {
            "self": places.query(here, **said, offset=offset),
            "next": places.query(here, **said, offset=offset + limit) if more else None,
        },
    }


@operation(
    router, "GET", "/pods/{pod}/images/inspect", "registry:pull", answers={200: running_schemas.ImageDetail},
    tags=("images",),
)  # fmt: skip
def inspect_pod_image(
    request: Request,
    pod: str,
    visibility: Annotated[Literal["public", "pod"], Query()],
    repository: Annotated[str, Query(min_length=1, max_length=512)],
    tag: Annotated[str, Query(min_length=1, max_length=128)],
) -> Any:
    """One of them, by its exact name."""
    found = request.auth.pod(pod)
    name, _, app = repository.partition("/")
    number = tag[1:] if tag[:1] == "v" and tag[1:].isascii() and tag[1:].isdecimal() and len(tag) < 10 else ""
    rows = _builds(found).filter(app=app, revision__version=int(number)) if number and name == found.name else None
    build = rows.first() if rows is not None and visibility == "pod" else None
    if build is None:
        raise NotFound("such image of this pod")
    shown = _shown(found, build)
    variant = {
        "architecture": architecture(), "digest": shown["digest"], "reference": shown["reference"], "uid": None,
        "gid": None, "exposedPorts": ["8080/tcp"] if build.artifact and build.artifact.kind != "static" else [],
        "createdAt": build.built_at or build.created_at, "updatedAt": None,
    }  # fmt: skip
    kept = ("repository", "tag", "namespace", "visibility", "reference")
    links = {"self": shown["_links"]["inspect"], "pod": shown["_links"]["pod"]}
    return {name: shown[name] for name in kept} | {"variants": [variant], "_links": links}


def architecture() -> str:
    machine = platform.machine().lower()
    return MACHINES.get(machine, machine)


def image_of(pod: Pod, build: Build) -> str:
    """What `build` is called."""
    return f"{pod.name}/{build.app}:v{build.revision.version}"


def _builds(pod: Pod) -> QuerySet[Build]:
    there = Build.objects.filter(revision__pod=pod, revision__version__isnull=False, artifact__isnull=False)
    return there.select_related("artifact", "revision").order_by("-revision__version", "app")


def _digest(build: Build) -> str:
    assert build.artifact is not None
    manifest = build.artifact.manifest
    pushed = str(manifest.get("image", "")).rpartition("@")[2]
    if pushed.startswith("sha256:"):
        return pushed
    return f"sha256:{hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()}"


def _shown(pod: Pod, build: Build) -> dict[str, Any]:
    repository, _, tag = image_of(pod, build).partition(":")
    digest = _digest(build)
    inspect = places.query(places.pod(pod.name, "images", "inspect"), visibility="pod", repository=repository, tag=tag)
    return {
        "repository": repository,
        "tag": tag,
        "namespace": pod.name,
        "visibility": "pod",
        "architectures": [architecture()],
        "digest": digest,
        "reference": f"{repository}@{digest}",
        "createdAt": build.built_at or build.created_at,
        "_links": {"self": inspect, "pod": places.pod(pod.name), "inspect": inspect},
    }
