"""A running stack and a browser for the whole run, and a new page for each test, watched for errors."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from shared.settings import Settings
from tests.browser import chromium
from tests.browser.chromium import Watch
from tests.processes import running, wait_for_worker

expect.set_options(timeout=15_000)  # fits share two cores with everything else


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium.find_chromium() is None:
        pytest.exit(chromium.MISSING, returncode=1)  # never skipped: no other test sees the pages as people do
    with chromium.started() as browser:
        yield browser


@pytest.fixture(scope="session", autouse=True)
def worker(settings: Settings, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A worker that fits the jobs of the pages, and the reconciler."""
    folder = tmp_path_factory.mktemp("worker")
    with running(settings, folder, "worker") as process, running(settings, folder, "worker.reconciling"):
        wait_for_worker(process)
        yield


@pytest.fixture
def theme() -> str:
    """The color scheme that the browser prefers."""
    return "light"


@pytest.fixture
def watch(api: httpx.Client) -> Watch:
    """The errors of the page so far; a test that provokes one says which it expects."""
    return Watch(str(api.base_url))


@pytest.fixture
def page(browser: Browser, watch: Watch, theme: str) -> Iterator[Page]:
    """A page with addresses relative to `/`; after the test, it must have no unexpected errors."""
    context = browser.new_context(
        base_url=watch.origin,
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": 1280, "height": 900},
    )
    context.set_default_timeout(15_000)
    watch.over(context)
    page = context.new_page()
    yield page
    context.close()
    assert watch.complaints == []
