"""Sign in to pages that require a key, and use them with the cookie."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Watch
from tests.keys import Key
from tests.points import ramp


@pytest.fixture
def watch(keyed: httpx.Client) -> Watch:
    return Watch(str(keyed.base_url))


def test_a_key_opens_the_pages_until_the_user_signs_out(page: Page, watch: Watch, root: Key) -> None:
    page.goto("/ui/jobs?status=queued")
    expect(page).to_have_title("Sign in · tsad")
    watch.expected.append("401")
    page.get_by_label("API key").fill("not a key")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("invalid, expired or revoked")
    page.get_by_label("API key").fill(root.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ui/jobs?status=queued")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/")
    expect(page).to_have_title("Sign in · tsad")


def test_buttons_work_with_the_cookie(page: Page, keyed: httpx.Client, root: Key) -> None:
    job_id = keyed.post("/fit/to-cancel", json=ramp(), auth=root).json()["job_id"]
    page.goto(f"/ui/login?next=/ui/jobs/{job_id}")
    page.get_by_label("API key").fill(root.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#live")).to_have_text("Live")  # until the scripts run, the button does nothing
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.get_by_text("cancelled").first).to_be_visible()
    assert keyed.get(f"/jobs/{job_id}", auth=root).json()["status"] == "cancelled"


def test_the_interactive_documentation_obeys_its_content_security_policy(page: Page, root: Key) -> None:
    page.goto("/ui/login?next=/docs")
    page.get_by_label("API key").fill(root.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("/fit/{series_id}").first).to_be_visible()
