"""`tsad jobs` and `tsad series`, against the API."""

import json
import webbrowser
from collections.abc import Callable

import httpx
import pytest

from api.cli.main import error_lines
from api.cli.output import cell, escaped
from shared.errors import Code, Flaw, TsadError
from tests.cli.commands import Tsad
from tests.points import ramp


@pytest.fixture
def queued(api: httpx.Client, series_id: str) -> str:
    job_id: str = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    return job_id


def test_jobs_are_listed_newest_first_as_a_table_or_as_json(
    tsad: Tsad, api: httpx.Client, series_id: str, queued: str
) -> None:
    newer = api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"]
    rows = tsad("jobs", "list", "--series", series_id).out.splitlines()
    assert rows[0].split()[:3] == ["job", "series", "status"]
    assert [row.split()[:3] for row in rows[1:]] == [[newer, series_id, "queued"], [queued, series_id, "queued"]]
    job_list = tsad("jobs", "list", "--series", series_id, "--status", "queued", "--limit", "1", "--json").answers
    assert [job["job_id"] for job in job_list] == [newer]


def test_a_job_is_shown_canceled_and_retried(tsad: Tsad, series_id: str, queued: str) -> None:
    assert queued in tsad("jobs", "show", queued).out
    assert tsad("jobs", "cancel", queued, "--json").answers[0]["status"] == "cancelled"
    retry = tsad("jobs", "retry", queued, "--json").answers[0]
    assert (retry["status"], retry["series_id"]) == ("queued", series_id)
    assert tsad("jobs", "show", retry["job_id"], "--json").answers[0]["retry_of"] == queued


def test_an_unknown_job_exits_with_code_4(tsad: Tsad) -> None:
    for command in ("show", "wait", "cancel", "retry"):
        result = tsad("jobs", command, "nobody")
        assert result.code == 4
        assert "no such job" in result.err


def test_a_finished_job_cannot_be_canceled(tsad: Tsad, fitted: Callable[..., str], series_id: str) -> None:
    result = tsad("jobs", "cancel", fitted(series_id))
    assert result.code == 2
    assert "already succeeded" in result.err


def test_waiting_for_a_succeeded_job_exits_with_code_0(tsad: Tsad, fitted: Callable[..., str], series_id: str) -> None:
    result = tsad("jobs", "wait", fitted(series_id))
    assert result.code == 0
    assert "succeeded" in result.out


def test_series_and_versions_are_listed_and_shown(tsad: Tsad, fitted: Callable[..., str], series_id: str) -> None:
    fitted(series_id)
    fitted(series_id, ramp(30))
    (row,) = tsad("series", "list", "--prefix", series_id).out.splitlines()[1:]
    assert row.split()[:6] == [series_id, "2", "-", "2", "baseline", "30"]
    assert tsad("series", "list", "--prefix", series_id, "--json").answers[0]["latest_version"] == "2"
    assert "2023-11-14 22:13:20Z" in tsad("series", "show", series_id).out
    rows = tsad("series", "versions", series_id).out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["2", "1"]
    assert [version["points"] for version in tsad("series", "versions", series_id, "--json").answers] == [30, 20]


def test_lists_continue_past_the_first_page(tsad: Tsad, api: httpx.Client, series_id: str) -> None:
    line = json.dumps(ramp(series_id=series_id))
    assert api.post("/fit", content="\n".join([line] * 205)).is_success
    ids = [job["job_id"] for job in tsad("jobs", "list", "--series", series_id, "--limit", "203", "--json").answers]
    assert len(set(ids)) == 203
    tsad("series", "delete", series_id, "--yes")


def test_a_list_that_is_cut_says_how_many_there_are(
    tsad: Tsad, api: httpx.Client, fitted: Callable[..., str], series_id: str
) -> None:
    for part in ("a", "b", "c"):
        fitted(f"{series_id}.{part}")
    fitted(f"{series_id}.a")
    assert "2 of 3 shown, --limit for more." in tsad("series", "list", "--prefix", series_id, "--limit", "2").err
    assert tsad("series", "list", "--prefix", series_id, "--limit", "3").err == ""
    assert "1 shown, --limit for more." in tsad("series", "versions", f"{series_id}.a", "--limit", "1").err
    assert "1 shown, --limit for more." in tsad("jobs", "list", "--series", f"{series_id}.a", "--limit", "1").err
    assert "total" not in api.get("/series", params={"limit": 1}).json()


def test_detectors_are_listed_with_their_parameters(tsad: Tsad) -> None:
    listed = tsad("detectors")
    assert "baseline (default of the API): " in listed.out
    assert "auto (default of `tsad fit`): " in listed.out
    (seasonal,) = tsad("detectors", "seasonal", "--json").answers
    assert seasonal["parameters"]["properties"]["cycle"]["default"] == "auto"
    unknown = tsad("detectors", "magic")
    assert (unknown.code, "Detectors: ar, auto" in unknown.err) == (4, True)


def test_latest_is_pinned_and_unpinned(tsad: Tsad, fitted: Callable[..., str], series_id: str) -> None:
    fitted(series_id)
    fitted(series_id)
    pinned = tsad("series", "pin", series_id, "1", "--json").answers[0]
    assert (pinned["latest_version"], pinned["pinned_version"]) == ("1", "1")
    assert tsad("series", "delete", series_id, "--version", "1", "--yes").code == 2
    assert tsad("series", "unpin", series_id, "--json").answers[0]["latest_version"] == "2"
    assert tsad("series", "pin", series_id, "7").code == 4


def test_delete_asks_for_confirmation(tsad: Tsad, fitted: Callable[..., str], series_id: str) -> None:
    fitted(series_id)
    fitted(series_id)
    assert tsad("series", "delete", series_id, stdin="n\n").code == 1
    assert tsad("series", "show", series_id).code == 0
    assert tsad("series", "delete", series_id, "--version", "v1", "--yes").code == 0
    assert tsad("series", "delete", series_id, stdin="y\n").code == 0
    assert tsad("series", "show", series_id).code == 4


def test_a_chart_is_opened_in_the_browser_or_drawn_in_the_terminal(
    tsad: Tsad, fitted: Callable[..., str], series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted(series_id)
    opened: list[str] = []

    def open_page(page: str) -> bool:
        opened.append(page)
        return len(opened) == 1

    monkeypatch.setattr(webbrowser, "open", open_page)
    result = tsad("series", "plot", series_id)
    assert result.out == ""
    assert opened[0].endswith(f"/plot?series_id={series_id}&version=1")
    plot = tsad("series", "plot", series_id).out
    assert len(opened) == 2
    assert 5 < sum("\u2800" < character <= "\u28ff" for character in plot) <= 20
    assert "2023-11-14 22:13:20Z" in plot
    assert "mean 2" in plot


def test_data_from_others_cannot_move_the_terminal_cursor() -> None:
    assert escaped("a\x1b[2J\r\n\u202eb") == "a\\x1b[2J\\r\\n\\u202eb"
    assert cell("\x1b[31m").plain == "\\x1b[31m"
    error = TsadError(Code.JOB_NOT_FOUND, "gone", flaws=[Flaw(("a", 1), "\x07")])
    assert error_lines(error) == ["gone", "  a.1: \\x07"]
