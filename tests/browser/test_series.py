"""The page of a series: pin, delete and refit its versions."""

from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from tests.browser.chromium import Watch
from tests.browser.living import open_live
from tests.points import ramp


def test_buttons_pin_and_unpin_a_version(
    page: Page, api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    fitted(series_id, ramp(30))
    open_live(page, f"/ui/series/{series_id}")
    older = page.locator("#version-1")
    older.get_by_role("button", name="Pin version 1").click()
    expect(older.locator(".badge")).to_have_text(["latest", "pinned"])
    assert api.get(f"/series/{series_id}").json()["latest_version"] == "1"
    expect(older.get_by_role("button", name="Unpin version 1")).to_be_focused()
    expect(older.get_by_role("button", name="Delete version 1")).to_be_disabled()
    older.get_by_role("button", name="Unpin version 1").click()
    expect(page.locator("#version-2 .badge")).to_have_text(["latest"])
    assert api.get(f"/series/{series_id}").json()["pinned_version"] is None


def test_deleting_asks_for_confirmation(
    page: Page, api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    fitted(series_id)
    open_live(page, f"/ui/series/{series_id}")
    page.get_by_role("button", name="Delete version 1").click()
    page.get_by_role("button", name="Keep it").click()
    assert len(api.get(f"/series/{series_id}/versions").json()["versions"]) == 2
    page.get_by_role("button", name="Delete version 1").click()
    page.get_by_role("button", name="Delete the version").click()
    expect(page.locator("#version-1")).to_have_count(0)
    assert [version["version"] for version in api.get(f"/series/{series_id}/versions").json()["versions"]] == ["2"]
    page.get_by_role("button", name="Delete …", exact=True).click()
    page.get_by_role("button", name="Delete the series").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    assert api.get(f"/series/{series_id}").status_code == 404


def test_the_form_refits_a_version_with_another_detector(
    page: Page, api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    open_live(page, f"/ui/series/{series_id}")
    page.get_by_role("button", name="Refit").click()
    page.get_by_label("Detector", exact=True).select_option("robust")
    page.get_by_role("textbox", name="alarm rate").fill("1 in 50")
    page.get_by_role("button", name="Fit", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Fit of {series_id}")
    expect(page.locator("#job .badge")).to_have_text("succeeded")
    version = api.get(f"/series/{series_id}").json()["latest_version"]
    assert api.get(f"/series/{series_id}/versions/{version}").json()["parameters"]["alarm_rate"] == "1 in 50"


def test_the_page_shows_why_the_api_refused_a_request(
    page: Page, watch: Watch, api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    watch.expected += ["422", "409"]  # Chromium logs these responses
    fitted(series_id)
    open_live(page, f"/ui/series/{series_id}")
    page.get_by_role("button", name="Refit").click()
    page.get_by_label("Detector", exact=True).select_option("msnn")
    page.get_by_role("button", name="Fit", exact=True).click()
    expect(page.locator("#fit .notice")).to_contain_text("points are too few to learn from")
    page.get_by_role("button", name="Cancel", exact=True).click()
    api.put(f"/series/{series_id}/pin", json={"version": 1})
    page.get_by_role("button", name="Delete version 1").click()
    page.get_by_role("button", name="Delete the version").click()
    expect(page.locator("#problem")).to_have_text("Version 1 is pinned. Unpin it before you delete it.")
