"""Open pages that stay current, and make jobs that fail or take long."""

import httpx
import numpy as np
from playwright.sync_api import Page, expect

from shared.store import attempts
from shared.store.engine import Sessions
from tests.points import ramp

LONG = 1_000_000  # points; msnn takes longer for them than any test lasts
HOSTILE = (
    """<script>document.title = "taken"</script><img src=x onerror="document.title = 'taken'"> {{ 7*7 }} 'q' "q" &lt;"""
)


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
