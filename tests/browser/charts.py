"""The chart of the plot page: read what it draws, and move the mouse over it."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.points import ramp

PEAKED = ramp(60, values=[*ramp(59)["values"], 90.0])  # one minute apart, the last an anomaly
TRACES = "element => Object.fromEntries(element.data.map(trace => [trace.name, trace]))"


def opened(page: Page, series_id: str, version: str = "latest") -> Locator:
    """Open the plot page and return the chart once it is drawn and usable."""
    page.goto(f"/plot?series_id={series_id}&version={version}")
    expect(page.locator(".columns:not([inert])")).to_be_visible()
    chart = page.locator("#chart")
    expect(chart.locator(".main-svg").first).to_be_visible()
    return chart


def traces(chart: Locator) -> dict[str, Any]:
    """Return the traces of the chart by name."""
    by_name: dict[str, Any] = chart.evaluate(TRACES)
    return by_name


def move_to(chart: Locator, page: Page, x: float, y: float) -> None:
    """Move the mouse to this fraction of the width and height of the chart."""
    box = chart.locator(".nsewdrag").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)


def visible(chart: Locator) -> tuple[float, float]:
    """The range of the chart in milliseconds."""
    left, right = chart.evaluate(
        "element => element._fullLayout.xaxis.range.map(end => element._fullLayout.xaxis.r2c(end))"
    )
    return left, right


def select(chart: Locator, page: Page, left: float, right: float) -> None:
    """Drag from one fraction of the width of the chart to another."""
    move_to(chart, page, left, 0.3)
    page.mouse.down()
    move_to(chart, page, right, 0.6)
    page.mouse.up()


def center(chart: Locator) -> tuple[float, float]:
    box = chart.locator(".nsewdrag").first.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
