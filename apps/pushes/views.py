"""The addresses of the git server: who asks is known by a token, and what they may by their role in its team.

Git shows the text of an answer that refuses only for the first request of a push or clone, so everything that can be
refused is refused there.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apps.accounts import tokens
from apps.core import room
from apps.core.errors import PlatformError, UserError
from apps.pushes import arrival, door
from apps.pushes.attending import Attendant
from apps.pushes.backend import Backend, Cut
from apps.pushes.door import Repository
from apps.pushes.first import Place, empty_or
from apps.pushes.transfers import transfer

RECEIVE, UPLOAD = "git-receive-pack", "git-upload-pack"
ASKED = 10 * 1024 * 1024  # bytes of what a clone may ask for
PROTOCOL = re.compile(r"[a-z0-9=:]{1,100}")
HOOKS = Path(__file__).with_name("hook")
STATUS = {"aborted": 400, "late": 408, "large": 413}
_MB = 1024 * 1024
MARGIN = 8  # MB beyond the limit that are read on, for git to say itself that it is too much

log = structlog.get_logger(__name__)


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponseBase:
    return _said(404, "There is no such repository: the address ends in /git/<pod>.git or /git/<pod>/<app>.git.")


@csrf_exempt
def refs(request: HttpRequest, pod: str, app: str = "") -> HttpResponseBase:
    """What the repository has; of one that a push would make: nothing yet. Changes nothing."""
    named = request.GET.get("service", "")
    if request.method not in ("GET", "HEAD"):
        return _said(405, "This address takes GET.")
    if named not in (RECEIVE, UPLOAD):
        return _said(403, "Only git's smart protocol is spoken here: use a git of 1.6.6 or newer.")
    try:
        found = _let_in(request, pod, app, named)
        with transfer():
            with empty_or(found) as path:
                config = _receiving() if named == RECEIVE else ()
                return _answered(_backend(request, path, named, "info/refs", config))
    except (UserError, PlatformError, DatabaseError, Cut) as error:
        return _refused(error)


@csrf_exempt
def service(request: HttpRequest, pod: str, service: str, app: str = "") -> HttpResponseBase:
    """A pack that is pushed, or one that is asked for."""
    if request.method != "POST":
        return _said(405, "This address takes POST.")
    if request.content_type != f"application/x-{service}-request":
        return _said(415, "This address takes what git sends.")
    try:
        found = _let_in(request, pod, app, service)
        return _received(request, found) if service == RECEIVE else _handed_out(request, found)
    except (UserError, PlatformError, DatabaseError, Cut) as error:
        return _refused(error)


def _let_in(request: HttpRequest, pod: str, app: str, service: str) -> Repository:
    found = door.find(tokens.password(request), pod, app, push=service == RECEIVE)
    if service == RECEIVE:
        room.check()
    elif not found.is_there:
        words = f"Nothing was pushed to {found.app} of {found.pod_name} yet."
        raise UserError("nothing_pushed", words, "Push to it first.", status=404)
    return found


def _handed_out(request: HttpRequest, found: Repository) -> HttpResponseBase:
    path = door.hosted().path(found.team.slug, found.name)
    with ExitStack() as stack:
        stack.enter_context(transfer())
        backend = _backend(request, path, UPLOAD, UPLOAD)
        stack.callback(backend.end)
        _feed(request, backend, ASKED)
        return _stream(backend, stack)


def _received(request: HttpRequest, found: Repository) -> HttpResponseBase:
    """The pack is taken in; from then on the answer is git's, with what the platform says in between.

    What is undone at the end is undone in the opposite order. Once the push has arrived git is left to finish it.
    """
    with ExitStack() as stack:
        slot = stack.enter_context(transfer())
        place = stack.enter_context(closing(Place(found)))
        arrival.protect(found, place)
        ours, theirs = socket.socketpair()
        with theirs:
            env = {"BRAINPOD_PYTHON": sys.executable, "BRAINPOD_PUSH_FD": str(theirs.fileno())}
            config = _receiving()
            attendant = Attendant(ours, found, place, arrived=slot.release)
            backend = _backend(request, place.path, RECEIVE, RECEIVE, config, env, (theirs.fileno(),))
        attendant.start()
        stack.callback(attendant.join)
        stack.callback(backend.end)
        _feed(request, backend, (settings.BRAINPOD.push_mb + MARGIN) * _MB)
        stack.callback(backend.finish)
        stack.callback(attendant.hush)
        return _stream(backend, stack)


def _receiving() -> list[str]:
    """What git is told of a push."""
    most = settings.BRAINPOD.push_mb * _MB
    return [
        "http.receivepack=true", f"receive.maxInputSize={most}", "receive.fsckObjects=true",
        "receive.denyDeleteCurrent=refuse", "receive.shallowUpdate=true", "receive.keepAlive=5",
        "receive.autogc=true", "maintenance.auto=true", "gc.auto=6700", "gc.autoDetach=false",
        f"core.hooksPath={HOOKS}", "core.bigFileThreshold=32m", "pack.threads=1",
    ]  # fmt: skip


def _backend(
    request: HttpRequest,
    path: Path,
    service: str,
    address: str,
    config: Sequence[str] = (),
    env: dict[str, str] | None = None,
    fds: Sequence[int] = (),
) -> Backend:
    """Nothing of the request's own address comes near git: it is told the repository's path and which request it is.

    Only branches and tags are there for those who push and clone.
    """
    given = {
        "GIT_PROJECT_ROOT": str(path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{address}",
        "REQUEST_METHOD": "GET" if address == "info/refs" else "POST",
        "QUERY_STRING": f"service={service}" if address == "info/refs" else "",
        "CONTENT_TYPE": "" if address == "info/refs" else f"application/x-{service}-request",
        "REMOTE_USER": "pusher",
    }
    if request.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip"):
        given["HTTP_CONTENT_ENCODING"] = "gzip"
    if PROTOCOL.fullmatch(protocol := request.headers.get("Git-Protocol", "")):
        given["GIT_PROTOCOL"] = protocol
    hidden = ["transfer.hideRefs=refs/", "transfer.hideRefs=!refs/heads/", "transfer.hideRefs=!refs/tags/"]
    shown = ["http.getanyfile=false", "uploadpack.keepAlive=5", "pack.windowMemory=64m", *hidden]
    deadline = time.monotonic() + settings.BRAINPOD.push_seconds
    return Backend(given | (env or {}), [*shown, *config], deadline=deadline, fds=fds)


def _feed(request: HttpRequest, backend: Backend, most: int) -> None:
    """Straight off the connection: Django itself would make nothing of a body whose length is not known before."""
    length = request.META.get("CONTENT_LENGTH") or ""
    expected = int(length) if length.isdecimal() else None
    if expected is not None and expected > most:
        raise Cut("large")
    source: Any = request.META["wsgi.input"]
    left = [expected]

    def read(count: int) -> bytes:
        if left[0] is None:
            return bytes(source.read(count))
        piece = bytes(source.read(min(count, left[0])))
        left[0] -= len(piece)
        return piece

    backend.feed(read, expected=expected, most=most)


def _answered(backend: Backend) -> HttpResponseBase:
    """The whole answer of a request without a body."""
    try:
        backend.feed(lambda _: b"", expected=None, most=0)
        status, headers = backend.head()
        return HttpResponse(b"".join(backend.body()), status=status, headers=headers)
    finally:
        backend.end()


class _Answer:
    """What git says, as it comes; closed once it is over, whether it was read to its end or not."""

    def __init__(self, backend: Backend, ending: ExitStack) -> None:
        self._backend, self._ending = backend, ending

    def __iter__(self) -> Iterator[bytes]:
        return self._backend.body()

    def close(self) -> None:
        self._ending.close()


def _stream(backend: Backend, ending: ExitStack) -> StreamingHttpResponse:
    """`ending` is left to the answer."""
    status, headers = backend.head()
    return StreamingHttpResponse(_Answer(backend, ending.pop_all()), status=status, headers=headers)


def _refused(error: Exception) -> HttpResponseBase:
    """In words, with the error's code; git shows them."""
    if isinstance(error, Cut):
        most = settings.BRAINPOD.push_mb
        words = {"late": "The push took too long to arrive.", "large": f"A push may have {most} MB at most."}
        return _said(STATUS[error.why], words.get(error.why, "The push ended early."))
    if isinstance(error, UserError):
        said = _said(error.status, f"{error} [{error.code}]")
        if error.status == 401:
            said["WWW-Authenticate"] = 'Basic realm="Brainpod: any name, a token as the password", charset="UTF-8"'
        return said
    if isinstance(error, PlatformError):
        log.error("push_platform_error", id=error.id, exc_info=error)
        return _said(503, f"{error.message} {error.hint}".strip() + f" ({error.id})")
    log.error("push_database", error=str(error))
    return _said(503, "The platform cannot take pushes now. Try again in a minute.")


def _said(status: int, words: str) -> HttpResponseBase:
    made = HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8")
    made["Cache-Control"] = "no-store"
    return made
