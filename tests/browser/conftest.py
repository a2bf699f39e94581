"""A stack and a browser for the whole session, and a new page for each test, watched for errors."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from shared.settings import Settings
from tests.browser import chromium
from tests.browser.chromium import Watch
from tests.processes import running, wait_for_worker

expect.set_options(timeout=15_000)  # fits share two cores with the other processes


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium.find_chromium() is None:
        pytest.exit(chromium.MISSING, returncode=1)  # not skipped: no other test sees the pages as people do
    with chromium.started() as browser:
        yield browser


@pytest.fixture(scope="session", autouse=True)
def worker(settings: Settings, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A worker and the reconciler."""
    folder = tmp_path_factory.mktemp("worker")
    with running(settings, folder, "worker") as process, running(settings, folder, "worker.reconciling"):
        wait_for_worker(process)
        yield


@pytest.fixture
def theme() -> str:
    """Preferred color scheme of the browser."""
    return "light"


@pytest.fixture
def watch(api: httpx.Client) -> Watch:
    """Errors of the page; a test that provokes errors adds them to `expected`."""
    return Watch(str(api.base_url))


@pytest.fixture
def page(browser: Browser, watch: Watch, theme: str) -> Iterator[Page]:
    """A page with URLs relative to `/`; fails the test if there were unexpected errors."""
    context = browser.new_context(
        base_url=watch.origin,
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": 1280, "height": 900},
    )
    context.set_default_timeout(15_000)
    watch.attach(context)
    page = context.new_page()
    yield page
    context.close()
    assert watch.unexpected == []
