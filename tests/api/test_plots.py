import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.points import ramp


def figure_of(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="figure">(.*?)</script>', page, re.DOTALL)
    assert match
    figure: dict[str, Any] = json.loads(match[1])
    return figure


def test_a_plot_shows_values_band_and_anomalies(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    fitted(series_id, ramp(60, values=[*ramp(59)["values"], 90.0]))
    answer = api.get(f"/plot?series_id={series_id}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    names = [trace.get("name") for trace in figure_of(answer.text)["data"]]
    assert {"value", "normal band", "expected", "anomaly"} <= set(names)
    assert 'over time with the normal band; anomalies: 1"' in answer.text
    assert "2023-11-14 22:13:20 UTC" in answer.text
    assert "1 of 60 points (1.7 %)" in answer.text


def test_a_plot_links_to_the_neighboring_versions(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    for _ in range(3):
        fitted(series_id)
    page = api.get(f"/plot?series_id={series_id}&version=2").text
    for version in (1, 3):
        assert f"plot?series_id={series_id}&amp;version={version}" in page
    assert "latest: version 3" in page


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 422, "invalid_request"),
        ("series_id=", 422, "invalid_series_id"),
        ("series_id=%3Cscript%3E", 422, "invalid_series_id"),
        ("series_id=nobody-knows", 404, "series_not_found"),
        ("series_id=nobody-knows&version=x", 422, "invalid_version"),
    ],
)
def test_an_invalid_plot_request_is_a_problem(api: httpx.Client, query: str, status: int, code: str) -> None:
    answer = api.get(f"/plot?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_plot_of_many_points_is_small_and_keeps_every_extreme(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    random = np.random.default_rng(7)
    values = random.normal(0, 1, 200_000)
    values[[12_345, 150_001]] = 30.0, -40.0
    fitted(series_id, {"timestamps": list(range(200_000)), "values": values.tolist()})
    answer = api.get(f"/plot?series_id={series_id}")
    assert len(answer.content) < 500_000
    (value_trace,) = (trace for trace in figure_of(answer.text)["data"] if trace.get("name") == "value")
    assert {30.0, -40.0} <= set(value_trace["y"])


@pytest.mark.parametrize(
    ("query", "span"),
    [
        ("", (1_700_000_000, 1_700_003_540)),
        ("&from=1700000600", (1_700_000_600, 1_700_003_540)),
        ("&from=2023-11-14T22:23:20&to=2023-11-14T22:33:20Z", (1_700_000_600, 1_700_001_200)),
        ("&to=1700001200", (1_700_000_000, 1_700_001_200)),
        ("&from=5&to=6", (1_700_000_000, 1_700_003_540)),  # no point there: everything is shown
    ],
)
def test_a_plot_opens_with_the_range_in_its_url(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], query: str, span: tuple[int, int]
) -> None:
    fitted(series_id, ramp(60))
    page = api.get(f"/plot?series_id={series_id}{query}").text
    assert figure_of(page)["layout"]["xaxis"]["range"] == [1000 * end for end in span]
    whole, part = (api.get(f"/plot.svg?series_id={series_id}{ends}").text for ends in ("", query))
    assert (whole == part) is (span == (1_700_000_000, 1_700_003_540))


def test_a_range_that_ends_before_it_begins_is_a_problem(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    for path in ("/plot", "/plot.svg"):
        answer = api.get(f"{path}?series_id={series_id}&from=7&to=6")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_ids_are_escaped_in_pages(api: httpx.Client, fitted: Callable[..., str]) -> None:
    fitted("a.b_c-d")
    assert ">a.<wbr>b_<wbr>c-<wbr>d</a></h1>" in api.get("/plot?series_id=a.b_c-d").text


def test_the_figure_contains_the_points_and_their_verdicts(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    values = [*ramp(59)["values"], 90.0]
    fitted(series_id, ramp(60, values=values))
    points = api.get(f"/series/{series_id}/versions/1/points").json()
    traces = {trace["name"]: trace for trace in figure_of(api.get(f"/plot?series_id={series_id}").text)["data"]}
    assert traces["value"]["y"] == values
    assert traces["value"]["x"] == [1000 * timestamp for timestamp in points["timestamps"]]
    assert traces["value"]["customdata"] == [
        list(pair) for pair in zip(points["timestamps"], points["score"], strict=True)
    ]
    assert (traces["anomaly"]["y"], traces["anomaly"]["customdata"][0][1]) == ([90.0], points["score"][-1])
    for name, column in (("lower edge", "lower"), ("normal band", "upper"), ("expected", "expected")):
        assert traces[name]["y"] == [points[column][0]] * 2, "a band that stays the same needs two points"


@pytest.mark.parametrize(
    ("direction", "open_side", "farthest"), [("above", "lower edge", 0.0), ("below", "normal band", 4.0)]
)
def test_the_open_side_of_a_band_reaches_to_the_farthest_value(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], direction: str, open_side: str, farthest: float
) -> None:
    fitted(series_id, ramp(60, parameters={"direction": direction}))
    traces = {trace["name"]: trace for trace in figure_of(api.get(f"/plot?series_id={series_id}").text)["data"]}
    assert set(traces[open_side]["y"]) == {farthest}


def test_a_detector_without_a_band_is_drawn_without_one(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, ramp(200, detector="msnn"))
    page = api.get(f"/plot?series_id={series_id}").text
    names = {trace["name"] for trace in figure_of(page)["data"]}
    assert {"value", "anomaly"} <= names
    assert not names & {"normal band", "lower edge", "expected"}
