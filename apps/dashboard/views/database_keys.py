"""The keys of a Valkey: found by pattern and type, looked at, deleted, given a time to live."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.gate import Role, require
from apps.core.errors import Detail, Invalid
from apps.dashboard.access import Request, pod_page
from apps.dashboard.database_pages import cursor_of, of_request
from apps.dashboard.render import render
from apps.databases import keyspace
from apps.pods.models import Pod


@pod_page()
@require_safe
def database_keys(request: Request, pod: Pod, name: str) -> HttpResponse:
    """`?pattern=`, `?type=`, `?cursor=`: where to go on."""
    target, context = of_request(request, pod, name, "Valkey")
    pattern, kind, cursor = (request.GET.get(word, "") for word in ("pattern", "type", "cursor"))
    found = keyspace.page(target, pattern=pattern, type=kind, cursor=cursor_of(cursor))
    context |= {"found": found, "pattern": pattern, "type": kind, "cursor": cursor, "types": keyspace.TYPES}
    return render(request, "databases/keys.html", context)


@pod_page()
@require_http_methods(["GET", "HEAD", "POST"])
def database_key(request: Request, pod: Pod, name: str) -> HttpResponse:
    """`?key=`: its name in hexadecimal, since keys are bytes. A POST deletes it, or with `ttl` says how long it stays;
    that is for those who may change the pod."""
    target, context = of_request(request, pod, name, "Valkey")
    try:
        key = bytes.fromhex(request.GET.get("key", ""))
    except ValueError:
        raise Invalid([Detail("key", "The name of a key is needed in hexadecimal.")]) from None
    if request.method != "POST":
        found = keyspace.value(target, key)
        return render(request, "databases/key.html", context | {"found": found, "items": keyspace.ITEMS})
    require(request.access.role, Role.DEVELOPER)
    if request.POST.get("action") == "delete":
        keyspace.delete(target=target, by=request.user, name=key)
        messages.success(request, "The key is deleted.")
        return redirect("database-keys", pod=pod.name, name=name)
    text = request.POST.get("ttl", "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) < 12):
        raise Invalid([Detail("ttl", "Seconds are needed, or nothing for a key that stays.")])
    keyspace.expire(target=target, by=request.user, name=key, ttl=int(text) if text else None)
    messages.success(request, "The time to live is changed.")
    return redirect(reverse("database-key", args=[pod.name, name]) + f"?key={key.hex()}")
