"""What the plot page draws, and how the threshold changes it."""

import math
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.charts import PEAKED, move_to, opened, traces, visible
from tests.points import ramp


def marks(chart: Locator) -> int:
    return len(traces(chart)["anomaly"]["x"])


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
