"""The pages as the server renders them."""

import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from api.routes import pages
from shared.domain.versions import SeriesSummary
from shared.settings import Settings
from shared.store import attempts, listing, versions
from shared.store.engine import Sessions
from shared.store.listing import Order
from tests.points import ramp
from tests.processes import serving

HOSTILE = """<script>alert("1")</script> {{ 7*7 }} </template> 'quoted' &amp;"""
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
PAGES = ("/", "/ui/jobs", "/ui/jobs?status=failed")


def failed(api: httpx.Client, sessions: Sessions, series_id: str, detail: str = HOSTILE) -> str:
    """A job that a worker failed with this message."""
    job_id: str = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    with sessions.begin() as session:
        claimed = attempts.claim(session, job_id, "in-test", 20)
        assert claimed
        assert attempts.fail(session, claimed, "fit_failed", detail)
    return job_id


def test_a_series_is_shown_with_its_latest_version_sparkline_and_anomaly_share(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, ramp(60, values=[*ramp(59)["values"], 90.0]))
    page = api.get("/", params={"contains": series_id[3:].upper()}).text
    (row,) = re.findall(r"<tr>\s*<th scope=\"row\">.*?</tr>", page, re.DOTALL)
    assert f'ui/series/{series_id}">{series_id.replace("-", "-<wbr>")}</a>' in row
    assert re.search(r'<polyline points="0,\d+ ', row)
    assert '<path d="M120 2h0"/>' in row, "a dot marks the flagged point"
    assert "1.7 %" in row
    assert ">60<" in row
    assert "baseline" in row


ORDERS = {"id": [0, 1, 2, 3, 4], "fitted": [4, 3, 2, 1, 0], "points": [4, 3, 2, 1, 0], "flagged": [2, 4, 0, 1, 3]}


def test_series_are_listed_in_each_order_page_by_page(
    api: httpx.Client,
    sessions: Sessions,
    series_id: str,
    fitted: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "SERIES_PER_PAGE", 2)
    series_ids = [f"{series_id}-{place}" for place in range(5)]
    for place, name in enumerate(series_ids):
        spikes = {2: 2, 4: 1}.get(place, 0)
        fitted(name, ramp(100 + place, values=[*ramp(100 + place - spikes)["values"], *[90.0] * spikes]))
    fitted(series_ids[1], ramp(300))  # newer and longer, but not the latest
    api.put(f"/series/{series_ids[1]}/pin", json={"version": 1})
    for sort, order in ORDERS.items():
        listed, counts, link = [], [], f"./?contains={series_id}&sort={sort}"
        while link:
            page = api.get(urljoin("/", link)).text
            listed += shown_on(page)
            counts += re.findall(r"(\d).(\d) of (\d)<", page)
            link = link_to("next", page)
        assert listed == [series_ids[place] for place in order]
        assert walked(sessions, Order(sort), series_id) == listed
        assert counts == [("1", "2", "5"), ("3", "4", "5"), ("5", "5", "5")]
        second = [series_ids[place] for place in order[2:4]]
        assert shown_on(api.get(urljoin("/", link_to("prev", page))).text) == second
        for wrong in ("after&id=%00&key=1", "before&id=a/b", "after&id=a&key=x", "before&id=a&key=nan"):
            answer = api.get(f"/?contains={series_id}&sort={sort}&page=2&toward={wrong}")  # counts the rows instead
            assert shown_on(answer.text) == second or (sort == "id" and "id=a&" in wrong)


def walked(sessions: Sessions, order: Order, series_id: str) -> list[str]:
    """The ids of a test on all pages of all series in this order, read from an index, forward and backward."""
    forward, backward = list[SeriesSummary](), list[SeriesSummary]()
    with sessions.begin() as session:
        place = None
        while page := listing.listing(session, "", order, 50, after=place):
            forward += page
            place = listing.place_of(page[-1], order)
        while page := listing.listing(session, "", order, 50, before=place):
            backward[:0] = page
            place = listing.place_of(page[0], order)
    assert backward == forward[:-1]
    return [summary.series_id for summary in forward if summary.series_id.startswith(series_id)]


def shown_on(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a class="id" href="./ui/series/([^"]+)">', page)


