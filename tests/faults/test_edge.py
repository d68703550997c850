"""nginx's configuration broken on purpose: refused before a reload, the old one serves on, and the words say where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from apps.core.errors import Unavailable
from apps.edge import nginx
from apps.edge.certificates import self_signed
from tests.edge.conftest import Stand, app, prepared
from tests.faults.test_full_disk import Ballast, small_disk

Break = Callable[[str, Stand], str]
LINE = r"next\.conf:(\d+)"


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Serves the host of an app; and in the end takes a configuration again."""
    with prepared() as made:
        made.start()
        good = app("shop.test", made.upstream().address)
        first = made.apply(good)
        yield made
        assert made.apply(good, app("more.test", "unix:/nowhere")).generation > first.generation
        assert made.edge.served().refused == ""


@pytest.fixture
def serving(stand: Stand) -> Iterator[Stand]:
    """That edge; whatever the test breaks, the old configuration serves on and is the one of the next start."""
    text, number = stand.edge.layout.configuration.read_text(), stand.edge.generation()
    yield stand
    assert stand.edge.layout.configuration.read_text() == text
    assert stand.edge.generation() == number
    assert stand.ask("shop.test").json()["name"] == "app"
    assert stand.ask("new.test").status_code == 404


def instead(old: str, new: str) -> Break:
    def broken(text: str, stand: Stand) -> str:
        assert old in text
        return text.replace(old, new.replace("HOME", str(stand.edge.layout.home)).replace("PORT", str(stand.port)), 1)

    return broken


def pair(text: str, stand: Stand, *, chain: str = "", key: str = "") -> str:
    """A server with a certificate of its own, which nginx reads when it reads the configuration."""
    home = stand.edge.layout.home
    mine, others = self_signed(["a.test"]), self_signed(["b.test"])
    (home / "pair.pem").write_text(chain or mine[0])
    (home / "pair.key").write_text(key or others[1])
    return text.replace("sendfile on;", f'ssl_certificate "{home}/pair.pem"; ssl_certificate_key "{home}/pair.key";', 1)


# What a mistake of the renderer's, or a file that is not as it was, would make of the configuration; and what is said.
WAYS: dict[str, tuple[Break, str]] = {
    "syntax": (instead("sendfile on;", "sendfile perhaps;"), rf'invalid value "perhaps".*{LINE}'),
    "unknown directive": (instead("sendfile on;", "sendfil on;"), rf'unknown directive "sendfil".*{LINE}'),
    "missing include": (
        instead("sendfile on;", 'include "HOME/nowhere.conf";'), rf"nowhere\.conf.*No such file.*{LINE}",
    ),
    "unreadable include": (instead("sendfile on;", 'include "HOME/logs";'), r"/logs.*Is a directory"),
    "listens twice": (
        instead("default_server;", "default_server; listen 127.0.0.1:PORT;"), rf"duplicate listen.*{LINE}",
    ),
    "upstream that does not resolve": (
        instead('max_fails=0; }', 'max_fails=0; server nowhere.invalid:80; }'), rf"host not found.*{LINE}",
    ),
    "another server": (instead("server {", "server { listen 127.0.0.1:9; } server {"), "servers, .* were meant"),
    "truncated": (lambda text, _: text[:3000], r'next\.conf.*expecting "}".*line \d+'),
    "garbage": (lambda text, _: text[:400] + "\x00\x7f\x1b{\u00ff" * 40 + text[400:], r"next\.conf.*line \d+"),
    "key of another certificate": (pair, r"pair\.key.*key values mismatch"),
    "certificate that is none": (lambda text, stand: pair(text, stand, chain="none"), r"pair\.pem.*PEM"),
    "missing certificate": (
        instead("sendfile on;", 'ssl_certificate "HOME/no.pem"; ssl_certificate_key "HOME/no.key";'),
        r"no\.pem.*No such file",
    ),
}  # fmt: skip


def refused(stand: Stand) -> str:
    """What is said of the next configuration, to who applies it and on the operators' page."""
    with pytest.raises(Unavailable) as caught:
        stand.apply(app("shop.test", "unix:/elsewhere"), app("new.test", "unix:/nowhere"))
    assert caught.value.code == "edge_refused"
    assert stand.edge.served().refused == caught.value.message
    return caught.value.message


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_configuration(serving: Stand, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    broken, words = WAYS[way]
    rendered = nginx.render
    monkeypatch.setattr(nginx, "render", lambda *given: broken(rendered(*given), serving))
    said = refused(serving)
    print(said)
    monkeypatch.undo()
    assert re.search(words, said, re.DOTALL), said


def test_its_disk_is_full(serving: Stand) -> None:
    """That of the configuration: what was half written is not what nginx gets."""
    conf = serving.edge.layout.configuration.parent
    kept = serving.edge.layout.configuration.read_text()
    with small_disk(conf, 1):
        serving.edge.layout.configuration.write_text(kept)
        ballast = Ballast(conf)
        ballast.leave(0)
        assert "No space left on device" in (said := refused(serving)), said
        assert "next.conf" in said
        assert serving.edge.layout.configuration.read_text() == kept
