"""Chromium for tests of the pages, and a watch for page errors."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = "The browser tests need Chromium. Install it; on Debian and Ubuntu: apt-get install chromium"
FLAGS = (
    "--no-sandbox",  # the tests may run as root, and load only our own pages
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started() -> Iterator[Browser]:
    """Start the installed Chromium; raise `FileNotFoundError` if there is none."""
    path = find_chromium()
    if path is None:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Watch:
    """Errors of all pages: console errors, violations of the content security policy, requests to other hosts."""

    origin: str  # the only host that pages may contact
    messages: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)  # parts of messages that the test provokes

    def attach(self, context: BrowserContext) -> None:
        """Watch all pages of the context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.messages.append(f"error: {error.error}"))
        context.on("request", self._request)

    @property
    def unexpected(self) -> list[str]:
        """Messages that the test does not expect."""
        return [message for message in self.messages if not any(part in message for part in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        # policy violations also appear on the console
        if message.type in ("error", "warning"):
            self.messages.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.messages.append(f"request to {request.url}")
