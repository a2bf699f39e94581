"""The pages behind nginx, under the prefix and with the configuration that the how-to guide shows."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from shared.embedded.identity import Identity
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.browser.chromium import Watch
from tests.deploy.proxies import program, serving_at
from tests.docs.markdown import ROOT, blocks
from tests.keys import Key, key_maker
from tests.points import ramp
from tests.processes import running, separate_settings, serving, sessions_of, wait_for_worker

GUIDE = ROOT / "docs/how-to/serve-under-a-prefix.md"
PREFIX = "/tsad"


@pytest.fixture(scope="module")
def own_settings(settings: Settings, server_url: str) -> Iterator[Settings]:
    with separate_settings(settings, server_url, 8) as own:
        yield own


@pytest.fixture(scope="module")
def root(own_settings: Settings) -> Iterator[Key]:
    with sessions_of(own_settings) as sessions:
        yield key_maker(sessions)()


@pytest.fixture(scope="module")
def proxied(own_settings: Settings, root: Key, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of nginx in front of an API; a worker fits."""
    folder = tmp_path_factory.mktemp("prefix")
    port = free_port()
    with serving(own_settings) as api, running(own_settings, folder, "worker") as worker:
        wait_for_worker(worker)
        configuration = folder / "nginx.conf"
        configuration.write_text(nginx_configuration(folder, port, api.base_url.port or 0))
        argv = [program("nginx"), "-c", str(configuration), "-p", str(folder), "-e", "stderr"]
        with (
            serving_at(port, Identity.ourselves(), argv, folder / "nginx.log"),
            httpx.Client(base_url=f"http://127.0.0.1:{port}{PREFIX}", timeout=30, trust_env=False) as client,
        ):
            yield client


def nginx_configuration(folder: Path, port: int, api_port: int) -> str:
    """The server block of the guide, with these ports and no other folder."""
    (locations,) = (block.content for block in blocks(GUIDE.read_text()) if block.language == "nginx")
    assert locations.count("127.0.0.1:8000") == 1
    locations = locations.replace("127.0.0.1:8000", f"127.0.0.1:{api_port}")
    paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = " ".join(f"{path}_temp_path {folder}/{path};" for path in paths)
    return (
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}} http {{ access_log off; {temporary} "
        f"server {{ listen 127.0.0.1:{port}; {locations} }} }}"
    )


@pytest.fixture
def watch(proxied: httpx.Client) -> Watch:
    """The pages may only request URLs below the prefix."""
    return Watch(str(proxied.base_url))


@pytest.fixture
def signed_in(page: Page, proxied: httpx.Client, root: Key) -> Page:
    """A page after signing in, which began at the start page."""
    address = str(proxied.base_url)
    page.goto(address)
    page.get_by_label("API key").fill(root.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(address)
    (cookie,) = page.context.cookies()
    assert cookie["path"] == PREFIX
    return page


def test_signing_in_and_out_stays_below_the_prefix(signed_in: Page, proxied: httpx.Client) -> None:
    signed_in.get_by_role("button", name="Sign out").click()
    signed_in.wait_for_url(f"{proxied.base_url}ui/login")
    assert signed_in.context.cookies() == []
    signed_in.goto(f"{proxied.base_url}plot?series_id=none&version=2")
    signed_in.wait_for_url(re.compile(f"{proxied.base_url}ui/login.*"))


def test_jobs_and_the_plot_work_below_the_prefix(signed_in: Page, proxied: httpx.Client, root: Key) -> None:
    signed_in.goto(f"{proxied.base_url}ui/jobs")
    expect(signed_in.locator("#live")).to_have_text("Live")
    accepted = proxied.post("/fit/boiler", json=ramp(60), auth=root)
    row = signed_in.locator(f"[data-job='{accepted.json()['job_id']}']")
    expect(row).to_contain_text("succeeded")  # reported by the event stream
    assert proxied.get(accepted.headers["Location"].removeprefix(PREFIX), auth=root).json()["status"] == "succeeded"
    row.get_by_role("link", name="boiler", exact=True).click()
    signed_in.get_by_role("link", name="Plot").first.click()
    signed_in.wait_for_url(re.compile(f"{proxied.base_url}plot.*"))
    expect(signed_in.locator(".plotly .main-svg").first).to_be_visible()


def test_alerts_are_followed_and_acknowledged_below_the_prefix(
    signed_in: Page, proxied: httpx.Client, root: Key
) -> None:
    now = int(time.time())
    job_id = proxied.post("/fit/pump", json=ramp(60), auth=root).json()["job_id"]
    assert proxied.get(f"/jobs/{job_id}?wait=30", auth=root).json()["status"] == "succeeded"
    proxied.put("/watches/pump", json={"prefix": "pump"}, auth=root)
    expect(signed_in.locator("#live")).to_have_text("Live")
    proxied.post("/series/pump/points", json={"timestamps": [now - 60, now], "values": [90, 90]}, auth=root)
    signed_in.locator("#open-now tr[data-alert]").get_by_role("link", name="pump", exact=True).click()
    signed_in.get_by_role("button", name="Acknowledge").click()
    expect(signed_in.locator("#alert-now .state")).to_have_text("Acknowledged")
    signed_in.locator("#alert-now").get_by_role("link", name="pump", exact=True).click()
    signed_in.wait_for_url(f"{proxied.base_url}ui/watches/pump")
    expect(signed_in.locator("#live")).to_have_text("Live")
    signed_in.get_by_role("button", name="Pause").click()
    expect(signed_in.locator("#state .badge")).to_have_text("paused")
    signed_in.get_by_role("button", name="Resume").click()
    expect(signed_in.get_by_role("button", name="Pause")).to_be_visible()
    signed_in.get_by_role("button", name="Simulate").click()
    expect(signed_in.locator("#simulated-alerts")).to_contain_text("2 points from")
    signed_in.locator("#alerts-title + a").click()
    signed_in.wait_for_url(f"{proxied.base_url}ui/alerts?watch=pump")
    signed_in.get_by_role("navigation", name="Filters").get_by_role("link", name="acknowledged 1").click()
    expect(signed_in.locator("tr[data-alert]")).to_have_count(1)
    signed_in.get_by_role("link", name="Watches").click()
    expect(signed_in.get_by_role("link", name="pump").first).to_be_visible()


def test_a_file_is_read_and_fitted_below_the_prefix(signed_in: Page, proxied: httpx.Client) -> None:
    rows = "".join(f"{1_700_000_000 + 60 * minute};{minute % 5},5\n" for minute in range(60))
    signed_in.goto(f"{proxied.base_url}ui/fit")
    signed_in.locator("#drop input").set_input_files(
        {"name": "valve.csv", "mimeType": "text/csv", "buffer": f"time;value\n{rows}".encode()}
    )
    signed_in.get_by_role("button", name="Fit", exact=True).click()
    signed_in.wait_for_url(f"{proxied.base_url}plot?series_id=valve")


def test_requests_can_be_tried_out_below_the_prefix(signed_in: Page, proxied: httpx.Client) -> None:
    signed_in.get_by_role("link", name="Docs").click()
    operation = signed_in.locator("#operations-fits-fit")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("202")
    expect(answer).to_contain_text(f'"self": "{PREFIX}/jobs/')
    signed_in.get_by_role("navigation", name="Main").get_by_role("link", name="Overview").click()  # the way back
    signed_in.wait_for_url(str(proxied.base_url))
