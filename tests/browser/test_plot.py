"""The plot page, as a person uses it."""

import gzip
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.chromium import Watch
from tests.browser.gestures import drag
from tests.points import ramp

PEAKED = ramp(60, values=[*ramp(59)["values"], 90.0])  # one minute apart, the last an anomaly
TRACES = "element => Object.fromEntries(element.data.map(trace => [trace.name, trace]))"
MARKUP = "<img src=x onerror=alert(1)><script>alert(1)</script>"


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


def marks(chart: Locator) -> int:
    return len(traces(chart)["anomaly"]["x"])


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


def check(page: Page, lines: str) -> None:
    page.get_by_label("One point per line").fill(lines)
    page.get_by_role("button", name="Score").click()


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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_chart_uses_the_colors_of_the_theme_and_follows_a_change(page: Page, peaked: str, theme: str) -> None:
    def stroke() -> str:
        return str(
            chart.locator(".cartesianlayer > .xy .scatterlayer .js-line").last.evaluate(
                "line => getComputedStyle(line).stroke"
            )
        )

    def theme_color() -> str:
        return str(
            page.evaluate(
                """() => {
                  const probe = document.body.appendChild(document.createElement("i"));
                  probe.style.color = "var(--chart-line)";
                  const color = getComputedStyle(probe).color;
                  probe.remove();
                  return color;
                }"""
            )
        )

    chart = opened(page, peaked)
    stroke_before = stroke()
    assert stroke_before == theme_color()
    page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light" if theme == "dark" else "dark")
    assert stroke() == theme_color() != stroke_before


def test_hovering_shows_value_time_and_score(page: Page, peaked: str) -> None:
    chart = opened(page, peaked)
    hover = page.locator(".hoverlayer")
    move_to(chart, page, 0.5, 0.9)
    expect(hover).to_contain_text(re.compile(r"2023-11-14 22:\d\d:20 UTC17000\d{5}"))
    move_to(chart, page, 0.99, 0.02)
    expect(hover).to_contain_text(re.compile(r"90score [\d.]+2023-11-14 23:12:20 UTC1700003540"))


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
    page.mouse.dblclick(*_center(chart))
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


def test_the_list_of_anomalies_leads_through_the_chart(page: Page, series_id: str, fitted: Callable[..., str]) -> None:
    values = ramp(2000)["values"]
    for place in (500, 501, 1200, 1700):
        values[place] = 90.0
    fitted(series_id, ramp(2000, values=values))
    chart = opened(page, series_id)
    items = page.locator("#anomalies li")
    expect(items).to_have_count(3)
    expect(items.first).to_contain_text(re.compile(r"2023-11-15 06:33\s*1 min\s*▲ \d+"))
    for key, place in (("n", 500), ("n", 1200), ("p", 500), ("p", 1700)):
        page.keyboard.press(key)
        time = 1000 * (1_700_000_000 + 60 * place)
        left, right = visible(chart)
        assert left < time < right < left + 200 * 60_000
    expect(page.locator("#anomaly-count")).to_have_text("3 of 3")


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


def test_peaks_of_anomalies_are_marked_on_the_scale_of_the_threshold(
    page: Page, series_id: str, fitted: Callable[..., str]
) -> None:
    values = ramp(2000)["values"]
    for place, value in ((500, 12.0), (501, 11.0), (1200, 30.0)):
        values[place] = value
    fitted(series_id, ramp(2000, values=values))
    opened(page, series_id)
    peaks = page.locator("#peaks path")
    expect(peaks).to_have_count(2)
    expect(page.locator("#peaks .flagged")).to_have_count(2)
    scores = sorted(float(item.get_attribute("data-score") or 0) for item in page.locator("#anomalies button").all())
    places = [
        float(mark.evaluate("element => parseFloat(element.parentNode.getAttribute('x'))")) for mark in peaks.all()
    ]
    expected = [100 * math.log(min(score, 5) / 0.2) / math.log(25) for score in scores]
    assert places == pytest.approx(expected, abs=0.01)
    page.get_by_label("Threshold, as a multiple").press("End")
    expect(page.locator("#peaks .flagged")).to_have_count(sum(score > 5 for score in scores))


