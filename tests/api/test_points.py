from collections.abc import Callable

import httpx
import numpy as np
import pytest

from shared.artifacts import Artifacts
from tests.points import ramp
from tests.stores import root

MINUTES = [1_700_000_000 + 60 * place for place in range(60)]


@pytest.fixture
def peaked(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> str:
    fitted(series_id, ramp(60, values=[*ramp(59)["values"], 90.0]))
    return f"/series/{series_id}/versions/latest/points"


def test_a_short_series_is_shown_completely_with_its_verdicts(api: httpx.Client, peaked: str) -> None:
    points = api.get(peaked).json()
    assert (points["version"], points["detector"], points["points"], points["anomalies"]) == ("1", "baseline", 60, 1)
    assert points["timestamps"] == MINUTES
    assert points["values"] == [*ramp(59)["values"], 90.0]
    assert [score > 1 for score in points["score"]] == [False] * 59 + [True]
    assert all(
        lower < expected < upper
        for lower, expected, upper in zip(points["lower"], points["expected"], points["upper"], strict=True)
    )


@pytest.mark.parametrize(
    ("query", "places"),
    [
        (f"from={MINUTES[10]}&to={MINUTES[12]}", [10, 11, 12]),
        (f"from={MINUTES[10] + 1}&to={MINUTES[12] - 1}", [11]),
        (f"from={MINUTES[58]}", [58, 59]),
        (f"to={MINUTES[1]}", [0, 1]),
        ("to=5", []),
    ],
)
def test_a_span_includes_the_points_between_its_ends(
    api: httpx.Client, peaked: str, query: str, places: list[int]
) -> None:
    points = api.get(f"{peaked}?{query}").json()
    assert points["timestamps"] == [MINUTES[place] for place in places]
    assert points["points"] == len(places)
    assert {len(points[name]) for name in ("values", "score", "expected", "lower", "upper")} == {len(places)}


def test_a_shorter_span_shows_points_that_the_full_one_omits(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    values = np.random.default_rng(7).normal(0, 1, 5_000)
    values[[1_234, 3_001]] = 30.0, -40.0
    fitted(series_id, {"timestamps": list(range(5_000)), "values": values.tolist()})
    everything = api.get(f"/series/{series_id}/versions/1/points?max_points=100").json()
    assert len(everything["timestamps"]) <= 100
    assert (max(everything["values"]), min(everything["values"])) == (30.0, -40.0)
    assert {1_234, 3_001} <= set(everything["timestamps"])
    close = api.get(f"/series/{series_id}/versions/1/points?from=1200&to=1260&max_points=100").json()
    assert close["timestamps"] == list(range(1_200, 1_261))
    assert close["values"] == values[1_200:1_261].tolist()


@pytest.mark.parametrize(
    "query", ["from=-1", "to=253402300800", "from=x", "from=2&to=1", "max_points=15", "max_points=20001"]
)
def test_an_invalid_span_is_refused(api: httpx.Client, peaked: str, query: str) -> None:
    answer = api.get(f"{peaked}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["loc"][0] == "query"


def test_points_of_an_unknown_series_or_version_are_a_problem(api: httpx.Client, peaked: str) -> None:
    assert api.get("/series/nobody-knows/versions/1/points").json()["code"] == "series_not_found"
    assert api.get(peaked.replace("latest", "7")).json()["code"] == "version_not_found"


def test_a_detector_without_a_band_returns_nulls(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    fitted(series_id, ramp(200, detector="msnn"))
    points = api.get(f"/series/{series_id}/versions/1/points").json()
    assert all(isinstance(score, float) for score in points["score"])
    assert set(points["lower"]) == set(points["upper"]) == set(points["expected"]) == {None}


def test_training_data_that_was_altered_is_never_shown(
    api: httpx.Client, artifacts: Artifacts, series_id: str, fitted: Callable[..., str]
) -> None:
    (root(artifacts.data) / series_id / f"{fitted(series_id)}.npz").write_bytes(b"something else")
    answer = api.get(f"/series/{series_id}/versions/1/points")
    assert (answer.status_code, answer.json()["code"]) == (500, "artifact_damaged")


def test_a_deleted_version_is_not_shown_from_memory(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    fitted(series_id)
    path = f"/series/{series_id}/versions/1/points"
    assert api.get(path).status_code == 200
    assert api.delete(f"/series/{series_id}/versions/1").status_code == 204
    assert api.get(path).json()["code"] == "version_not_found"
