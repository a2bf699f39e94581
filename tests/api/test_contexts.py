"""The previous values of a point, and the response if there are too few."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.points import ramp

POINT = {"timestamp": 1_800_000_000, "value": 2.5}


@pytest.fixture
def windowed(series_id: str, fitted: Callable[..., str]) -> str:
    fitted(series_id, ramp(300, detector="msnn"))
    return series_id


RHYTHM = [float(place % 5) for place in range(300)]


def test_a_window_detector_says_how_many_previous_values_it_needs(api: httpx.Client, windowed: str) -> None:
    answer = api.post(f"/predict/{windowed}", json={**POINT, "context": RHYTHM[:20]})
    assert (answer.status_code, answer.json()["code"]) == (422, "context_required")
    assert "the request has 20" in answer.json()["detail"]
    assert api.post("/predict", json={"points": [{"series_id": windowed, **POINT}]}).json()["results"][0]["problem"]


def test_with_context_a_rhythm_is_normal_and_a_break_in_it_is_not(api: httpx.Client, windowed: str) -> None:
    for value, anomaly in ((0.0, False), (40.0, True)):
        body = {**POINT, "value": value, "context": RHYTHM}
        verdict = api.post(f"/predict/{windowed}", json=body).json()
        assert verdict["anomaly"] is anomaly
        assert (verdict["lower"], verdict["upper"]) == (None, None)


def test_the_point_after_the_training_values_needs_no_context(api: httpx.Client, windowed: str) -> None:
    next_timestamp = ramp(301)["timestamps"][-1]
    assert api.post(f"/predict/{windowed}", json={"timestamp": next_timestamp, "value": 0.0}).json()["anomaly"] is False
    assert api.post(f"/predict/{windowed}", json={"timestamp": next_timestamp, "value": 40.0}).json()["anomaly"] is True
    later_point = {"timestamp": next_timestamp + 3_600, "value": 0.0}
    assert api.post(f"/predict/{windowed}", json=later_point).json()["code"] == "context_required"


@pytest.mark.parametrize("detector", ["ar", "spectral_residual", "msnn"])
def test_a_point_two_intervals_after_the_training_values_is_judged(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], detector: str
) -> None:
    fitted(series_id, ramp(300, detector=detector))
    timestamp = ramp(302)["timestamps"][-1]
    assert api.post(f"/predict/{series_id}", json={"timestamp": timestamp, "value": 40.0}).json()["anomaly"] is True
    normal = api.post(f"/predict/{series_id}", json={"timestamp": timestamp, "value": 1.0})
    assert normal.status_code == 200
    batch = api.post(f"/predict/{series_id}/batch", json={"timestamps": [timestamp], "values": [1.0]}).json()
    assert batch["score"] == [normal.json()["score"]]


def test_a_short_context_is_extended_with_the_training_values(api: httpx.Client, windowed: str) -> None:
    body = ramp(305)
    after_training = {name: column[300:] for name, column in body.items()}
    point = {"timestamp": body["timestamps"][-1], "value": body["values"][-1]}
    short_context = api.post(f"/predict/{windowed}", json={**point, "context": body["values"][300:-1]}).json()
    full_context = api.post(f"/predict/{windowed}", json={**point, "context": body["values"][:-1]}).json()
    assert short_context == full_context
    assert api.post(f"/predict/{windowed}/batch", json=after_training).json()["score"][-1] == short_context["score"]


def test_a_gap_after_the_training_values_counts_like_a_missing_value_in_a_batch(
    api: httpx.Client, forecast: str
) -> None:
    series = ramp(303)
    with_gap = {name: column[301:] for name, column in series.items()}
    with_null = {"timestamps": series["timestamps"][300:], "values": [None, *series["values"][301:]]}
    gap, null = (api.post(f"/predict/{forecast}/batch", json=body).json() for body in (with_gap, with_null))
    assert gap["score"] == null["score"][1:]
    assert None not in gap["score"]


def test_a_batch_leaves_points_with_too_few_previous_values_unjudged(api: httpx.Client, windowed: str) -> None:
    batch = api.post(f"/predict/{windowed}/batch", json=ramp(300)).json()
    unknown = [score is None for score in batch["score"]]
    needed = unknown.count(True)
    assert 0 < needed < 300
    assert unknown == [True] * needed + [False] * (300 - needed)
    assert [anomaly is None for anomaly in batch["anomaly"]] == unknown


@pytest.mark.parametrize("mode", ["centred", "retrospective"])
def test_modes_that_use_later_points_judge_every_point(api: httpx.Client, windowed: str, mode: str) -> None:
    body = ramp(300)
    body["timestamps"] = [stamp + 10**7 for stamp in body["timestamps"]]
    body["values"][150:155] = [9.0] * 5
    batch = api.post(f"/predict/{windowed}/batch?mode={mode}", json=body).json()
    assert None not in batch["score"]
    assert max(batch["score"][120:180]) == max(batch["score"])


def test_a_missing_value_gets_neither_a_verdict_nor_an_error(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    body = {"timestamps": [1, 2, 3], "values": [2.0, None, 13.0]}
    batch = api.post(f"/predict/{series_id}/batch", json=body).json()
    assert batch["anomaly"] == [False, None, True]
    assert batch["score"][1] is None
    empty = api.post(f"/predict/{series_id}/batch", json={"timestamps": [1], "values": [None]})
    assert empty.json()["code"] == "too_few_points"


@pytest.fixture
def forecast(series_id: str, fitted: Callable[..., str]) -> str:
    """A series fitted by a detector that needs the 16 values before a point."""
    fitted(series_id, ramp(300, detector="ar"))
    return series_id


def later(values: list[float | None]) -> dict[str, list[Any]]:
    return {"timestamps": [1_800_000_000 + 60 * place for place in range(len(values))], "values": values}


def test_a_batch_directly_after_the_training_values_continues_them(api: httpx.Client, forecast: str) -> None:
    body = ramp(310)
    after_training = {name: column[300:] for name, column in body.items()}
    assert None not in api.post(f"/predict/{forecast}/batch", json=after_training).json()["score"]
    after_training["timestamps"] = [stamp + 3_600 for stamp in after_training["timestamps"]]
    assert api.post(f"/predict/{forecast}/batch", json=after_training).json()["score"] == [None] * 10


def test_a_point_after_too_many_missing_values_is_not_judged(api: httpx.Client, forecast: str) -> None:
    values: list[float | None] = [*RHYTHM[:40]]
    values[20] = None
    scores = api.post(f"/predict/{forecast}/batch", json=later(values)).json()["score"]
    assert [score is None for score in scores] == [True] * 16 + [False] * 4 + [True] + [False] * 19
    values[22] = None
    scores = api.post(f"/predict/{forecast}/batch", json=later(values)).json()["score"]
    assert [score is None for score in scores] == [True] * 16 + [False] * 4 + [True, False, True] + [True] * 14 + [
        False
    ] * 3


def test_later_values_do_not_fill_in_a_missing_one(api: httpx.Client, forecast: str) -> None:
    values = RHYTHM[:40]
    missing = api.post(f"/predict/{forecast}/batch", json=later([*values[:30], None, 1000.0])).json()
    repeated = api.post(f"/predict/{forecast}/batch", json=later([*values[:30], values[29], 1000.0])).json()
    assert missing["score"][30] is None
    assert missing["score"][31] == repeated["score"][31]


@pytest.mark.parametrize("nulls", [1, 2])
def test_a_null_in_the_context_counts_like_a_missing_value_in_a_batch(
    api: httpx.Client, forecast: str, nulls: int
) -> None:
    values: list[float | None] = [*RHYTHM[:40]]
    values[30 : 30 + nulls] = [None] * nulls
    batch = api.post(f"/predict/{forecast}/batch", json=later([*values, 0.0])).json()
    point = {**POINT, "value": 0.0, "context": values}
    single = api.post(f"/predict/{forecast}", json=point)
    (many,) = api.post("/predict", json={"points": [{"series_id": forecast, **point}]}).json()["results"]
    if nulls == 1:
        assert single.json()["score"] == many["verdict"]["score"] == batch["score"][-1]
    else:
        assert batch["score"][-1] is None
        assert single.json()["code"] == many["problem"]["code"] == "context_required"
        assert "the request has 40, of which 2 are null" in single.json()["detail"]


def test_a_context_of_nulls_does_not_hinder_a_detector_that_needs_none(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    verdict, bare = (
        api.post(f"/predict/{series_id}", json={**POINT, **extra}).json() for extra in ({"context": [None] * 3}, {})
    )
    assert verdict == bare


def test_a_point_of_many_series_may_carry_context(api: httpx.Client, forecast: str) -> None:
    point = {"series_id": forecast, **POINT, "value": 0.0}
    points = [point, {**point, "context": RHYTHM}, {**point, "context": [0.0] * 5_000}]
    without_context, with_context, too_long = api.post("/predict", json={"points": points}).json()["results"]
    assert without_context["problem"]["code"] == "context_required"
    assert with_context["verdict"]["anomaly"] is False
    assert too_long["problem"]["code"] == "too_many_points"