def test_the_week_before_and_the_scores_are_drawn(page: Page, series_id: str, fitted: Callable[..., str]) -> None:
    fitted(
        series_id, {"timestamps": [3600 * hour for hour in range(400)], "values": [hour % 24 for hour in range(400)]}
    )
    drawn = traces(opened(page, series_id))
    before = drawn["a week before"]
    assert (before["x"][0], before["x"][-1]) == (1000 * 3600 * 168, 1000 * 3600 * 399)
    assert before["y"] == drawn["value"]["y"][: len(before["y"])]
    assert drawn["score"]["y"] == [score for _, score in drawn["value"]["customdata"]]


def test_the_keyboard_moves_the_threshold_and_the_marks_follow(page: Page, peaked: str) -> None:
    chart = opened(page, peaked)
    fires, slider = page.locator("#fires"), page.get_by_label("Threshold, as a multiple")
    expect(fires).to_have_text("As fitted: 1 of 60 training points flagged, 1 in 60. Equivalent to threshold = 3.")
    upper = traces(chart)["normal band"]["y"][0]
    assert marks(chart) == 1
    slider.press("Home")
    expect(fires).to_have_text(re.compile(r"At 0\.2 times the threshold: 16 of 60 .* threshold = 0\.6\."))
    assert (marks(chart), traces(chart)["normal band"]["y"][0] < upper) == (16, True)
    slider.press("End")
    # The state that scored the peak was fitted without it, so its score is high.
    expect(fires).to_have_text(
        "At 5 times the threshold: 1 of 60 training points flagged, 1 in 60. Equivalent to threshold = 15."
    )
    assert marks(chart) == 1
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(fires).to_contain_text("As fitted: 1 of 60")
    assert (marks(chart), traces(chart)["normal band"]["y"][0]) == (1, upper)


def test_the_slider_flags_as_many_points_as_a_fit_with_that_threshold(
    page: Page, api: httpx.Client, long_series: str, fitted: Callable[..., str]
) -> None:
    opened(page, long_series)
    page.get_by_label("Threshold, as a multiple").fill("64")
    match = re.search(r"([\d,]+) of 20,000 .* threshold = ([\d.]+)\.", page.locator("#fires").inner_text())
    assert match
    data = api.get(f"/series/{long_series}/versions/1/data").json()
    fitted(long_series, {**data, "parameters": {"threshold": float(match[2])}})
    share = api.get(f"/series/{long_series}/versions/2").json()["anomaly_share"]
    assert abs(share * 20_000 - int(match[1].replace(",", ""))) <= 5  # the sentence rounds the threshold to four digits


