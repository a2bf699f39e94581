"""Files that a person drops on a page or chooses there, and fits."""

import httpx
from playwright.sync_api import Browser, Page, expect

from shared.settings import Settings
from tests.browser.chromium import Watch
from tests.processes import migrated_database, serving


def test_a_new_installation_offers_a_sample_to_fit(browser: Browser, settings: Settings, server_url: str) -> None:
    with migrated_database(server_url) as url, serving(settings.model_copy(update={"database_url": url})) as client:
        context = browser.new_context(base_url=str(client.base_url))
        watch = Watch(str(client.base_url))
        watch.attach(context)
        page = context.new_page()
        page.goto("/")
        expect(page.get_by_text("Nothing has been fitted yet")).to_be_visible()
        expect(page.locator("pre")).to_contain_text(f"{client.base_url}/fit/boiler")
        watch.expected.append("422")
        page.locator("#drop input").set_input_files(
            {"name": "a b.csv", "mimeType": "text/csv", "buffer": b"1700000000,2\n1700000000,3\n"}
        )
        expect(page.get_by_role("alert")).to_contain_text("Duplicate timestamp 2023-11-14 22:13:20Z (rows 1 and 2)")
        expect(page.locator(".named label")).to_have_text("Values of one second --doubled")
        page.get_by_role("button", name="Fit the sample").click()
        page.wait_for_url("**/ui/jobs/*")  # no worker runs, so there is no chart yet
        expect(page.get_by_role("heading", level=1)).to_have_text("Fit of seattle-wind")
        assert client.get("/jobs?series_id=seattle-wind").json()["jobs"]
        context.close()
        assert watch.unexpected == []


def test_a_dropped_file_with_two_values_is_fitted_once_the_user_has_chosen_one(
    page: Page, watch: Watch, api: httpx.Client, series_id: str
) -> None:
    watch.expected.append("422")
    lines = [f"{1 + hour // 24}.1.2026 {hour % 24}:00;{hour % 7},5;1.{hour:03},25" for hour in range(96)]
    content = "\n".join(["Station Süd", "", "Zeit;Zulauf;Rücklauf", *lines]).encode("cp1252")
    drop_script = """([name, text]) => {
      const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], name));
      const dropped = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
      document.getElementById("drop").dispatchEvent(dropped);
    }"""
    page.goto(f"/?contains={series_id}")
    page.get_by_role("link", name="Fit a file").click()
    page.wait_for_url("**/ui/fit")
    page.evaluate(drop_script, [f"{series_id}.csv", content.decode("latin-1")])
    expect(page.get_by_role("alert")).to_contain_text("Several columns can be the value: 'Zulauf', 'Rücklauf'.")
    expect(page.locator(".named label")).to_have_text("Value column --value")
    page.get_by_label("Value column").fill("Rücklauf")
    page.get_by_role("button", name="Read again").click()
    expect(page.locator("#file-summary")).to_have_text("96 points from 2026-01-01 00:00:00 to 2026-01-04 23:00:00")
    expect(page.locator("#file-notes")).to_contain_text("decimal sign ','")
    expect(page.locator("#file-rows tbody tr").nth(1)).to_contain_text("1001.25")
    expect(page.get_by_label("Id of the series")).to_have_value(series_id)
    page.get_by_role("button", name="Fit", exact=True).click()
    page.wait_for_url(f"**/plot?series_id={series_id}")
    assert api.get(f"/series/{series_id}").json()["points"] == 96


def test_all_series_of_a_dropped_file_are_fitted(page: Page, watch: Watch, api: httpx.Client) -> None:
    rows = [f"{1_700_000_000 + 60 * minute},{name} 1,{minute % 5}" for minute in range(60) for name in "ab"]
    content = "\n".join(["time,sensor,value", *rows]).encode()
    watch.expected.append("422")
    page.goto("/ui/fit")
    page.locator("#drop input").set_input_files({"name": "plant.csv", "mimeType": "text/csv", "buffer": content})
    expect(page.get_by_role("alert")).to_contain_text("the file may hold several series")
    page.get_by_label("Series column").fill("sensor")
    page.get_by_role("button", name="Read again").click()
    expect(page.locator("#file-summary")).to_contain_text("2 series with 120 points")
    expect(page.locator("#file-rows tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Fit all 2").click()
    page.wait_for_url("**/ui/jobs")
    assert {job["series_id"] for job in api.get("/jobs?limit=2").json()["jobs"]} == {"a-1", "b-1"}
