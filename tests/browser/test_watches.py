"""The pages of watches, as a person uses them."""

import re
import time
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import Watch
from tests.browser.gestures import drag
from tests.browser.living import open_live
from tests.points import ramp


def push(api: httpx.Client, series_id: str, values: list[float]) -> None:
    now = int(time.time()) // 60 * 60
    timestamps = [now - 60 * place for place in range(len(values))][::-1]
    answer = api.post(f"/series/{series_id}/points", json={"timestamps": timestamps, "values": values})
    assert answer.status_code == 200, answer.text


def test_a_watch_shows_an_alert_as_it_opens_and_a_button_pauses_it(
    page: Page, api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, ramp())
    api.put(f"/watches/{series_id}", json={"prefix": series_id})
    open_live(page, "/ui/watches")
    page.get_by_role("link", name=series_id, exact=True).click()
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.get_by_text("Nothing is open")).to_be_visible()
    push(api, series_id, [50.0, 50.0])
    expect(page.locator("#state")).to_contain_text("1 open")
    expect(page.locator("#alerts").get_by_role("link", name=series_id)).to_have_attribute(
        "href", re.compile("ui/alerts/")
    )
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert api.get(f"/watches/{series_id}").json()["paused"] is True
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_rule_is_simulated_beside_a_proposed_one(page: Page, watch: Watch, api: httpx.Client, series_id: str) -> None:
    watch.expected.append("422")
    api.put(f"/watches/{series_id}", json={"prefix": series_id, "detector": "baseline", "open": {"at_once": None}})
    push(api, series_id, [*ramp(80)["values"], 90.0, 90.0, *ramp(20)["values"]])
    page.goto(f"/ui/watches/{series_id}")
    outcome = page.locator("#simulated-alerts")
    page.get_by_label("of the last points").fill("1")
    page.get_by_role("button", name="Simulate").click()
    expect(page.locator("#problem")).to_contain_text("open.anomalies must not exceed open.of")
    page.get_by_label("of the last points").fill("3")
    page.get_by_label("Anomalies to open").fill("3")
    page.get_by_role("button", name="Simulate").click()
    expect(outcome.locator("tbody tr")).to_have_count(2)
    now, proposed = outcome.locator("tbody tr").all()
    expect(now).to_contain_text("now")
    assert [row.locator("td").nth(1).text_content() for row in (now, proposed)] == ["1", "0"]
    assert (now.locator("path").count(), proposed.locator("path").count()) == (1, 0)
    expect(outcome).to_contain_text("102 points from")
    page.get_by_label("Anomalies to open").fill("2")
    page.get_by_role("button", name="Simulate").click()
    expect(outcome.locator("li")).to_contain_text(f"{series_id} deviated from")


def test_the_page_of_a_stream_follows_new_points(page: Page, api: httpx.Client, series_id: str) -> None:
    push(api, series_id, [2.0] * 3)
    open_live(page, f"/ui/series/{series_id}").evaluate("window.stayed = true")
    expect(page.locator("#stream")).to_contain_text("Stored points 3")
    drawn = page.locator("#live-chart .unjudged")
    before = drawn.get_attribute("d")
    now = int(time.time()) + 30
    api.post(f"/series/{series_id}/points", json={"timestamps": [now], "values": [9.0]})
    expect(page.locator("#stream")).to_contain_text("Stored points 4")  # looked for within five seconds
    assert drawn.get_attribute("d") != before
    assert page.evaluate("window.stayed")


@pytest.mark.parametrize("by", ["mouse", "touch"])
def test_dragging_over_the_chart_marks_a_span(
    browser: Browser, page: Page, api: httpx.Client, series_id: str, by: str
) -> None:
    push(api, series_id, [2.0] * 100)
    if by == "touch":
        context = browser.new_context(
            base_url=str(api.base_url), has_touch=True, viewport={"width": 390, "height": 800}
        )
        page = context.new_page()
    page.goto(f"/ui/series/{series_id}?days=1")
    field = page.locator("#live-chart svg.field")
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    assert box
    places = [box["x"] + share * box["width"] for share in (0.25, 0.4, 0.75)]
    drag(page, places, box["y"] + 100, by)
    expect(page.locator("#selection rect")).to_be_visible()
    page.get_by_label("Note").fill("pump replaced")
    page.get_by_role("button", name="Mark", exact=True).click()
    expect(page.locator("#marked")).to_contain_text("pump replaced")
    (span,) = api.get("/spans", params={"series_id": series_id}).json()["spans"]
    assert span["kind"] == "maintenance"
    assert abs(span["to"] - span["from"] - 43_200) < 86_400 * 3 / box["width"]
    expect(page.locator("#live-chart rect.marked")).to_have_count(1)
    expect(page.locator("#selection rect")).to_be_hidden()
    page.get_by_role("button", name="Remove the mark").click()
    expect(page.locator("#live-chart rect.marked")).to_have_count(0)
    if by == "touch":
        context.close()
