"""A range of the chart: zoom into it, share it, exclude it from the next fit, or simulate a watch on it."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.charts import center, move_to, opened, select, traces, visible
from tests.browser.chromium import Watch
from tests.browser.gestures import drag
from tests.points import ramp


def test_zooming_in_loads_finer_points_and_zooming_out_restores_the_overview(page: Page, long_series: str) -> None:
    chart = opened(page, long_series)
    everything = traces(chart)["value"]["x"]
    detail = page.locator("#detail")
    expect(detail).to_contain_text("of 20,000 points are shown")
    assert 30.0 in traces(chart)["value"]["y"]
    with page.expect_response(re.compile(r"/versions/1/points\?from=")) as answer:
        select(chart, page, 0.48, 0.52)
        page.get_by_role("button", name="Zoom here").click()
    points = answer.value.json()
    expect(detail).to_have_text(f"{points['points']:,} points in and near this range, all shown.")
    assert {1000 * at for at in points["timestamps"]} <= set(traces(chart)["value"]["x"])
    move_to(chart, page, 0.5, 0.5)
    page.mouse.dblclick(*center(chart))
    expect(detail).to_contain_text("of 20,000 points are shown")
    assert traces(chart)["value"]["x"] == everything


def test_the_url_keeps_range_and_threshold(page: Page, long_series: str) -> None:
    chart = opened(page, long_series)
    select(chart, page, 0.4, 0.6)
    page.get_by_role("button", name="Zoom here").click()
    page.get_by_label("Threshold, as a multiple").press("End")
    expect(page).to_have_url(re.compile(r"from=17000\d+&to=17000\d+&threshold=5"))
    shown, fires = visible(chart), page.locator("#fires").inner_text()
    page.reload()
    expect(page.locator("#fires")).to_have_text(fires)
    expect(page.locator("#detail")).to_contain_text("points in and near this range")
    assert visible(chart) == pytest.approx(shown, abs=1000)
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page).to_have_url(re.compile(r"version=latest$"))


def test_a_span_can_be_excluded_from_the_next_fit_by_dragging(page: Page, api: httpx.Client, peaked: str) -> None:
    chart = opened(page, peaked)
    select(chart, page, 0.9, 0.999)
    page.get_by_role("button", name="Exclude from the next fit").click()
    expect(page.locator("#excluded li")).to_contain_text("2023-11-14 23:0")
    page.get_by_role("button", name="Fit again without these spans").click()
    page.wait_for_url("**/ui/jobs/*")
    expect(page.get_by_text("succeeded").first).to_be_visible()
    ((first, last),) = api.get(f"/series/{peaked}/versions/2").json()["parameters"]["exclude"]
    assert 1_700_000_000 < first < 1_700_003_540 <= last + 60
    page.goto(f"/plot?series_id={peaked}&version=2")
    page.get_by_role("button", name=re.compile("^Include ")).click()
    expect(page.locator("#excluded")).to_be_hidden()


def test_a_span_is_selected_by_touch_after_a_button_was_tapped(browser: Browser, watch: Watch, peaked: str) -> None:
    context = browser.new_context(base_url=watch.origin, has_touch=True, viewport={"width": 390, "height": 800})
    watch.attach(context)
    page = context.new_page()
    chart = opened(page, peaked)
    button = page.get_by_role("button", name="Select a span by dragging")
    button.tap()
    expect(button).to_have_attribute("aria-pressed", "true")
    box = chart.locator(".nsewdrag").first.bounding_box()
    assert box
    places = [box["x"] + share * box["width"] for share in (0.2, 0.4, 0.8)]
    drag(page, places, box["y"] + box["height"] / 2, "touch")
    expect(page.locator("#span-range")).to_contain_text("2023-11-14 22:2")
    expect(button).to_be_hidden()
    page.get_by_role("button", name="Zoom here").tap()
    expect(button).to_have_attribute("aria-pressed", "false")
    context.close()


def test_a_watch_is_simulated_on_the_range_of_the_chart(
    page: Page, api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    values = ramp(200)["values"]
    values[150:155] = [90.0] * 5
    fitted(series_id, ramp(200, values=values))
    chart = opened(page, series_id)
    outcome = page.locator("#simulated-alerts")
    page.get_by_role("button", name="Simulate").click()
    expect(outcome).to_contain_text("200 points from")
    expect(outcome.locator("li")).to_contain_text(re.compile(f"{series_id} deviate(s since|d from)"))
    shaded = "element => element.layout.shapes.filter(({ name }) => name === 'alarm-wash').map(({ x0 }) => x0 / 1000)"
    assert chart.evaluate(shaded) == [1_700_000_000 + 60 * 150]
    api.put(f"/watches/{series_id}", json={"prefix": series_id, "open": {"anomalies": 9, "of": 9, "at_once": None}})
    select(opened(page, series_id), page, 0.5, 0.99)
    page.get_by_role("button", name="Zoom here").click()
    page.get_by_role("button", name="Simulate").click()
    expect(outcome).to_contain_text(re.compile(r"9\d points from"))
    expect(outcome.locator("li")).to_have_count(0)
