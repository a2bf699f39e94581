"""What is open now, on the start page and on the pages of alerts, as a person follows it."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.api.test_watches import push, put
from tests.browser.test_pages import open_live
from tests.points import ramp


@pytest.fixture
def watched(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> str:
    """A series with a watch whose points so far were normal."""
    fitted(series_id, ramp())
    put(api, series_id)
    push(api, series_id, [2.0, 1.0, 3.0, 2.0] * 5, ago=10)
    return series_id


def test_an_alert_appears_on_the_start_page_is_acknowledged_there_and_leaves_when_it_closes(
    page: Page, api: httpx.Client, watched: str
) -> None:
    open_live(page, "/").evaluate("window.stayed = true")
    push(api, watched, [500.0, 600.0], ago=5)  # worse than the open alerts of other tests
    row = page.locator("#open-now tr[data-alert]", has=page.get_by_role("link", name=watched, exact=True))
    expect(row).to_contain_text("600 now, expected 2")
    row.get_by_role("button", name="Acknowledge").click()
    expect(row.get_by_text("acknowledged", exact=False).last).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(0)
    api.delete(f"/watches/{watched}")
    expect(row).to_have_count(0)
    assert page.evaluate("window.stayed")


def test_the_page_of_an_alert_follows_it_without_a_reload(page: Page, api: httpx.Client, watched: str) -> None:
    alert_id = push(api, watched, [50.0, 60.0], ago=5)["alert_id"]
    open_live(page, f"/ui/alerts/{alert_id}").evaluate("window.stayed = true")
    expect(page.locator(".sentence")).to_contain_text("2 anomalies, the worst was 60")
    push(api, watched, [90.0], ago=4)
    expect(page.locator(".sentence")).to_contain_text("3 anomalies, the worst was 90")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#alert-now .state")).to_have_text("Acknowledged")
    api.delete(f"/watches/{watched}")
    expect(page.locator("#alert-now .state")).to_have_text("Closed")
    expect(page.locator(".alert.open")).to_have_count(0)
    assert page.evaluate("window.stayed")


def test_filters_of_the_list_lead_to_an_alert_and_back(page: Page, api: httpx.Client, watched: str) -> None:
    push(api, watched, [50.0, 60.0], ago=5)
    open_live(page, f"/ui/alerts?watch={watched}")
    page.locator("#facet-status").get_by_role("link", name="closed").click()
    expect(page.get_by_text("No alerts match.")).to_be_visible()
    page.locator("#facet-status").get_by_role("link", name="open 1").click()
    assert f"watch={watched}&status=open" in page.url or f"status=open&watch={watched}" in page.url
    page.get_by_role("link", name=watched, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(watched)


def test_all_answers_are_on_the_first_screen_of_a_phone(page: Page, api: httpx.Client, watched: str) -> None:
    alert_id = push(api, watched, [50.0, 60.0], ago=5)["alert_id"]
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/ui/alerts/{alert_id}")
    for answer in ("Since", "Now", "Worst", "How rare", "With it", "Seen before"):
        box = page.locator("#alert-now dt", has_text=answer).bounding_box()
        assert box
        assert box["y"] + 3 * box["height"] <= 844, answer
