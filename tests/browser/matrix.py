"""Take every page in every width and theme, with few and many series, for people to look at.

`python3 run screenshots tests/browser/matrix.py` writes the pictures to `dist/pages`, and sheets that show all widths
and themes of a page side by side.
"""

import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from shared.settings import Settings
from tests.browser.screenshots import THEMES, open_alerts, wave
from tests.processes import serving
from tests.waiting import until

FOLDER = Path(__file__).resolve().parents[2] / "dist/pages"
SIZES: tuple[ViewportSize, ...] = (
    {"width": 390, "height": 844},
    {"width": 1440, "height": 900},
    {"width": 2560, "height": 1440},
)
NUMBERS = (3, 60, 1_113)  # of series
PLACES = ("boiler", "chiller-1", "chiller-2", "cold-store", "compressor", "line-3", "press", "pump-7", "tower")
MEASURES = ("current_a", "flow_m3_h", "power_kw", "pressure_bar", "temperature_c", "vibration_mm_s")
LONG_ID = (
    "plant9.building-b.floor-12.air-handling-unit-04.supply-air.temperature_after_heat_recovery.one_minute_average.c"
)


@pytest.fixture(scope="session")
def api(settings: Settings) -> Iterator[httpx.Client]:
    with serving(settings) as client:
        yield client


@pytest.fixture
def alert_id(api: httpx.Client, fitted: Callable[..., str]) -> str:
    """The alert of a watch with two open alerts, next to another watch."""
    return open_alerts(api, fitted)


def grow(api: httpx.Client, number: int) -> None:
    """Fit series until there are so many."""
    there = int(api.get("/series?total=true").json()["total"])
    ids = [LONG_ID] if there < number and there == min(NUMBERS) else []
    ids += [f"plant{place % 9}.{PLACES[place % 7]}.{MEASURES[place % 6]}-{place:04}" for place in range(there, number)]
    lines = []
    for place, series_id in enumerate(ids[: number - there]):
        level = random.Random(series_id).choice((0.3, 8, 40, 1_200, 64_000))  # noqa: S311 - a picture
        incidents = (100 + place % 300,) if place % 4 == 1 else ()
        body = wave(level * (1 + place % 5 / 10), points=400 + 7 * (place % 11), incidents=incidents)
        lines.append(json.dumps({"series_id": series_id, "detector": "baseline", **body}))
    if lines:
        api.post("/fit", content="\n".join(lines), timeout=120).raise_for_status()
        until(lambda: int(api.get("/series?total=true").json()["total"]) == number, seconds=600)


def settled(page: Page, path: str) -> None:
    page.goto(path, wait_until="networkidle" if path.startswith("/plot") else "load")
    if page.locator("#live").count():
        expect(page.locator("#live")).to_have_text("Live")


def test_take_every_page_in_every_size_and_theme(browser: Browser, api: httpx.Client, alert_id: str) -> None:
    series_id = "cooling.chiller-2.supply"
    paths = {
        "start": "/",
        "series": f"/ui/series/{series_id}",
        "plot": f"/plot?series_id={series_id}",
        "alerts": "/ui/alerts",
        "alert": f"/ui/alerts/{alert_id}",
        "watches": "/ui/watches",
        "watch": "/ui/watches/cooling",
        "jobs": "/ui/jobs",
        "fit": "/ui/fit",
        "login": "/ui/login",
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    for number in NUMBERS:
        grow(api, number)
        changing = paths if number == min(NUMBERS) else {name: paths[name] for name in ("start", "jobs", "watches")}
        for name, path in changing.items():
            taken = []
            for size in SIZES:
                for theme in THEMES:
                    context = browser.new_context(base_url=str(api.base_url), color_scheme=theme, viewport=size)
                    page = context.new_page()
                    settled(page, path)
                    file = FOLDER / f"{name}-{number}-{size['width']}-{theme}.png"
                    page.screenshot(path=file)
                    taken.append((file, size))
                    context.close()
            sheet(browser, FOLDER / f"{name}-{number}.png", taken)


def sheet(browser: Browser, file: Path, taken: list[tuple[Path, ViewportSize]]) -> None:
    """Put pictures side by side: each theme in a row, at half the size."""
    page = browser.new_page(viewport={"width": sum(size["width"] for _, size in taken[::2]) // 2 + 80, "height": 900})
    rows = "".join(
        "<div>"
        + "".join(f'<img src="{path.as_uri()}" width="{math.ceil(size["width"] / 2)}">' for path, size in taken[row::2])
        + "</div>"
        for row in range(2)
    )
    html = FOLDER / "sheet.html"
    html.write_text(f"<style>div {{ display: flex; gap: 16px; align-items: start; margin: 8px }}</style>{rows}")
    page.goto(html.as_uri(), wait_until="load")
    page.screenshot(path=file, full_page=True)
    page.close()
    html.unlink()
