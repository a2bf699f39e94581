"""The browser for tests of the pages, and the errors that it watches for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = "There is no Chromium here to drive the pages: install one (on Debian and Ubuntu: apt-get install chromium)."
FLAGS = (
    "--no-sandbox",  # it may run as root, and loads only our own pages
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The path of an installed Chromium."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started() -> Iterator[Browser]:
    """Start the installed Chromium; raise `FileNotFoundError` without one."""
    path = find_chromium()
    if path is None:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Watch:
    """Errors of any page: console errors, violations of its policy, requests to other hosts."""

    origin: str  # where every request must go
    messages: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)  # parts of messages that a test provokes

    def over(self, context: BrowserContext) -> None:
        """Watch all pages of the context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.messages.append(f"error: {error.error}"))
        context.on("request", self._request)

    @property
    def complaints(self) -> list[str]:
        """The messages that no test expected."""
        return [message for message in self.messages if not any(part in message for part in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        # the console reports violations of the policy too
        if message.type in ("error", "warning"):
            self.messages.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.messages.append(f"request to {request.url}")
