"""Places of downloads: taken by an answer, and free again when it was sent, given up or never made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.http import StreamingHttpResponse

from apps.core import downloads
from apps.core.errors import NotFound, UserError


@downloads.download
def answered(fails: bool = False) -> StreamingHttpResponse:
    if fails:
        raise NotFound("such file")
    return StreamingHttpResponse(_pieces())


def _pieces() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


def test_so_many_at_once_and_each_place_given_back_once() -> None:
    answers = [answered() for _ in range(downloads.AT_ONCE)]
    with pytest.raises(UserError) as many:
        answered()
    assert (many.value.code, many.value.status) == ("downloads_many", 429)
    assert b"".join(answers[0]) == b"onetwo"
    answers[0].close()
    answers[0].close()
    with pytest.raises(NotFound):
        answered(fails=True)
    answers[0] = answered()
    with pytest.raises(UserError):
        answered()
    next(iter(answers[1]))
    answers.pop(1)  # nobody closes it
    answers.append(answered())
    for answer in answers:
        answer.close()
