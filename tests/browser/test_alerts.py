"""What is open now, on the start page and on the pages of alerts, as a person follows it."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.living import open_live
from tests.points import ramp
from tests.watched import push, put


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


def test_a_bar_filters_the_list_by_its_day_with_the_keyboard_and_again_shows_all(
    page: Page, api: httpx.Client, watched: str
) -> None:
    push(api, watched, [50.0, 60.0], ago=5)
    open_live(page, f"/ui/alerts?watch={watched}")
    bar = page.locator("#days .days a").last
    expect(bar).to_have_attribute("aria-label", re.compile(r"^\w{3} \d+ \w{3}: 1 alert, 1 open now$"))
    bar.press("Enter")
    chosen = page.locator("#days .days a[aria-current]")
    expect(chosen).to_have_count(1)
    assert "began=" in page.url
    expect(page.locator("#list tbody tr")).to_have_count(1)
    chosen.focus()
    api.delete(f"/watches/{watched}")
    expect(chosen).to_have_attribute("aria-label", re.compile(r": 1 alert$"))
    expect(chosen).to_be_focused()
    page.locator("#days").get_by_role("link", name="All days").click()
    expect(chosen).to_have_count(0)


def test_the_bars_need_no_script_and_fit_a_phone(browser: Browser, api: httpx.Client, watched: str) -> None:
    push(api, watched, [50.0, 60.0], ago=5)
    phone = browser.new_context(
        base_url=str(api.base_url), java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    page = phone.new_page()
    page.goto(f"/ui/alerts?watch={watched}")
    page.locator("#days .days a").last.click()
    expect(page.locator("#days .days a[aria-current]")).to_have_count(1)
    assert "began=" in page.url
    box = page.locator("#days").bounding_box()
    assert box
    assert box["x"] + box["width"] <= 390
    phone.close()


def test_a_review_is_kept_with_its_note_and_shown_with_the_next_alert(
    page: Page, api: httpx.Client, watched: str
) -> None:
    earlier = push(api, watched, [50.0, 60.0], ago=5)["alert_id"]
    open_live(page, f"/ui/alerts/{earlier}")
    note = page.get_by_role("textbox", name="Note")
    note.fill("Load")
    api.delete(f"/watches/{watched}")
    expect(page.locator("#alert-now .state")).to_have_text("Closed")
    note.press_sequentially(" test")
    choice = page.get_by_role("button", name="False alarm")
    choice.click()
    expect(choice).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#reviewed")).to_contain_text("false alarm Load test")
    put(api, watched)
    newest = push(api, watched, [50.0, 60.0], ago=3)["alert_id"]
    page.goto(f"/ui/alerts/{newest}")
    expect(page.locator("#earlier")).to_contain_text("false alarm Load test")
    page.locator("#earlier li a").click()
    choice.click()
    expect(choice).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#reviewed q")).to_have_text("Load test")
    note.fill("")
    note.press("Enter")
    expect(page.locator("#reviewed")).to_have_count(0)


def test_all_answers_are_on_the_first_screen_of_a_phone(page: Page, api: httpx.Client, watched: str) -> None:
    alert_id = push(api, watched, [50.0, 60.0], ago=5)["alert_id"]
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/ui/alerts/{alert_id}")
    for answer in ("Since", "Now", "Worst", "How rare", "With it", "Seen before"):
        box = page.locator("#alert-now dt", has_text=answer).bounding_box()
        assert box
        assert box["y"] + 3 * box["height"] <= 844, answer