def link_to(relation: str, page: str) -> str:
    found = re.search(rf'rel="{relation}" href="([^"]+)"', page)
    return found[1].replace("&amp;", "&") if found else ""


@pytest.mark.parametrize("text", [HOSTILE, "\x00", "nobody-has-this", "é"])
def test_a_search_without_results_says_so_and_escapes_its_text(api: httpx.Client, text: str) -> None:
    answer = api.get("/", params={"contains": text})
    assert answer.status_code == 200
    assert "No series id contains" in answer.text
    assert "<script>alert" not in answer.text


def test_jobs_are_filtered_by_status_and_series_and_links_keep_both(
    api: httpx.Client, sessions: Sessions, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "JOBS_PER_PAGE", 1)
    old, new = (failed(api, sessions, series_id) for _ in range(2))
    waiting = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    page = api.get("/ui/jobs", params={"status": "failed", "series_id": series_id}).text
    assert re.findall(r'data-job="([^"]+)"', page) == [new]
    assert f'data-stream="jobs/events?status=failed&amp;series_id={series_id}"' in page
    assert f'href="../ui/jobs?status=queued&amp;series_id={series_id}"' in page
    older = re.search(r'href="([^"]+)">Older', page)
    assert older
    page = api.get(urljoin("/ui/jobs", older[1].replace("&amp;", "&"))).text
    assert re.findall(r'data-job="([^"]+)"', page) == [old]
    page = api.get("/ui/jobs", params={"status": "queued", "series_id": series_id}).text
    assert re.findall(r'data-job="([^"]+)"', page) == [waiting]
    assert f'data-path="jobs/{waiting}/cancel"' in page


