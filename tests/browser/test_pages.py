"""The pages, as a person uses them."""

import re
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store import attempts
from shared.store.engine import Sessions
from tests.browser.chromium import Watch
from tests.points import ramp
from tests.processes import migrated_database, serving

HOSTILE = (
    """<script>document.title = "taken"</script><img src=x onerror="document.title = 'taken'"> {{ 7*7 }} 'q' "q" &lt;"""
)
LONG = 1_000_000  # points; msnn takes longer for them than any test lasts


def long_fit() -> dict[str, object]:
    """Return the body of a fit that runs until it is canceled."""
    values = np.random.default_rng(1).normal(0, 1, LONG).round(3)
    return {"timestamps": list(range(LONG)), "values": values.tolist(), "detector": "msnn"}


def failed(api: httpx.Client, sessions: Sessions, series_id: str) -> str:
    """Make a job fail with markup in its error, and return its id; retry if the worker claims the job first."""
    for _ in range(20):
        job_id = str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"])
        with sessions.begin() as session:
            claimed = attempts.claim(session, job_id, "in-test", 20)
            if claimed and attempts.fail(session, claimed, "fit_failed", HOSTILE):
                return job_id
        api.get(f"/jobs/{job_id}?wait=10")
    raise AssertionError("the worker claimed every job first")


def open_live(page: Page, path: str) -> Page:
    """Open a page and wait until its stream is open."""
    page.goto(path)
    expect(page.locator("#live")).to_have_text("Live")
    return page


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


def test_progress_updates_without_a_reload_and_a_button_cancels_the_job(
    page: Page, api: httpx.Client, series_id: str
) -> None:
    open_live(page, f"/ui/jobs?series_id={series_id}").evaluate("window.stayed = true")
    job_id = api.post(f"/fit/{series_id}", json=long_fit()).json()["job_id"]
    row = page.locator(f'[data-job="{job_id}"]')
    expect(row.locator(".badge")).to_have_text("running")
    expect(row.locator("[data-percent]")).not_to_have_text("0 %")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".badge")).to_have_text("cancelled")
    assert api.get(f"/jobs/{job_id}").json()["status"] == "cancelled"
    expect(row.get_by_role("button", name="Retry")).to_be_visible()
    assert page.evaluate("window.stayed")


def test_a_finished_job_leaves_the_list_of_running_jobs_and_the_url_keeps_the_filter(
    page: Page, api: httpx.Client, series_id: str
) -> None:
    open_live(page, "/ui/jobs")
    page.get_by_role("searchbox").fill(series_id)
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name=re.compile("^Running")).click()
    expect(page.get_by_text(f"No running jobs of {series_id}")).to_be_visible()
    assert f"/ui/jobs?status=running&series_id={series_id}" in page.url
    job_id = api.post(f"/fit/{series_id}", json=long_fit()).json()["job_id"]
    expect(page.locator(f'[data-job="{job_id}"]')).to_be_visible()
    api.post(f"/jobs/{job_id}/cancel")
    expect(page.get_by_text(f"No running jobs of {series_id}")).to_be_visible()


def test_a_list_is_complete_again_after_the_server_was_down(
    browser: Browser, settings: Settings, sessions: Sessions, series_id: str
) -> None:
    port = free_port()
    with serving(settings, port=port) as client:
        page = browser.new_page(base_url=str(client.base_url))
        open_live(page, f"/ui/jobs?series_id={series_id}").evaluate("window.stayed = true")
    expect(page.locator("#live")).to_have_text("Reconnecting")
    with serving(settings) as other_api:
        job_id = other_api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
        other_api.get(f"/jobs/{job_id}?wait=10")
    with serving(settings, port=port):
        expect(page.locator(f'[data-job="{job_id}"] .badge')).to_have_text("succeeded", timeout=30_000)
        expect(page.locator("#live")).to_have_text("Live")
        assert page.evaluate("window.stayed")
        page.close()


