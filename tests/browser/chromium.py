"""The browser that drives the pages, and what it notices on every page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = "There is no Chromium here to drive the pages: install one (on Debian and Ubuntu: apt-get install chromium)."
FLAGS = (
    "--no-sandbox",  # it runs as root, on pages of our own
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def found() -> str | None:
    """Where the system has a Chromium."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started() -> Iterator[Browser]:
    """A Chromium of the system; `FileNotFoundError` without one."""
    path = found()
    if path is None:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Watch:
    """What must not happen on any page: errors in the console, breaches of its policy, requests to other hosts."""

    own: str  # the address all requests go to
    seen: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)  # parts of messages that a test provokes

    def over(self, context: BrowserContext) -> None:
        """Notice what happens on all pages of the context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.seen.append(f"error: {error.error}"))
        context.on("request", self._request)

    @property
    def complaints(self) -> list[str]:
        """What happened that no test expected."""
        return [one for one in self.seen if not any(part in one for part in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        # a breach of the policy is told in the console too
        if message.type in ("error", "warning"):
            self.seen.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.own, "data:", "blob:")):
            self.seen.append(f"request to {request.url}")
