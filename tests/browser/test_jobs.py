"""The pages of jobs: they follow, cancel and retry fits."""

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from shared.store.engine import Sessions
from tests.browser.living import failed, long_fit, open_live


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
