"""What all pages share: they stay current, obey the keyboard and the theme, and show text as text."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store.engine import Sessions
from tests.browser.chromium import Watch
from tests.browser.living import HOSTILE, failed, open_live
from tests.points import ramp
from tests.processes import serving


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


def test_the_page_says_since_when_the_server_is_unreachable(page: Page, watch: Watch, settings: Settings) -> None:
    watch.expected += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING"]
    with serving(settings) as client:
        watch.origin = str(client.base_url)
        page.goto(f"{client.base_url}/ui/jobs")
        expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#live")).to_have_text(re.compile(r"Server unreachable since \d\d:\d\d, retrying"))
