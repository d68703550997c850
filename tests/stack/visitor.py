"""Somebody who uses the dashboard over HTTP as a browser without scripts would: reads pages, fills in their forms."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx

from tests.stack.platform import Platform

PASSWORD = "correct horse battery staple"


class Visitor:
    """Signed in through a one-time link of the console; `page` is what the last request answered."""

    def __init__(self, platform: Platform, email: str = "owner@example.com") -> None:
        self._platform = platform
        self._client = httpx.Client(
            base_url=platform.address,
            headers={"Host": f"localhost:{platform.port}"},
            timeout=60,
            trust_env=False,
        )
        self.page = httpx.Response(200)
        self._sign_in(email)

    def get(self, path: str) -> httpx.Response:
        """The page at `path`, which must answer 200."""
        self.page = self._follow(self._client.get(path))
        assert self.page.status_code == 200, f"{path}: {self.page.status_code}\n{self.page.text[:2000]}"
        return self.page

    def fill(self, action: str, values: dict[str, str], *, has: str = "") -> httpx.Response:
        """Send the form of the page whose action is `action` (empty: the page itself), as it is but for `values`.

        `has`: among several with that action, the one with an input of this name. Redirects are followed.
        """
        form = _form(self.page.text, action, has)
        path = urlsplit(action or str(self.page.request.url)).path
        self.page = self._follow(self._client.post(path, data={**form, **values}))
        return self.page

    def press(self, path: str) -> httpx.Response:
        """Send what a button of the page sends by script: nothing but the page's token. What comes back is a part."""
        token = _form(self.page.text, "", "csrfmiddlewaretoken", any_action=True)["csrfmiddlewaretoken"]
        return self._client.post(path, headers={"X-CSRFToken": token, "HX-Request": "true"})

    def streamed(self, path: str) -> AbstractContextManager[httpx.Response]:
        """The same, its answer read as far as somebody wants to."""
        token = _form(self.page.text, "", "csrfmiddlewaretoken", any_action=True)["csrfmiddlewaretoken"]
        return self._client.stream("POST", path, headers={"X-CSRFToken": token})

    def where(self) -> str:
        """The path of the page."""
        return urlsplit(str(self.page.request.url)).path

    def wait(self, path: str, *any_of: str, seconds: float = 180) -> str:
        """The first of `any_of` that appears on the page at `path`."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.get(path).text
            for words in any_of:
                if words in text:
                    return words
            assert time.monotonic() < deadline, f"none of {any_of} at {path}\n{self._platform.tails(8)}"
            time.sleep(0.1)

    def number(self, request: str) -> None:
        """Every request from now on has this number in `X-Request-ID`."""
        self._client.headers["X-Request-ID"] = request

    def close(self) -> None:
        self._client.close()

    def _follow(self, response: httpx.Response) -> httpx.Response:
        """Redirects lead to the dashboard's name, which only browsers resolve: the path is asked for at the address."""
        for _ in range(5):
            if not response.is_redirect:
                return response
            target = urlsplit(response.headers["location"])
            response = self._client.get(target.path + (f"?{target.query}" if target.query else ""))
        raise AssertionError("redirected for ever")

    def _sign_in(self, email: str) -> None:
        link = self._platform.signin()
        self.get(link)
        new = {"email": email, "name": "Olive Owner", "password": PASSWORD} if "/welcome/" in link else {}
        assert self.fill("", new).status_code == 200, self.page.text[:2000]


class _Forms(HTMLParser):
    """Every form of a page: its action, and what it would send untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._fields: dict[str, str] | None = None
        self._select = self._text = self._option = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        names = {name for name, _ in attrs}
        if tag == "form":
            self._fields = {}
            self.forms.append((given.get("action", ""), self._fields))
        if self._fields is None or "disabled" in names:
            return
        name = given.get("name", "")
        if tag == "input" and name and (given.get("type") not in ("checkbox", "radio") or "checked" in names):
            self._fields[name] = given.get("value", "on" if given.get("type") == "checkbox" else "")
        elif tag == "button" and name and given.get("type", "submit") == "submit":
            self._fields.setdefault(name, given.get("value", ""))
        elif tag == "textarea" and name:
            self._text = name
            self._fields[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in names or self._select not in self._fields):
            self._fields[self._select] = given.get("value", "")
            self._option = "" if "value" in names else self._select

    def handle_data(self, data: str) -> None:
        if self._option and self._fields is not None:
            self._fields[self._option] += data.strip()
        if self._text and self._fields is not None:
            # The newline right after the tag is not part of the value (the HTML standard's textarea).
            self._fields[self._text] += data if self._fields[self._text] else data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None
        elif tag == "textarea":
            self._text = ""
        elif tag == "option":
            self._option = ""
        elif tag == "select":
            self._select = ""


def _form(page: str, action: str, has: str, *, any_action: bool = False) -> dict[str, str]:
    reader = _Forms()
    reader.feed(page)
    for where, fields in reader.forms:
        if (any_action or where == action) and (not has or has in fields):
            return dict(fields)
    raise AssertionError(f"no form to {action!r} with {has!r} among {[where for where, _ in reader.forms]}")