def test_a_hidden_page_closes_its_stream_and_is_current_when_visible_again(
    page: Page, api: httpx.Client, series_id: str
) -> None:
    set_hidden = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); "
    set_hidden += "document.dispatchEvent(new Event('visibilitychange')); }"
    open_live(page, f"/ui/jobs?series_id={series_id}")
    with page.expect_event("requestfailed"):  # the page closes its stream
        page.evaluate(set_hidden, True)  # noqa: FBT003 - an argument of the script
    job_id = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    api.get(f"/jobs/{job_id}?wait=10")
    assert page.locator(f'[data-job="{job_id}"]').count() == 0
    page.evaluate(set_hidden, False)  # noqa: FBT003
    expect(page.locator(f'[data-job="{job_id}"] .badge')).to_have_text("succeeded")


def test_a_page_reconnects_after_its_stream_is_refused(page: Page, watch: Watch, series_id: str) -> None:
    watch.expected.append("503")
    refusals = iter([503])

    def refuse_once(route: Route) -> None:
        if status := next(refusals, None):
            route.fulfill(status=status)
        else:
            route.continue_()

    page.route("**/jobs/events*", refuse_once)
    open_live(page, f"/ui/jobs?series_id={series_id}")


def test_a_new_series_appears_on_the_start_page_without_a_reload(page: Page, api: httpx.Client, series_id: str) -> None:
    open_live(page, f"/?contains={series_id}")
    expect(page.get_by_text("No series id contains")).to_be_visible()
    api.post(f"/fit/{series_id}", json=ramp())
    expect(page.get_by_role("link", name=series_id, exact=True)).to_be_visible()


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


def test_markup_in_ids_and_errors_stays_text(
    page: Page, api: httpx.Client, sessions: Sessions, series_id: str, watch: Watch
) -> None:
    watch.expected.append("404")
    job_id = failed(api, sessions, series_id)
    for path in ("/", f"/ui/jobs?series_id={series_id}", f"/ui/jobs/{job_id}", f"/ui/series/{series_id}"):
        open_live(page, path)
        expect(page.get_by_text(HOSTILE).first).to_be_visible()
        assert "taken" not in page.title()
    page.goto("/?contains=" + "%3Cscript%3Edocument.title%3D'taken'%3C/script%3E")
    expect(page.get_by_text("No series id contains <script>")).to_be_visible()
    page.goto("/ui/series/%3Cscript%3Edocument.title='taken'%3C%2Fscript%3E")
    assert "taken" not in page.title()


def test_the_keyboard_reaches_the_controls(page: Page, series_id: str, fitted: Callable[..., str]) -> None:
    fitted(series_id)
    open_live(page, f"/ui/series/{series_id}")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Plot", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Refit")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_follows_the_system_until_the_user_chooses_one(page: Page, theme: str) -> None:
    other = {"light": "dark", "dark": "light"}[theme]
    root = page.locator("html")
    page.goto("/")
    expect(root).to_have_attribute("data-theme", theme)
    page.get_by_role("button", name="Dark theme").click()
    page.goto("/ui/jobs")
    expect(root).to_have_attribute("data-theme", other)
    page.get_by_role("button", name="Dark theme").click()
    page.emulate_media(color_scheme="dark" if other == "dark" else "light")
    expect(root).to_have_attribute("data-theme", other)


def test_every_series_whose_newest_job_failed_is_retried_at_once(
    page: Page, api: httpx.Client, sessions: Sessions, series_id: str, fitted: Callable[..., str]
) -> None:
    names = [f"{series_id}-{place}" for place in range(3)]
    for name in names:
        failed(api, sessions, name)
    fitted(names[2])
    page.goto("/ui/jobs?status=failed")
    page.get_by_role("button", name="Retry all failed").click()
    expect(page.locator("#retried")).to_have_text(re.compile(r"Retried: \d+\. Skipped, with a newer job .*"))
    newest = [api.get(f"/jobs?series_id={name}").json()["jobs"][0] for name in names]
    assert [job["retry_of"] is not None for job in newest] == [True, True, False]


def test_the_page_says_since_when_the_server_is_unreachable(page: Page, watch: Watch, settings: Settings) -> None:
    watch.expected += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING"]
    with serving(settings) as client:
        watch.origin = str(client.base_url)
        page.goto(f"{client.base_url}/ui/jobs")
        expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#live")).to_have_text(re.compile(r"Server unreachable since \d\d:\d\d, retrying"))
