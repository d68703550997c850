"""Files on their way to people: so many at once, each holding a thread for as long as its reader takes.

nginx sends these requests to the process of the git server (DOWNLOADS in apps/edge/render.py), which has a thread for
each place besides those for pushes: slow readers keep neither pages nor pushes waiting.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.http.response import HttpResponseBase

from apps.core.errors import UserError

AT_ONCE = 24  # in a process
Given = ParamSpec("Given")
Answer = TypeVar("Answer", bound=HttpResponseBase)
_places = threading.BoundedSemaphore(AT_ONCE)


class Place:
    """Raises UserError("downloads_many") with 429 where there is none."""

    def __init__(self) -> None:
        self._closing = threading.Lock()
        self._held = _places.acquire(blocking=False)
        if not self._held:
            words = f"{AT_ONCE} downloads are under way, which is as many as there may be at once."
            raise UserError("downloads_many", words, "Try again when one is over.", status=429)

    def give_back(self) -> None:
        """May be called more than once, from any thread."""
        with self._closing:
            held, self._held = self._held, False
        if held:
            _places.release()

    def __del__(self) -> None:
        self.give_back()  # of an answer that nobody closed


def download(view: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """A view that answers with a file: it has a place until its answer was sent or is given up."""

    @functools.wraps(view)
    def placed(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        place = Place()
        try:
            answer = view(*args, **kwargs)
        except BaseException:
            place.give_back()
            raise
        answer._resource_closers.append(place.give_back)  # type: ignore[attr-defined]
        return answer

    return placed
