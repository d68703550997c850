"""A page that is watched: what it should not have said, asked for or been refused fails the test."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Self

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

SECONDS = 45  # how long a page may take for what it promises at once


class Window:
    """A browser window of one person. `with Window(…) as window:` fails at its end for anything unexpected."""

    def __init__(self, browser: Browser, base: str, **options: object) -> None:
        self.context: BrowserContext = browser.new_context(base_url=base, **options)  # type: ignore[arg-type]
        self.context.set_default_timeout(SECONDS * 1000)
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self._expected: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def expect(self, pattern: str) -> None:
        """Something this test provokes; `pattern` is looked for in what would otherwise fail it."""
        self._expected.append(pattern)

    def _console(self, message: ConsoleMessage) -> None:
        left = message.text.startswith(("htmx:sendAbort", "htmx:afterRequest"))  # as ERR_ABORTED below
        if message.type in ("error", "warning") and not left:
            self.wrong.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what a page asked for when it was left
            self.wrong.append(f"request: {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.wrong.append(f"answer: {response.status} {response.request.method} {response.url}")

    def check(self) -> None:
        """Fail for what nobody expected up to here."""
        found = [said for said in self.wrong if not any(re.search(pattern, said) for pattern in self._expected)]
        assert not found, "\n".join(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.context.close()
        if kind is None:
            self.check()
