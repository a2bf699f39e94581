"""Take the pictures in `docs/images` and measure the table in `docs/reference/pages.md`."""

import math
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from api import samples
from shared.settings import Settings
from shared.store import attempts
from shared.store.engine import Sessions
from tests.browser.living import long_fit
from tests.processes import serving

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/reference/pages.md"
IMAGES = DOCUMENT.parents[1] / "images"
WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 800}
PHONE_PAGES = ("start", "jobs", "alert", "watch")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SERIES = "boiler.north"
OTHERS = ("cold-store.temperature", "edge-01.latency", "line-3.current", "pump-7.pressure", "solar.roof", "water.main")
MAX_BYTES = 170_000
DAYS = 18  # of the series with an incident
LOADS = 5  # of each page; the fastest is the least disturbed
MEASURES = """
() => {
  const [page] = performance.getEntriesByType("navigation");
  const files = performance.getEntriesByType("resource").filter((file) => file.initiatorType !== "fetch");
  const plotly = files.filter((file) => file.name.includes("plotly"));
  const size = (entries) => entries.reduce((total, entry) => total + entry.encodedBodySize, 0);
  const sizes = [page.encodedBodySize, size(files) - size(plotly), size(plotly)];
  return { sizes, times: [page.responseEnd, page.domContentLoadedEventEnd] };
}
"""


def wave(level: float, *, points: int = 480, incidents: tuple[int, ...] = (), **fields: Any) -> dict[str, Any]:
    """Return the body of a fit: a noisy daily cycle, hour by hour."""
    noise = random.Random(level)  # noqa: S311 - a picture
    values = [level + level / 6 * math.sin(hour / 12 * math.pi) + noise.gauss(0, level / 60) for hour in range(points)]
    for place in incidents:
        values[place] += level
    return {"timestamps": [1_767_225_600 + 3600 * hour for hour in range(points)], "values": values, **fields}


def incident(api: httpx.Client, fitted: Callable[..., str], series_id: str, level: float, factor: float) -> str:
    """Fit a series on its first days, push the rest with an incident now and two before, and return the open alert."""
    now, step = int(time.time()) // 300 * 300, 300
    noise = random.Random(level)  # noqa: S311 - a picture
    times = [now - step * place for place in range(DAYS * 288)][::-1]
    values = [
        level * (1 + math.sin(moment / 13_750) / 6 + math.sin(moment / 600) / 40 + noise.gauss(0, 1 / 60))
        for moment in times
    ]
    for end, length in ((0, 9), (3 * 288, 11), (5 * 288, 16)):
        for place in range(length):
            values[-1 - end - place] *= factor * (1 + math.sin(place / 3) / 12)
    fit = {"timestamps": times[: 10 * 288], "values": values[: 10 * 288], "detector": "seasonal"}
    fitted(series_id, fit)
    pushed = {"timestamps": times[10 * 288 :], "values": values[10 * 288 :]}
    return str(api.post(f"/series/{series_id}/points", json=pushed).json()["alert_id"])


def open_alerts(api: httpx.Client, fitted: Callable[..., str]) -> str:
    """Open alerts of two watches, review earlier ones, and return the alert whose page is shown."""
    for name in ("cooling", "shop"):
        api.put(f"/watches/{name}", json={"prefix": f"{name}.", "notify_within": "40d"})
    shown = incident(api, fitted, "cooling.chiller-2.supply", 7.5, 1.6)
    acknowledged = incident(api, fitted, "cooling.chiller-2.current", 48.0, 0.4)
    incident(api, fitted, "shop.checkout.latency", 280.0, 2.2)
    api.post(f"/alerts/{acknowledged}/acknowledge")
    reviews = (("incident", "Compressor breaker tripped, reset on site"), ("expected", "Planned service of chiller 2"))
    earlier = api.get("/alerts?series_id=cooling.chiller-2.supply&status=closed").json()["alerts"]
    for alert, (review, note) in zip(earlier, reviews, strict=False):
        api.put(f"/alerts/{alert['alert_id']}/review", json={"review": review, "note": note})
    return shown


@pytest.fixture(scope="session")
def api(settings: Settings) -> Iterator[httpx.Client]:
    with serving(settings.model_copy(update={"flower_url": "http://127.0.0.1:5555"})) as client:
        yield client


