"""A stack and a browser for the whole session, and a new page for each test, watched for errors."""

from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from shared.settings import Settings
from tests.browser import chromium
from tests.browser.charts import PEAKED
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


@pytest.fixture
def peaked(series_id: str, fitted: Callable[..., str]) -> str:
    fitted(series_id, PEAKED)
    return series_id


@pytest.fixture
def long_series(series_id: str, fitted: Callable[..., str]) -> str:
    """A series with more points than the chart shows at once."""
    values = np.random.default_rng(7).normal(0, 1, 20_000)
    values[10_000] = 30.0
    fitted(series_id, {"timestamps": list(range(1_700_000_000, 1_700_020_000)), "values": values.tolist()})
    return series_id