def test_the_error_of_a_failed_job_is_escaped_on_every_page(
    api: httpx.Client, sessions: Sessions, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    job_id = failed(api, sessions, series_id)
    for path in ("/", f"/ui/jobs?series_id={series_id}", f"/ui/jobs/{job_id}", f"/ui/series/{series_id}"):
        page = api.get(path).text
        assert str(escape(HOSTILE)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
        assert HOSTILE not in page


def test_the_page_of_a_job_shows_its_history(api: httpx.Client, sessions: Sessions, series_id: str) -> None:
    old = failed(api, sessions, series_id)
    page = api.get(f"/ui/jobs/{old}").text
    for word in ("Accepted", "Started", "Failed", "in-test", "fit_failed"):
        assert word in page
    new = api.post(f"/jobs/{old}/retry").json()["job_id"]
    page = api.get(f"/ui/jobs/{new}").text
    assert f'as a retry of <a href="../../ui/jobs/{old}">' in page
    assert "Started" not in page.split("Jobs of this series")[0]


def test_the_page_of_a_series_shows_the_changes_between_versions(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    fitted(series_id, ramp(30, parameters={"threshold": 2, "direction": "above"}))
    api.put(f"/series/{series_id}/pin", json={"version": 1})
    page = api.get(f"/ui/series/{series_id}").text
    changes = re.findall(r'<li><span class="faint">(.*?)</span> (.*?) <span.*?<strong>(.*?)</strong>', page)
    assert changes == [
        ("direction", "both", "above"),
        ("threshold", "3", "2"),
        ("points", "20", "30"),
        ("normal band", "-2.243 to 6.243", "below 4.828"),
    ]
    newer, older = re.findall(r'<li class="card" id="version-\d".*?class="version"', page, re.DOTALL)
    assert "pinned" in older
    assert "latest" in older
    assert f'data-path="series/{series_id}/pin"' in newer
    assert "pinned" not in newer


def test_the_page_of_a_series_opens_even_if_one_of_its_files_is_damaged(
    settings: Settings, api: httpx.Client, sessions: Sessions, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    with sessions.begin() as session:
        version = versions.find(session, series_id, 1)
    assert version
    Path(settings.model_state_folder, version.scores.key).write_bytes(b"damage")
    answer = api.get(f"/ui/series/{series_id}")
    assert answer.status_code == 200
    assert re.search(r"<dt>normal band</dt><dd>none</dd>", answer.text)


def test_a_series_is_shown_while_its_first_fit_is_open(api: httpx.Client, series_id: str) -> None:
    api.post(f"/fit/{series_id}", json=ramp())
    page = api.get(f"/ui/series/{series_id}").text
    assert "No fit of this series has succeeded yet" in page
    assert "queued" in page


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/ui/series/nobody-knows", 404, "series_not_found"),
        ("/ui/jobs/00000000-0000-0000-0000-000000000000", 404, "job_not_found"),
        ("/ui/jobs?status=lost", 422, "invalid_request"),
        ("/ui/jobs?cursor=x", 422, "invalid_cursor"),
        ("/plot?series_id=%3Cscript%3E", 422, "invalid_series_id"),
        ("/nowhere", 404, "route_not_found"),
    ],
)
def test_browsers_get_a_problem_as_a_page_and_programs_as_json(
    api: httpx.Client, path: str, status: int, code: str
) -> None:
    for_program, for_person = api.get(path), api.get(path, headers=BROWSER)
    assert (for_program.status_code, for_program.json()["code"]) == (status, code)
    assert for_person.status_code == status
    assert for_person.headers["content-type"].startswith("text/html")
    assert f"<code>{code}</code>" in for_person.text
    assert for_program.json()["detail"] in for_person.text.replace("&#39;", "'")


def test_a_page_runs_only_its_own_scripts(
    api: httpx.Client, sessions: Sessions, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    job_id = failed(api, sessions, series_id)
    nonces = set()
    for path in (*PAGES, f"/ui/jobs/{job_id}", f"/ui/series/{series_id}"):
        answer = api.get(path)
        rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";"))
        (nonce,) = re.findall(r"'nonce-([\w-]{16,})'", rules["script-src"])
        assert rules["default-src"] == "'none'"
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        for tag in re.findall(r"<script[^>]*>|<link rel=\"stylesheet\"[^>]*>", answer.text):
            assert f'nonce="{nonce}"' in tag
        assert not re.search(r'\son\w+="|\sstyle="|javascript:', answer.text)
        nonces.add(nonce)
    assert len(nonces) == len(PAGES) + 2


def test_every_link_of_a_page_is_relative_and_works(
    api: httpx.Client, sessions: Sessions, series_id: str, fitted: Callable[..., str]
) -> None:
    """A proxy may serve the pages under a prefix."""
    fitted(series_id)
    job_id = failed(api, sessions, series_id)
    addresses = set()
    query = f"series_id={series_id}"
    for path in (f"/?contains={series_id}", f"/ui/jobs?{query}", f"/ui/jobs/{job_id}", f"/ui/series/{series_id}"):
        for address in re.findall(r'(?:src|href|action)="([^"]+)"', api.get(path).text):
            assert address.startswith(("./", "../", "#")), (path, address)
            addresses.add(urljoin(path, address.replace("&amp;", "&")))
    assert len(addresses) > 10
    for address in addresses:
        assert api.get(address).status_code == 200, address


def test_a_page_works_under_a_known_prefix(settings: Settings) -> None:
    with serving(settings, root_path="/tsad") as client:
        assert 'href="../static/' in client.get("/ui/jobs").text
        assert 'href="./static/' in client.get("/").text


def test_page_assets_other_than_plotly_are_small(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    fitted(series_id)
    for path in ("/", "/ui/jobs", f"/ui/series/{series_id}"):
        page = api.get(path).text
        files = {urljoin(path, file) for file in re.findall(r'(?:src|href)="([^"]*static/[^"]+)"', page)}
        sizes = [len(page.encode()), *(int(api.get(file).headers["Content-Length"]) for file in files)]
        assert sizes[0] < 1_500 * page.count("<tr") + 70_000, (path, sizes)
        assert sum(sizes[1:]) < 30_000, (path, sizes)


def test_the_pages_link_to_flower_if_it_is_configured(settings: Settings, api: httpx.Client) -> None:
    assert ">Flower<" not in api.get("/").text
    with serving(settings.model_copy(update={"flower_url": "https://flower.example"})) as client:
        assert '<a href="https://flower.example" rel="noreferrer">Flower</a>' in client.get("/").text


def test_samples_are_served_as_fit_bodies(api: httpx.Client) -> None:
    body = api.get("/ui/samples/seattle-wind").json()
    assert len(body["timestamps"]) == len(body["values"]) > 1000
    assert api.get("/ui/samples/passwd").status_code == 404
