"""The registry by which images travel between machines.

The images themselves go between it and a Docker daemon (apps/engines/docker/transfer.py). Here it is asked whether it
answers and lets us in, what a tag stands for, and to forget what nobody needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import requests
from docker import auth
from requests.auth import AuthBase, HTTPBasicAuth

from apps.core.errors import PlatformError, Unavailable

_SECONDS = (5.0, 60.0)  # to connect, and between two bytes of an answer
_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3})(:\d+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "oci.image.index.v1",
    )
)
_UNKNOWN = 404
_NOT_ALLOWED = (400, 403, 405)  # what registries answer that keep everything


@dataclass(frozen=True, slots=True)
class Registry:
    """`prefix`: a host, perhaps with a port and a path, beneath which every repository of ours is.

    Without a `username` the Docker configuration of the platform's user says who we are. `ca`: a file of certificates.
    """

    prefix: str
    username: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""

    @property
    def host(self) -> str:
        return self.prefix.partition("/")[0]

    def login(self, reference: str) -> dict[str, str] | None:
        """What a daemon is given to fetch or store `reference` with; None: what Docker's own configuration says."""
        ours = bool(self.username) and reference.startswith(f"{self.prefix}/")
        return {"username": self.username, "password": self.password} if ours else None

    def check(self) -> None:
        """Raises Unavailable while it does not answer, PlatformError("registry_refused") if it does not let us in."""
        self._ask("GET", "", "")

    def digest(self, repository: str, tag: str) -> str:
        """What `tag` stands for; empty if there is none. `repository` with its host. Raises as `check`."""
        answer = self._ask("HEAD", f"{self._path(repository)}/manifests/{tag}", f"{self._path(repository)}:pull")
        return "" if answer.status_code == _UNKNOWN else answer.headers.get("Docker-Content-Digest", "")

    def delete(self, repository: str, digest: str) -> bool:
        """Have the image forgotten, whatever its tags; one that is gone is no error. False: it keeps everything."""
        path = self._path(repository)
        answer = self._ask("DELETE", f"{path}/manifests/{digest}", f"{path}:pull,push,delete", other=_NOT_ALLOWED)
        return answer.status_code not in _NOT_ALLOWED

    def _path(self, repository: str) -> str:
        return repository.partition("/")[2]

    def _ask(self, method: str, path: str, scope: str, other: tuple[int, ...] = ()) -> requests.Response:
        """Answers that are no success, `_UNKNOWN` or one of `other` are raised."""
        here = bool(_LOOPBACK.fullmatch(self.host))
        host = "registry-1.docker.io" if self.host == "docker.io" else self.host
        url = f"{'http' if here else 'https'}://{host}/v2/{path}"
        try:
            with requests.Session() as session:
                session.trust_env = not here  # no proxy leads back to this machine
                session.headers["Accept"] = _MANIFESTS
                answer = self._sent(session, method, url, _Nobody())
                if answer.status_code == 401:
                    who = self._answered(session, answer.headers.get("WWW-Authenticate", ""), scope)
                    answer = self._sent(session, method, url, who)
        except requests.RequestException as error:
            words = f"The registry {self.host} does not answer: {error}"
            raise Unavailable("registry_unavailable", words, "Start it, or correct BRAINPOD_REGISTRY.") from error
        if answer.status_code in (401, 403) and answer.status_code not in other:
            raise self._refused(answer)
        if answer.status_code >= 400 and answer.status_code not in (_UNKNOWN, *other):
            words = f"The registry {self.host} answers with {answer.status_code} {answer.reason}."
            raise Unavailable("registry_unavailable", words, "Its log says why.")
        return answer

    def _sent(
        self, session: requests.Session, method: str, url: str, auth: AuthBase, **given: Any
    ) -> requests.Response:
        return session.request(method, url, timeout=_SECONDS, auth=auth, verify=self.ca or True, **given)

    def _answered(self, session: requests.Session, challenge: str, scope: str) -> AuthBase:
        """Who we are, in the way that `challenge` asks for."""
        name, password = self._credentials()
        basic = HTTPBasicAuth(name, password) if name else _Nobody()
        if not challenge.lower().startswith("bearer"):
            return basic
        asked = dict(_CHALLENGE.findall(challenge))
        wanted = {"service": asked.get("service", ""), "scope": f"repository:{scope}" if scope else ""}
        params = {key: value for key, value in wanted.items() if value}
        given = self._sent(session, "GET", asked.get("realm", ""), basic, params=params)
        if given.status_code >= 400:
            raise self._refused(given)
        said = given.json()
        return _Bearer(str(said.get("token") or said.get("access_token") or ""))

    def _credentials(self) -> tuple[str, str]:
        if self.username:
            return self.username, self.password
        found = auth.load_config().resolve_authconfig(self.host) or {}
        name, password = (str(found.get(key) or found.get(key.lower()) or "") for key in ("Username", "Password"))
        return name, password

    def _refused(self, answer: requests.Response) -> PlatformError:
        words = f"The registry {self.host} does not accept the credentials ({answer.status_code})."
        hint = "Correct BRAINPOD_REGISTRY_USER and BRAINPOD_REGISTRY_PASSWORD, or what they may do there."
        return PlatformError("registry_refused", words, hint)


class _Nobody(AuthBase):
    """Says nothing, and keeps a netrc from saying anything."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
