"""Detectors in the API: their list, refusals before the 202, explanations."""

from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest

from shared.domain import detectors
from shared.domain.detectors import registry
from tests.points import ramp

DETECTORS = sorted(registry())
MONDAY = 1_704_067_200  # 2024-01-01


def hourly(days: int, **fields: Any) -> dict[str, Any]:
    """A working-hours rhythm with a little noise."""
    hours = range(24 * days)
    values = [100.0 * (8 <= hour % 24 < 18 and hour // 24 % 7 < 5) + hour * 7 % 5 for hour in hours]
    return {"timestamps": [MONDAY + 3_600 * hour for hour in hours], "values": values, **fields}


def test_detectors_describe_their_purpose_and_requirements(api: httpx.Client) -> None:
    by_name = {detector["name"]: detector for detector in api.get("/detectors").json()["detectors"]}
    assert sorted(by_name) == DETECTORS
    for detector in by_name.values():
        assert all(detector[field].endswith(".") for field in ("purpose", "cost", "false_alarms"))
        jsonschema.Draft202012Validator.check_schema(detector["parameters"])
        assert {"alarm_rate", "exclude"} <= set(detector["parameters"]["properties"])
    assert by_name["seasonal"]["context_points"] == 0
    assert by_name["ar"]["context_points"] == 16
    assert by_name["msnn"]["modes"] == ["causal", "centred", "retrospective"]


@pytest.mark.parametrize("detector", [name for name in DETECTORS if registry()[name].min_points > 3])
def test_a_series_too_short_for_a_detector_is_refused_with_the_required_length(
    api: httpx.Client, series_id: str, detector: str
) -> None:
    min_points = registry()[detector].min_points
    answer = api.post(f"/fit/{series_id}", json=ramp(min_points - 1, detector=detector))
    assert (answer.status_code, answer.json()["code"]) == (422, "too_few_points")
    assert f"at least {min_points}" in answer.json()["detail"]
    assert api.post(f"/fit/{series_id}", json=ramp(min_points, detector=detector)).status_code == 202


def test_exclusions_that_leave_too_few_points_are_refused_with_the_number_left(
    api: httpx.Client, series_id: str
) -> None:
    body = ramp(60)
    full_span = [body["timestamps"][0], body["timestamps"][-1]]
    for window, remaining in ((full_span, 0), ([full_span[0], full_span[1] - 60], 1)):
        answer = api.post(f"/fit/{series_id}", json={**body, "parameters": {"exclude": [window]}})
        assert (answer.status_code, answer.json()["code"]) == (422, "too_few_points")
        assert f"leave {remaining} of 60 points" in answer.json()["detail"]
        assert answer.json()["errors"][0]["loc"] == ["parameters", "exclude"]


def test_a_cycle_is_refused_if_the_data_spans_less_than_two_cycles(api: httpx.Client, series_id: str) -> None:
    week = {"detector": "seasonal", "parameters": {"cycle": "week"}}
    answer = api.post(f"/fit/{series_id}", json=hourly(10, **week))
    assert (answer.status_code, answer.json()["code"]) == (422, "too_few_points")
    assert "needs at least 2 weeks of data" in answer.json()["detail"]
    assert api.post(f"/fit/{series_id}", json=hourly(15, **week)).status_code == 202


@pytest.mark.parametrize("detector", ["seasonal", "auto"])
def test_an_unknown_time_zone_is_refused_with_the_one_that_was_probably_meant(
    api: httpx.Client, series_id: str, detector: str
) -> None:
    for zone in ("Europe/Berln", "../../etc/passwd", "", "localtime", 3):
        body = hourly(15, detector=detector, parameters={"timezone": zone})
        answer = api.post(f"/fit/{series_id}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
        assert answer.json()["errors"][0]["loc"] == ["parameters", "timezone"]
        assert ("did you mean Europe/Berlin?" in answer.json()["detail"]) == (zone == "Europe/Berln")


def test_a_closed_hour_gets_no_verdict_alone_or_in_a_batch(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    body = hourly(28)
    is_open = [8 <= timestamp // 3_600 % 24 < 18 for timestamp in body["timestamps"]]
    columns = {name: [item for item, kept in zip(body[name], is_open, strict=True) if kept] for name in body}
    parameters = {"cycle": "day", "timezone": "Europe/Berlin"}
    fitted(series_id, {**columns, "detector": "seasonal", "parameters": parameters})
    points = {"timestamps": [MONDAY + 86_400 * 28 + 3_600 * hour for hour in (3, 12)], "values": [500, 500]}
    assert api.post(f"/predict/{series_id}/batch", json=points).json()["anomaly"] == [None, True]
    alone = api.post(f"/predict/{series_id}", json={"timestamp": points["timestamps"][0], "value": 500}).json()
    assert alone["code"] == "time_not_learned"
    assert "at 04:00 in Europe/Berlin is unknown" in alone["detail"]


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_verdict_can_be_explained(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], detector: str
) -> None:
    body = hourly(28, detector=detector)
    fitted(series_id, body)
    point = {"timestamp": body["timestamps"][-1] + 3_600, "value": 450.0}
    verdict = api.post(f"/predict/{series_id}?explain=true", json=point).json()
    assert verdict["anomaly"] is True
    why = verdict["why"]
    assert why["component"] in verdict["explanation"]
    assert f"{verdict['score']:.3g}" in verdict["explanation"]
    if verdict["upper"] is not None:
        assert verdict["lower"] <= verdict["expected"] <= verdict["upper"] < 450
        assert f"{verdict['upper']:.4g}" in verdict["explanation"]
    assert (why["similar_from"] is None) == (why["similar_distance"] is None)
    assert (why["similar_from"] is None) == ("most similar" not in verdict["explanation"])


def test_a_seasonal_explanation_names_the_weekday_and_time(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, hourly(28, detector="seasonal", parameters={"cycle": "week"}))
    for weekday, anomaly in ((0, False), (6, True)):
        point = {"timestamp": MONDAY + 86_400 * (56 + weekday) + 3_600 * 9, "value": 102.0}
        verdict = api.post(f"/predict/{series_id}?explain=true", json=point).json()
        assert verdict["anomaly"] is anomaly
        assert ("Mondays at 09:00 UTC", "Sundays at 09:00 UTC")[anomaly] in verdict["explanation"]


def test_a_window_based_explanation_shows_the_most_similar_window(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    body = hourly(28, detector="msnn")
    fitted(series_id, body)
    point = {"timestamp": body["timestamps"][-1] + 3_600, "value": 0.0}
    verdict = api.post(f"/predict/{series_id}?explain=true", json=point).json()
    assert body["timestamps"][0] <= verdict["why"]["similar_from"] < body["timestamps"][-1]
    assert verdict["expected"] in body["values"]
    assert "expected" in api.post(f"/predict/{series_id}", json=point).json()
    assert api.post(f"/predict/{series_id}", json=point).json()["expected"] is None


def test_a_version_states_its_promised_alarm_rate_and_the_share_it_flags(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    body = hourly(28, detector="robust", parameters={"alarm_rate": "1 in 100"})
    body["values"][100:104] = [5000.0] * 4
    fitted(series_id, body)
    version = api.get(f"/series/{series_id}/versions/1").json()
    assert version["learnt"]["promise"].startswith("One false alarm in 100 points")
    assert version["learnt"]["train_anomaly_fraction"] == version["anomaly_share"]
    assert 4 / 672 <= version["anomaly_share"] < 0.05


def test_an_automatic_detector_says_what_it_looks_at_and_what_it_learned_from(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, hourly(28, detector="auto"))
    learnt = api.get(f"/series/{series_id}/versions/1").json()["learnt"]
    assert learnt["why"].endswith("Any of these can make a point an anomaly.")
    assert learnt["expected_by"] in ("level", "season", "forecast")
    assert learnt["learned_points"] == 672


@pytest.mark.parametrize("detector", ["auto", "robust", "seasonal"])
def test_an_incident_in_the_history_is_offered_as_an_exclusion_and_accepted_as_one(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], detector: str
) -> None:
    body = hourly(28, detector=detector)
    body["values"][300:312] = [900.0] * 12
    fitted(series_id, body)
    offered = api.get(f"/series/{series_id}/versions/1").json()["incidents"]
    times = body["timestamps"]
    assert any(first <= times[306] <= last and first >= times[290] and last <= times[328] for first, last in offered)
    fitted(series_id, {**body, "parameters": {"exclude": offered}})
    version = api.get(f"/series/{series_id}/versions/2").json()
    assert version["parameters"]["exclude"] == offered
    assert "incidents" not in version["learnt"]


def test_an_event_that_goes_on_is_reported_and_then_absorbed(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    body = hourly(28, detector="auto")
    fitted(series_id, body)
    after = body["timestamps"][-1] + 3_600
    points = {"timestamps": [after + 3_600 * hour for hour in range(300)], "values": [450.0] * 300}
    batch = api.post(f"/predict/{series_id}/batch", json=points).json()
    assert not batch["absorbed"][0]
    for anomaly, is_absorbed, score, boundary in zip(
        *(batch[name] for name in ("anomaly", "absorbed", "score", "boundary")), strict=True
    ):
        assert is_absorbed == (not anomaly and score >= 0.5 and score * boundary > 1)
    assert sum(batch["absorbed"]) > 150
    alone = {"timestamp": after + 3_600 * 300, "value": 450.0, "context": [450.0] * 300}
    verdict = api.post(f"/predict/{series_id}?explain=true", json=alone).json()
    assert verdict["anomaly"] or verdict["absorbed"]
    assert ("without them, this is one too" in verdict["explanation"]) == verdict["absorbed"]


def test_a_boundary_that_adapts_is_part_of_the_verdict(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    body = hourly(28, detector="auto")
    fitted(series_id, body)
    after = body["timestamps"][-1] + 3_600
    points = {"timestamps": [after + 3_600 * hour for hour in range(6)], "values": [450.0] * 6}
    batch = api.post(f"/predict/{series_id}/batch", json=points).json()
    assert batch["anomaly"][0] is True
    assert batch["boundary"][0] == 1
    assert batch["boundary"] == sorted(batch["boundary"])
    assert batch["boundary"][5] > 1
    verdict = api.post(f"/predict/{series_id}", json={"timestamp": after, "value": 450.0}).json()
    assert (verdict["score"], verdict["boundary"]) == (batch["score"][0], batch["boundary"][0])
    why = api.post(f"/predict/{series_id}?explain=true", json={"timestamp": after, "value": 450.0}).json()["why"]
    assert why["direction"] in ("high", "low", "shape")


def test_a_version_of_a_retired_detector_predicts_and_is_shown_but_not_fitted_again(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier_release:
        earlier_release.setattr(detectors, "offered", detectors.named)
        job_id = fitted(series_id, ramp(300, detector="ensemble"))
    point = {"timestamp": ramp(301)["timestamps"][-1], "value": 40.0}
    assert api.post(f"/predict/{series_id}?explain=true", json=point).json()["anomaly"] is True
    assert api.get(f"/jobs/{job_id}").json()["detector"] == "ensemble"
    for page in (f"/plot?series_id={series_id}", f"/ui/series/{series_id}"):
        answer = api.get(page, headers={"Accept": "text/html"})
        assert (answer.status_code, "ensemble" in answer.text) == (200, True)
    assert "<option selected>auto</option>" in answer.text
    again = (f"/series/{series_id}/versions/1/fit", {"detector": "ensemble"})
    for path, body in ((f"/fit/{series_id}", ramp(300, detector="ensemble")), again):
        refused = api.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_detector")
        assert "Use auto" in refused.json()["detail"]
