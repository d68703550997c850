"""The daemon's API. Thread-safe; after a fork each process talks over its own connections."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException

from apps.core.errors import PlatformError, Unavailable

SOCKET = "unix:///var/run/docker.sock"
ANSWER = 60.0  # seconds an ordinary answer may take
IDLE = 30.0  # seconds after which a stream in which nothing happens is opened anew
FULL = "no space left on device"
AWAY = (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, ConnectionError, TimeoutError)


def address(host: str) -> str:
    """`host` as a setting or DOCKER_HOST has it, a bare path included; empty: the usual socket."""
    return f"unix://{host}" if host.startswith("/") else host or SOCKET


class Daemon:
    def __init__(self, host: str) -> None:
        self.host = address(host)
        self._local = threading.local()
        self._info: dict[str, Any] = {}

    @property
    def here(self) -> bool:
        """Whether the daemon runs on this machine: its processes, directories and loopback are ours."""
        return self.host.startswith("unix://")

    @property
    def api(self) -> Any:
        """This thread's docker.APIClient. Use it within `asking`."""
        pid, client = getattr(self._local, "client", (0, None))
        if pid != os.getpid():
            client = docker.APIClient(base_url=self.host, version="auto", timeout=ANSWER)
            client.trust_env = not self.here  # no proxy leads to a socket; looking for one took half a ms a question
            self._local.client = (os.getpid(), client)
        return client

    @contextmanager
    def asking(self) -> Iterator[Any]:
        """The API, its failures told in the platform's words: Unavailable, or PlatformError("engine_docker")."""
        try:
            yield self.api
        except APIError as error:
            words = error.explanation or str(error)
            if FULL in words:
                hint = "Make room where the daemon keeps its data: `docker system df` says what takes it."
                raise PlatformError("engine_disk_full", f"The Docker daemon's disk is full: {words}", hint) from error
            raise PlatformError("engine_docker", f"Docker refused: {words}", "The daemon's log says more.") from error
        except AWAY as error:
            hint = "Is it running, and may the platform's user open its socket?"
            raise Unavailable("engine_unavailable", f"The Docker daemon does not answer: {error}", hint) from error

    def info(self) -> dict[str, Any]:
        """What the daemon said of itself last; asked once."""
        if not self._info:
            with self.asking() as api:
                self._info = api.info()
        return self._info

    def forget(self) -> None:
        """Ask again what the daemon is: another may have taken its place."""
        self._info = {}

    def stream(self, path: str, params: Mapping[str, Any], idle: float = IDLE) -> Iterator[bytes]:
        """The body of GET `path` as it comes; ends when nothing came for `idle` seconds. Use it within `asking`."""
        api = self.api
        url = f"{api.base_url}/v{api.api_version}{path}"
        response = api.get(url, params=params, stream=True, timeout=(ANSWER, idle))
        if response.status_code >= 400:
            try:
                api._raise_for_status(response)
            finally:
                response.close()
        return _chunks(response)

    def events(self, filters: Mapping[str, list[str]]) -> Iterator[dict[str, Any] | None]:
        """Events of containers from now on, None now and then; subscribed when this returns. Within `asking`."""
        path, wanted = "/events", json.dumps({"type": ["container"], **filters})
        first = self.stream(path, {"filters": wanted})
        return self._events(first, path, wanted)

    def _events(self, chunks: Iterator[bytes], path: str, wanted: str) -> Iterator[dict[str, Any] | None]:
        since = ""
        while True:
            rest = b""
            for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                for raw in whole:
                    event = json.loads(raw)
                    since = str(event.get("time", since))
                    yield event
            yield None
            self.api.ping()
            chunks = self.stream(path, {"filters": wanted} | ({"since": since} if since else {}))


def _chunks(response: Any) -> Iterator[bytes]:
    try:
        for chunk in response.iter_content(chunk_size=None):
            if chunk:
                yield bytes(chunk)
    except requests.ConnectionError as error:
        if not isinstance(error.args[0] if error.args else None, urllib3.exceptions.ReadTimeoutError):
            raise
    except requests.ReadTimeout:
        return
    finally:
        response.close()
