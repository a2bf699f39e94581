"""Simulations do what a stream does: the same fits, verdicts and alerts."""

import time
from typing import Any

import httpx
import numpy as np
import pytest

from api.routes import simulations
from shared.domain.series import LAST_TIMESTAMP
from tests.api.test_pushes import push
from worker import training as trainings

NOW = int(time.time()) // 60 * 60


def history(points: int = 400, seed: int = 3) -> tuple[list[int], list[float | None]]:
    rng = np.random.default_rng(seed)
    values: list[float | None] = (10 + np.sin(np.arange(points) / 8) + rng.normal(0, 0.1, points)).tolist()
    for place in (*range(250, 256), 300, 301):
        values[place] = 20.0
    values[320] = None
    return [NOW - 60 * ago for ago in range(points)][::-1], values


WATCH: dict[str, Any] = {"detector": "ar", "window": "10d", "notify_within": "30d"}


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each simulation take many slices."""
    monkeypatch.setattr(simulations, "SLICE_S", 0)


def simulate(api: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = api.post("/simulate", json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


@pytest.mark.parametrize(("refit", "fits"), [("off", 2), ({"every": "1h"}, 5)])
def test_a_stream_does_what_the_simulation_says(
    api: httpx.Client, series_id: str, training: trainings.Training, refit: Any, fits: int
) -> None:
    timestamps, values = history()
    watch = WATCH | {"refit": refit}
    simulated = simulate(api, series_id=series_id, timestamps=timestamps, values=values, watch=watch)
    assert len(simulated["fits"]) >= fits
    assert len(simulated["alerts"]) >= 1
    assert api.put(f"/watches/{series_id}", json={"prefix": series_id, **watch}).status_code == 200
    ends = [timestamps.index(fit["timestamp"]) + 1 for fit in simulated["fits"]] + [len(timestamps)]
    start = 0
    for number, end in enumerate(ends):
        for begin in range(start, end, 37):
            part = slice(begin, min(begin + 37, end))
            push(api, series_id, {"timestamps": timestamps[part], "values": values[part]})
        start = end
        if number < len(simulated["fits"]):
            slot = simulated["fits"][number]["slot"]
            window: Any = "10d" if slot is None else {"from": slot - 10 * 86_400, "to": slot}
            body = {"stored": window, "detector": "ar"}
            trainings.run(training, api.post(f"/fit/{series_id}", json=body).json()["job_id"])
    stored = api.get(f"/series/{series_id}/points").json()
    for name in ("score", "expected"):
        actual, expected = (np.array(column, dtype=float) for column in (stored[name], simulated["verdicts"][name]))
        np.testing.assert_allclose(actual, expected, rtol=1e-9)
    assert stored["model_version"] == simulated["verdicts"]["model_version"]
    alerts = api.get("/alerts", params={"series_id": series_id}).json()["alerts"][::-1]
    names = ("status", "began_at", "opened_at", "last_anomaly_at", "ended_at", "points", "sentence")
    assert [[alert[name] for name in names] for alert in alerts] == [
        [alert[name] for name in names] for alert in simulated["alerts"]
    ]
    assert simulate(api, series_id=series_id, watch=watch)["alerts"] == simulated["alerts"]


def test_fits_are_on_the_schedule_of_the_watch_and_those_beyond_the_most_are_counted(api: httpx.Client) -> None:
    begin = NOW // 86_400 * 86_400 - 30 * 86_400
    days = [begin + 3_600 * hour for hour in range(30 * 24)]
    timestamps = [*days[:240], *days[480:]]  # ten days without points have one slot, after their beginning
    rule = {"detector": "baseline", "refit": {"every": "1d", "at": "05:30"}, "timezone": "UTC", "window": "3d"}
    values = [float(place % 7) for place in range(len(timestamps))]
    simulated = simulate(api, series_id="daily", timestamps=timestamps, values=values, watch=rule)
    slots = [fit["slot"] for fit in simulated["fits"] if fit["slot"]]
    assert all(slot % 86_400 == 5.5 * 3_600 for slot in slots)
    passed = {(slot - begin) // 86_400 for slot in slots}
    assert passed <= {*range(1, 11), *range(20, 30)}
    assert len(simulated["fits"]) == 20
    assert simulated["refits_left_out"] == 29 - max(passed)
    assert len(passed) + simulated["refits_left_out"] >= 18


def test_a_series_that_cannot_be_fitted_gets_no_verdicts(api: httpx.Client) -> None:
    simulated = simulate(api, timestamps=list(range(0, 6_000, 60)), values=[1.0] * 100)
    assert (simulated["fits"], simulated["alerts"], simulated["points"]) == ([], [], 100)
    assert simulated["verdicts"]["score"] == [None] * 100


def test_windows_that_cannot_be_fitted_do_not_use_up_the_fits(api: httpx.Client) -> None:
    values = [1.0] * 500 + [float(place % 7) for place in range(500)]
    rule = {"detector": "baseline", "refit": {"every": "10m"}, "window": "1h", "timezone": "UTC"}
    simulated = simulate(api, timestamps=list(range(0, 60_000, 60)), values=values, watch=rule)
    assert len(simulated["fits"]) == 20
    assert simulated["fits"][0]["timestamp"] > 500 * 60


@pytest.mark.parametrize("begin", [0, LAST_TIMESTAMP - 60 * 99])
def test_a_schedule_has_slots_up_to_the_end_of_the_calendar(api: httpx.Client, begin: int) -> None:
    timestamps = [begin + 60 * place for place in range(100)]
    rule = {"detector": "baseline", "refit": {"every": "1d", "at": "23:59"}, "timezone": "Pacific/Auckland"}
    values = [float(place % 7) for place in range(100)]
    assert simulate(api, timestamps=timestamps, values=values, watch=rule)["fits"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"timestamps": [1, 2], "values": [1]}, "lengths_differ"),
        ({"timestamps": [1, "x"], "values": [1, 2]}, "invalid_timestamp"),
        ({"timestamps": [1], "values": [1], "from": 2}, "too_few_points"),
        ({"timestamps": [1], "values": [1], "from": "soon"}, "invalid_request"),
        ({"timestamps": [1], "values": [1], "watch": {"open": 1}}, "invalid_watch"),
        ({"timestamps": [1] * 20_001, "values": [1] * 20_001}, "too_many_points"),
        ({"series_id": "a-series-without-points"}, "stream_not_found"),
    ],
)
def test_what_cannot_be_simulated_gets_a_problem(api: httpx.Client, body: dict[str, Any], code: str) -> None:
    answer = api.post("/simulate", json=body)
    assert answer.status_code in (404, 422)
    assert answer.json()["code"] == code
