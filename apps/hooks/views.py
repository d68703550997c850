"""The address that git hosts post to. Every answer is `{"verdict": "…"}`, in words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from apps.core.errors import Unavailable, UserError
from apps.hooks import installations, limit, providers
from apps.hooks.keys import keys_of
from apps.hooks.receive import Verdict, keep_unsigned, plain, receive

log = structlog.get_logger(__name__)

# Bytes. GitHub's largest is 25 MB; a push of 500 commits has 1 MB. More would be kept in memory for anybody who asks.
LARGEST = 3_000_000
REFUSED = "The signature does not match. Is the secret the same on both sides, and the address complete?"


@csrf_exempt
def hook(request: HttpRequest, pod: str, app: str = "") -> JsonResponse:
    """A delivery for the pod with that id, or for one app of it alone. Who cannot sign learns nothing: not even
    whether there is such a pod.
    """

    def note() -> None:
        provider = providers.find(request.headers)
        name, delivery = (provider.name, provider.delivery(request.headers)) if provider else ("", "")
        keep_unsigned(pod_id=pod, provider=name, delivery=delivery, words=REFUSED)

    return _answered(request, pod, lambda: _handle(request, pod, app), note)


@csrf_exempt
def app_hook(request: HttpRequest, connection: str) -> JsonResponse:
    """A delivery of a GitHub App that was made here, for every pod of the team that is built from the repository."""
    return _answered(
        request,
        connection,
        lambda: installations.handle(connection, request.headers, request.body),
        lambda: installations.keep_unsigned(connection, request.headers),
    )


def _answered(
    request: HttpRequest, place: str, handle: Callable[[], Verdict], note: Callable[[], None]
) -> JsonResponse:
    """`note` writes down at `place` that nobody signed the delivery."""
    if request.method != "POST":
        return _answer("This address takes what git hosts POST to it.", 405, Allow="POST")
    if _length(request) > LARGEST:
        return _answer(f"The delivery is too large: {LARGEST // 1_000_000} MB at most. Deploy from the dashboard.", 413)
    try:
        verdict = handle()
    except UserError as error:
        if error.code == "webhook_signature" and (seconds := limit.too_many(request, place)):
            words = "Too many deliveries with a bad signature: try again later, with the pod's own secret."
            return _answer(words, 429, **{"Retry-After": str(seconds)})
        if error.code == "webhook_signature":
            return _Unsigned(note)
        return _answer(str(error), error.status)
    except UnreadablePostError:
        return _answer("The delivery ended early.", 400)
    except (Unavailable, DatabaseError) as error:
        log.error("webhook_unavailable", error=str(error))
        return _answer("The platform cannot take deliveries now. Redeliver this one in a minute.", 503)
    return _answer(verdict.words, verdict.status)


def _handle(request: HttpRequest, pod: str, app: str) -> Verdict:
    provider, body = providers.find(request.headers), request.body
    keys = keys_of(pod, app)
    if provider is None or not provider.signed(request.headers, body, keys):
        raise UserError("webhook_signature", REFUSED, status=401)
    told = provider.read(request.headers, body)
    delivery = provider.delivery(request.headers)
    return receive(pod_id=pod, provider=provider.name, delivery=delivery, told=told, app=app)


class _Unsigned(JsonResponse):
    """Noted after it was sent, so that the time it takes does not tell whether there is such a pod."""

    def __init__(self, note: Callable[[], None]) -> None:
        super().__init__({"verdict": REFUSED}, status=401)
        self._note = note

    def close(self) -> None:
        super().close()
        with contextlib.suppress(DatabaseError):
            self._note()


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _answer(verdict: str, status: int, **headers: str) -> JsonResponse:
    return JsonResponse({"verdict": plain(verdict, 500)}, status=status, headers=headers)