@pytest.fixture
def addresses(api: httpx.Client, sessions: Sessions, fitted: Callable[..., str]) -> dict[str, str]:
    """URLs of the pages, in a small installation with something to show on each."""
    for place, series_id in enumerate(OTHERS):
        fitted(series_id, wave(8 + 5 * place, incidents=(200,) if place % 3 == 1 else ()))
    sample = samples.load("seattle-wind")
    fitted(sample.name, {"timestamps": sample.timestamps, "values": sample.values})
    fitted(SERIES, wave(60, incidents=(100, 300)))
    fitted(SERIES, wave(60, points=600, incidents=(100, 300), detector="robust"))
    fitted(SERIES, wave(62, points=720, incidents=(500,), detector="robust", parameters={"alarm_rate": "1 in 200"}))
    api.put(f"/series/{SERIES}/pin", json={"version": 2})
    open_alert = open_alerts(api, fitted)
    for _ in range(20):  # the worker may claim the job first
        failed_job = str(api.post("/fit/pump-8.pressure", json=wave(9)).json()["job_id"])
        with sessions.begin() as session:
            claimed = attempts.claim(session, failed_job, "fit-212@edge", 20)
            sentence = "3 workers died while they fitted this series."
            if claimed and attempts.fail(session, claimed, "worker_lost", sentence):
                break
    return {
        "start": "/",
        "alerts": "/ui/alerts",
        "alert": f"/ui/alerts/{open_alert}",
        "watches": "/ui/watches",
        "watch": "/ui/watches/cooling",
        "fit": "/ui/fit",
        "jobs": "/ui/jobs",
        "job": f"/ui/jobs/{failed_job}",
        "series": f"/ui/series/{SERIES}",
        "plot": f"/plot?series_id={SERIES}",
    }


@contextmanager
def opened(browser: Browser, api: httpx.Client, theme: Literal["light", "dark"]) -> Iterator[Page]:
    context = browser.new_context(base_url=str(api.base_url), color_scheme=theme, viewport=WIDE)
    yield context.new_page()
    context.close()


def take(page: Page, name: str) -> None:
    file = IMAGES / f"{name}.png"
    page.screenshot(path=file)
    assert file.stat().st_size <= MAX_BYTES, file


def drop_a_file(page: Page) -> None:
    """Show what was read from a file with a decimal comma."""
    points = wave(60, points=480, incidents=(300,))
    lines = [
        f"{datetime.fromtimestamp(moment, UTC):%d.%m.%Y %H:%M};{value:.2f}".replace(".", ",", -1).replace(",", ".", 2)
        for moment, value in zip(points["timestamps"], points["values"], strict=True)
    ]
    content = "\n".join(["Station;Boiler 7", "Datum;Vorlauf °C", *lines]).encode("cp1252")
    page.locator("#drop input").set_input_files({"name": "boiler-7.csv", "mimeType": "text/csv", "buffer": content})
    expect(page.locator("#file-fit")).to_be_visible()


def measured(page: Page, path: str) -> tuple[list[int], list[float]]:
    """Return the sizes of page, styles and scripts, and Plotly, and the milliseconds until received and ready."""
    measurements = []
    for _ in range(LOADS):
        page.goto(path)
        measurements.append(page.evaluate(MEASURES))
    times = zip(*(measurement["times"] for measurement in measurements), strict=True)
    return measurements[0]["sizes"], list(map(min, times))


def test_take_the_pictures_and_measure_the_pages(
    browser: Browser, api: httpx.Client, addresses: dict[str, str]
) -> None:
    IMAGES.mkdir(exist_ok=True)
    lines = ["| page | HTML | styles and scripts | Plotly | received | ready |", "|---|---|---|---|---|---|"]
    with opened(browser, api, "light") as page:
        for name, path in addresses.items():
            sizes, times = measured(page, path)
            cells = [name, *(f"{size / 1000:.1f} kB" for size in sizes), *(f"{time:.0f} ms" for time in times)]
            lines.append(f"| {' | '.join(cells)} |")
    for series_id in ("turbine-1.speed", "turbine-2.speed", "turbine-3.speed"):
        api.post(f"/fit/{series_id}", json=long_fit())
    for name, path in addresses.items():
        for theme in THEMES:
            with opened(browser, api, theme) as page:
                page.goto(path, wait_until="networkidle" if name == "plot" else "load")
                if name not in ("plot", "fit"):  # these have no stream
                    expect(page.locator("#live")).to_have_text("Live")
                if name == "fit":
                    drop_a_file(page)
                take(page, f"{name}-{theme}")
                if name in PHONE_PAGES:
                    page.set_viewport_size(PHONE)
                    take(page, f"{name}-phone-{theme}")
    DOCUMENT.write_text(re.sub(r"(?m)^\| page \|(.*\n)+?(?=\n)", "\n".join(lines) + "\n", DOCUMENT.read_text()))
