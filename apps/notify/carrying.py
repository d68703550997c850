"""One attempt: a message carried to one address, and how that went in words. Touches no database."""

from __future__ import annotations

import datetime
import email.utils
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.core.addresses import Network
from apps.core.errors import Invalid
from apps.core.masking import Mask
from apps.core.outbound import Answer, Unanswered
from apps.notify import mail, outgoing, signing
from apps.notify.keys import Kept
from apps.notify.models import Kind
from apps.notify.shapes import SHAPES, told

KEPT = 500  # characters of an answer
WORDS = 300
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Load:
    """`message`: its id; `body`: its JSON. `old_signs`: the replaced key still counts."""

    kind: str
    message: str
    body: str
    kept: Kept = field(repr=False)
    old_signs: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """`status`: of HTTP, None where there was no answer. `gone`: it wants no more. `wait`: seconds it asked for."""

    went: bool
    words: str
    status: int | None = None
    seconds: float = 0.0
    answer: str = ""
    gone: bool = False
    wait: float = 0.0


def carry(load: Load, allowed: Iterable[Network]) -> Result:
    """Never raises for what the other side does. Nothing of the address or the keys is in the result."""
    began = time.monotonic()
    hide = Mask(load.kept.hidden())
    try:
        if not load.kept.target:
            raise Unanswered("Its address is not in the secret store any more: give it again.")
        made = _mail(load) if load.kind == Kind.EMAIL else _post(load, tuple(allowed))
    except (Unanswered, mail.NotSent) as error:
        made = Result(False, str(error))
    except Invalid as error:
        made = Result(False, error.message)
    return Result(
        made.went, _plain(hide(made.words), WORDS), made.status, round(time.monotonic() - began, 2),
        _plain(hide(made.answer), KEPT), made.gone, made.wait,
    )  # fmt: skip


def _mail(load: Load) -> Result:
    mail.send(told(load.body), to=load.kept.target, message=load.message)
    return Result(True, "The mail server took it.")


def _post(load: Load, allowed: tuple[Network, ...]) -> Result:
    headers = {"Content-Type": "application/json"}
    if load.kind == Kind.WEBHOOK:
        body = load.body.encode()
        keys = [load.kept.key, *([load.kept.old] if load.old_signs and load.kept.old else [])]
        headers |= signing.headers(load.message, int(time.time()), body, keys)
    else:
        body = json.dumps(SHAPES[load.kind](told(load.body))).encode()
    answer = outgoing.post(outgoing.parse(load.kept.target), body, headers, allowed=allowed)
    return judged(answer)


def judged(answer: Answer) -> Result:
    status = answer.status
    went = 200 <= status < 300
    words = f"Answered {status}."
    if status in REDIRECTS:
        words = f"Answered {status}: it leads elsewhere, which is not followed. Give the address that it leads to."
    if status == 410:
        words = "Answered 410: it wants no more."
    wait = retry_after(answer.headers.get("retry-after", "")) if status in (429, 503) else 0.0
    return Result(went, words, status, answer=answer.content.decode(errors="replace"), gone=status == 410, wait=wait)


def retry_after(text: str) -> float:
    """Seconds, of either form of the header; 0 for none, or for what is no such header."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    return max(0.0, (at - datetime.datetime.now(datetime.UTC)).total_seconds())


def _plain(text: str, longest: int) -> str:
    """Without what no page or database should be given."""
    return "".join(c if c.isprintable() else " " for c in text[: 4 * longest])[:longest]
