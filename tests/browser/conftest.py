"""A running stack and a browser for the whole run; a page of its own for each test, watched all the time."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from shared.settings import Settings
from tests.browser import chromium
from tests.browser.chromium import Watch
from tests.processes import running
from tests.waiting import until

expect.set_options(timeout=15_000)  # fits share two cores with everything else


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium.found() is None:
        pytest.exit(chromium.MISSING, returncode=1)  # never skipped: nothing else sees what a person sees
    with chromium.started() as browser:
        yield browser


@pytest.fixture(scope="session", autouse=True)
def worker(settings: Settings, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A worker that fits what pages ask for, and the reconciler."""
    folder = tmp_path_factory.mktemp("worker")
    with running(settings, folder, "worker") as process, running(settings, folder, "worker.reconciling"):
        until(lambda: b" ready." in process.log.read_bytes() or process.popen.poll() is not None, 30)
        yield


@pytest.fixture
def theme() -> str:
    """What the system of the person prefers."""
    return "light"


@pytest.fixture
def watch(api: httpx.Client) -> Watch:
    """What the page has done so far; a test that provokes an error says which it expects."""
    return Watch(str(api.base_url))


@pytest.fixture
def page(browser: Browser, watch: Watch, theme: str) -> Iterator[Page]:
    """A page that goes to addresses below `/`; after the test, nothing must have gone wrong on it."""
    context = browser.new_context(
        base_url=watch.own,
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": 1280, "height": 900},
    )
    context.set_default_timeout(15_000)
    watch.over(context)
    page = context.new_page()
    yield page
    context.close()
    assert watch.complaints == []