def test_typed_points_are_checked_listed_and_drawn(page: Page, peaked: str) -> None:
    chart = opened(page, peaked)
    check(page, "timestamp,value\n2023-11-14T23:13:20Z,2\n\n2023-11-14T23:14:20Z, 95.5\n2023-11-14 23:15:20Z,-1e3")
    expect(page.locator("#verdict")).to_have_text("Anomalies: 2 of 3.")
    rows = page.locator("#verdicts tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text(re.compile(r"2023-11-14 23:13:20\s*2\s*normal"))
    expect(rows.nth(1)).to_contain_text(re.compile(r"2023-11-14 23:14:20\s*95.5\s*anomaly"))
    drawn = traces(chart)["tried"]
    assert (drawn["x"][1], drawn["y"]) == (1_700_003_660_000, [2, 95.5, -1000])
    assert drawn["marker"]["symbol"] == ["circle-open", "diamond", "diamond"]
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#verdicts")).to_be_hidden()
    assert traces(chart)["tried"]["x"] == []


def test_points_after_the_training_data_are_checked_with_the_points_before_them(
    page: Page, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, ramp(400, detector="msnn"))
    opened(page, series_id)
    expect(page.locator("#detail")).to_contain_text("There is no band")
    after = [1_700_000_000 + 60 * place for place in range(400, 405)]
    check(page, "\n".join(f"{at},{value}" for at, value in zip(after, [0, 1, 2, 3, 77], strict=True)))
    expect(page.locator("#verdict")).to_have_text("Anomalies: 1 of 5.")
    expect(page.locator("#verdicts tbody tr").last).to_contain_text("anomaly")


def test_a_file_of_points_is_checked(page: Page, peaked: str, tmp_path: Path) -> None:
    opened(page, peaked)
    file = tmp_path / "points.csv.gz"
    file.write_bytes(
        gzip.compress('Datum;Wert\r\n14.11.2023 23:13:20;"1,5"\r\n14.11.2023 23:14:20;"1,5"\r\n'.encode("utf-16"))
    )
    page.locator("#file").set_input_files(file)
    expect(page.locator("#verdict")).to_have_text("Anomalies: 0 of 2.")
    expect(page.locator("#verdicts tbody tr").last).to_contain_text("2023-11-14 23:14:20")
    expect(page.locator("#tryout-notes li").first).to_have_text("points.csv.gz")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("", "The text contains no points."),
        ("time,value\n1700003600,1\n1700003660,2\nyesterday,2", "(column 'time', row 2) is not a time"),
        ("21,5\n22,0", "decimal comma"),
        (f"1700003600,1\n1700003660,{MARKUP}", f"'{MARKUP[:40]}' (column 'column 2', row 2) is not a number."),
    ],
)
def test_invalid_lines_are_explained(page: Page, watch: Watch, peaked: str, lines: str, sentence: str) -> None:
    watch.expected.append("422")
    opened(page, peaked)
    check(page, lines)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    expect(page.locator("#verdicts")).to_be_hidden()
    expect(page.locator("main img, main script[src]")).to_have_count(0)


def test_the_page_shows_the_errors_of_the_server(page: Page, watch: Watch, api: httpx.Client, peaked: str) -> None:
    watch.expected.append("404")
    opened(page, peaked)
    api.delete(f"/series/{peaked}")
    check(page, "1700003600,1\n1700003660,2")
    expect(page.get_by_role("alert")).to_contain_text("This series has no version")


def test_links_lead_to_the_neighboring_and_the_latest_version(
    page: Page, peaked: str, fitted: Callable[..., str]
) -> None:
    fitted(peaked, ramp(60, detector="robust"))
    fitted(peaked, ramp(60))
    chart = opened(page, peaked, "v2")
    expect(page.get_by_role("navigation", name="Versions")).to_contain_text("robust")
    page.get_by_role("link", name="← version 1").click()
    expect(page.locator("[aria-current=page]", has_text="version 1")).to_be_visible()
    expect(chart.locator(".main-svg").first).to_be_visible()
    page.get_by_role("link", name="latest: version 3").click()
    expect(page.get_by_text("latest", exact=True)).to_be_visible()


def test_no_button_of_the_chart_uploads_it(page: Page, peaked: str) -> None:
    chart = opened(page, peaked)
    buttons = chart.locator(".modebar-btn").evaluate_all("buttons => buttons.map(button => button.dataset.title)")
    assert buttons == ["Zoom", "Pan", "Box Select", "Zoom in", "Zoom out", "Autoscale", "Reset axes"]


def test_an_id_that_resembles_plotly_markup_stays_text(page: Page, fitted: Callable[..., str]) -> None:
    fitted("b.i-br.sub", PEAKED)
    opened(page, "b.i-br.sub")
    expect(page.get_by_role("heading", level=1)).to_have_text("b.i-br.sub")


def _center(chart: Locator) -> tuple[float, float]:
    box = chart.locator(".nsewdrag").first.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
