"""A git host's own API at `served`: answers as the hosts document them, and what it was asked."""

from __future__ import annotations

import datetime
import json
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.sources.conftest import Served

ROOTS = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1", "bitbucket": "/2.0"}


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str


Answer = Callable[[Asked, re.Match[str]], tuple[int, Any]]


@dataclass
class ApiHost:
    """`routes`: by method and a pattern of the whole path beneath the API. Who asks has to show `authorization`."""

    served: Served
    provider: str
    authorization: str
    routes: list[tuple[str, str, Answer]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.served.pages = self.answer

    def on(self, method: str, pattern: str, answer: Answer | tuple[int, Any]) -> None:
        given = answer if callable(answer) else lambda asked, match: answer
        self.routes.insert(0, (method, pattern, given))

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: str
    ) -> tuple[int, dict[str, str], bytes] | None:
        place, _, query = path.partition("?")
        if not place.startswith(ROOTS[self.provider]):
            return None
        made = Asked(
            method, place.removeprefix(ROOTS[self.provider]), dict(urllib.parse.parse_qsl(query)),
            json.loads(body) if body else None, headers.get("Authorization", ""),
        )  # fmt: skip
        self.asked.append(made)
        status, said = self._said(made)
        return status, {"Content-Type": "application/json"}, json.dumps(said).encode() if status != 204 else b""

    def _said(self, asked: Asked) -> tuple[int, Any]:
        if self.authorization and asked.authorization != self.authorization and "/access_tokens" not in asked.path:
            return 401, {"message": "Bad credentials"}
        for method, pattern, answer in self.routes:
            if method == asked.method and (match := re.fullmatch(pattern, asked.path)):
                return answer(asked, match)
        return 404, {"message": "Not Found"}

    def row(self, name: str, **more: Any) -> dict[str, Any]:
        """A repository as this kind of host describes one in its lists."""
        url = f"{self.served.url}/{name}.git"
        owner, short = name.split("/", 1)
        match self.provider:
            case "gitlab":
                return {"path_with_namespace": name, "http_url_to_repo": url, "visibility": "private"} | more
            case "bitbucket":
                href = url.replace("https://", f"https://{owner}@")
                links = {"clone": [{"name": "https", "href": href}, {"name": "ssh", "href": "git@x:y"}]}
                return {"full_name": name, "is_private": True, "links": links} | more
            case _:
                return {"full_name": name, "name": short, "clone_url": url, "private": True, "archived": False} | more

    def lists(self, pattern: str, names: list[str], size: int = 100, inner: str = "", **more: Any) -> None:
        """Pages of `size` of the repositories called `names`."""

        def page(asked: Asked, match: re.Match[str]) -> tuple[int, Any]:
            first = (int(asked.query.get("page", "1")) - 1) * size
            rows = [self.row(name, **more) for name in names[first : first + size]]
            if not inner:
                return 200, rows
            said: dict[str, Any] = {inner: rows}
            if inner == "repositories":
                said["total_count"] = len(names)
            elif first + size < len(names):
                said["next"] = "https://elsewhere.example.org/"
            return 200, said

        self.on("GET", pattern, page)

    def app(self, token: str = "ghs_" + "p" * 30, granted: tuple[str, ...] = ("metadata", "contents")) -> None:
        """Gives a GitHub App tokens with permissions of `granted`."""

        def issue(asked: Asked, match: re.Match[str]) -> tuple[int, Any]:
            if not set(asked.body["permissions"]) <= set(granted):
                return 422, {"message": "The permissions requested are not granted to this installation."}
            ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
            return 201, {"token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

        self.on("POST", r"/app/installations/\d+/access_tokens", issue)
        self.authorization = f"Bearer {token}"
