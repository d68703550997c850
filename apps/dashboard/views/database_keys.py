"""The keys of a Valkey: found by pattern and type, looked at, deleted, given a time to live."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from apps.accounts.gate import Role, require
from apps.core.errors import Detail, Invalid
from apps.dashboard.access import Request
from apps.dashboard.database_inside import KEYS, Inside, inside_page
from apps.dashboard.database_pages import cursor_of
from apps.databases import keyspace


@inside_page(*KEYS)
def database_keys(request: Request, inside: Inside) -> HttpResponse:
    """`?pattern=`, `?type=`, `?cursor=`: where to go on."""
    pattern, kind, cursor = (request.GET.get(word, "") for word in ("pattern", "type", "cursor"))
    found = keyspace.page(inside.target, pattern=pattern, type=kind, cursor=cursor_of(cursor))
    context = {"found": found, "pattern": pattern, "type": kind, "cursor": cursor, "types": keyspace.TYPES}
    return inside.render(request, "databases/keys.html", context)


@inside_page(*KEYS, methods=("GET", "HEAD", "POST"))
def database_key(request: Request, inside: Inside) -> HttpResponse:
    """`?key=`: its name in hexadecimal, since keys are bytes. A POST deletes it, or with `ttl` says how long it stays;
    that is for those who may change the pod."""
    target = inside.target
    try:
        key = bytes.fromhex(request.GET.get("key", ""))
    except ValueError:
        raise Invalid([Detail("key", "The name of a key is needed in hexadecimal.")]) from None
    if request.method != "POST":
        found = keyspace.value(target, key)
        return inside.render(request, "databases/key.html", {"found": found})
    require(inside.role, Role.DEVELOPER)
    if request.POST.get("action") == "delete":
        keyspace.delete(target=target, by=request.user, name=key)
        messages.success(request, "The key is deleted.")
        return redirect(inside.url("keys"))
    text = request.POST.get("ttl", "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) < 12):
        raise Invalid([Detail("ttl", "Seconds are needed, or nothing for a key that stays.")])
    keyspace.expire(target=target, by=request.user, name=key, ttl=int(text) if text else None)
    messages.success(request, "The time to live is changed.")
    return redirect(inside.url("key") + f"?key={key.hex()}")
