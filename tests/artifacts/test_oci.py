"""A real registry asked by the platform: who may, what is there, and to forget it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from apps.artifacts.oci import Registry
from apps.core.errors import PlatformError, Unavailable
from tests.stack.registry import PASSWORD, USER, RegistryServer

TYPE = "application/vnd.docker.distribution.manifest.v2+json"


def put(server: RegistryServer, name: str, tag: str) -> str:
    """An image without layers; its digest."""
    url, who = f"http://{server.host}/v2/{name}", (USER, PASSWORD)
    content = json.dumps({"architecture": "amd64", "os": "linux", "tag": tag}).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with requests.Session() as session:
        session.trust_env = False
        place = session.post(f"{url}/blobs/uploads/", auth=who, timeout=60).headers["Location"]
        session.put(place, params={"digest": digest}, data=content, auth=who, timeout=60).raise_for_status()
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(content), "digest": digest}
        manifest = {"schemaVersion": 2, "mediaType": TYPE, "config": config, "layers": []}
        answer = session.put(
            f"{url}/manifests/{tag}", data=json.dumps(manifest), auth=who, headers={"Content-Type": TYPE}, timeout=60
        )
        answer.raise_for_status()
    return answer.headers["Docker-Content-Digest"]


def test_what_is_there_and_what_is_forgotten(registry: RegistryServer) -> None:
    ours, repository = registry.known(), f"{registry.prefix}/shop-web"
    ours.check()
    digest = put(registry, "brainpod/shop-web", "one")
    assert ours.digest(repository, "one") == digest
    assert ours.digest(repository, "two") == ""
    assert ours.delete(repository, digest)
    assert ours.digest(repository, "one") == ""
    assert ours.delete(repository, digest), "it is gone: no error"


def test_one_that_keeps_everything_says_so(registry: RegistryServer) -> None:
    digest = put(registry, "brainpod/shop-web", "one")
    registry.stop()
    registry.start(deletes=False)
    assert not registry.known().delete(f"{registry.prefix}/shop-web", digest)


@pytest.mark.parametrize("password", ["wrong-password", ""])
def test_who_may_not_is_told(registry: RegistryServer, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(registry.root))  # nobody there either
    other = Registry(registry.prefix, USER if password else "", password)
    with pytest.raises(PlatformError) as refusal:
        other.check()
    assert refusal.value.code == "registry_refused"
    assert "BRAINPOD_REGISTRY_PASSWORD" in refusal.value.hint
    assert "wrong-password" not in str(refusal.value) + repr(other)


def test_dockers_own_configuration_serves_where_nothing_is_set(
    registry: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": known}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    ours = Registry(registry.prefix)
    ours.check()
    assert ours.login(f"{registry.prefix}/shop-web:one") is None, "the daemon's client reads it as well"


def test_one_that_is_away_is_waited_for(registry: RegistryServer) -> None:
    registry.stop()
    with pytest.raises(Unavailable, match="does not answer"):
        registry.known().check()


def test_credentials_go_to_their_own_host_alone(registry: RegistryServer) -> None:
    ours = registry.known()
    assert ours.login(f"{registry.prefix}/a@sha256:0") == {"username": USER, "password": PASSWORD}
    assert ours.login("docker.io/library/python:3.13") is None
    assert ours.login(f"{registry.host}/others/a:b") is None
    assert ours.login(f"{registry.host}.example.com/a:b") is None


class Tokens(BaseHTTPRequestHandler):
    """Asks for a token as hosted registries do, and gives one to who knows the password."""

    asked: list[dict[str, list[str]]] = []

    def do_GET(self) -> None:
        known = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        host, said = self.headers["Host"], self.headers.get("Authorization", "")
        if self.path.startswith("/token"):
            self.asked.append(parse_qs(urlsplit(self.path).query))
            self._answer(200 if said == known else 401, b'{"token": "a-token"}')
        elif said == "Bearer a-token":
            self._answer(200, b"")
        else:
            challenge = f'Bearer realm="http://{host}/token",service="tests"'
            self._answer(401, b"", {"WWW-Authenticate": challenge})

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Docker-Content-Digest": "sha256:1", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """The test's output stays quiet."""


@pytest.fixture
def tokens() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(30)


def test_tokens_are_fetched_where_they_are_asked_for(tokens: str) -> None:
    Tokens.asked.clear()
    ours = Registry(f"{tokens}/team", USER, PASSWORD)
    ours.check()
    assert ours.digest(f"{tokens}/team/shop-web", "one") == "sha256:1"
    assert Tokens.asked == [
        {"service": ["tests"]},
        {"service": ["tests"], "scope": ["repository:team/shop-web:pull"]},
    ]
    with pytest.raises(PlatformError) as refusal:
        Registry(f"{tokens}/team", USER, "wrong").check()
    assert refusal.value.code == "registry_refused"
