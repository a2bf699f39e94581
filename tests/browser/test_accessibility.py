"""Every page is accessible in both themes, fits a phone, and does not shift while loading."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.chromium import Watch
from tests.points import ramp
from tests.watched import push, put

PAGES = {
    "start": "/",
    "search without results": "/?contains=nobody-",
    "fit": "/ui/fit",
    "jobs": "/ui/jobs",
    "job": "/ui/jobs/{job_id}",
    "series": "/ui/series/{series_id}",
    "watches": "/ui/watches",
    "watch": "/ui/watches/{series_id}",
    "plot": "/plot?series_id={series_id}",
    "alerts": "/ui/alerts",
    "alert": "/ui/alerts/{alert_id}",
    "problem": "/ui/series/nobody-knows",
}
UNBROKEN = [name for name in PAGES if name not in ("search without results", "problem")]
SHIFTS = """
() => new Promise((resolve) => {
  new PerformanceObserver((list) => resolve(list.getEntries().reduce((sum, shift) => sum + shift.value, 0)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(0), 300);
})
"""


@pytest.fixture
def path(request: pytest.FixtureRequest, fitted: Callable[..., str], api: httpx.Client, series_id: str) -> str:
    """Path of the named page, for a watched series with two versions, one of them pinned, and an open alert."""
    fitted(series_id)
    job_id = fitted(series_id, ramp(60, values=[*ramp(59)["values"], 90.0]))
    api.put(f"/series/{series_id}/pin", json={"version": 1})
    put(api, series_id)
    alert_id = push(api, series_id, [1.0, None, 2.0, 50.0, 60.0])["alert_id"]
    return PAGES[request.param].format(series_id=series_id, job_id=job_id, alert_id=alert_id)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES, indirect=True)
def test_a_page_has_no_serious_accessibility_violations(page: Page, watch: Watch, path: str, theme: str) -> None:
    watch.expected.append("404")
    page.goto(path)
    for dialog in page.locator("dialog").all():
        dialog.evaluate("(dialog) => dialog.showModal()")
        assert serious_violations(page) == []
        dialog.evaluate("(dialog) => dialog.close()")
    assert serious_violations(page) == []


@pytest.mark.parametrize("path", UNBROKEN, indirect=True)
def test_a_page_does_not_shift_while_loading(page: Page, path: str) -> None:
    page.goto(path)
    assert page.evaluate(SHIFTS) < 0.02


@pytest.mark.parametrize("path", UNBROKEN, indirect=True)
def test_a_page_fits_a_phone_screen(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def serious_violations(page: Page) -> list[Any]:
    """Return the serious violations that axe finds, with their elements."""
    violations = Axe().run(page).response["violations"]
    return [
        (violation["id"], violation["help"], [node["html"] for node in violation["nodes"]][:3])
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]
