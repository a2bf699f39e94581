"""GET /metrics/series: the newest point of each series of a watch."""

import time
from collections.abc import Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from shared.settings import Settings
from shared.store.engine import Sessions
from tests.points import ramp
from tests.processes import serving

NOW = int(time.time()) // 60 * 60


def push(api: httpx.Client, series_id: str, *values: float) -> None:
    timestamps = [NOW - 60 * (len(values) - 1 - place) for place in range(len(values))]
    assert api.post(f"/series/{series_id}/points", json={"timestamps": timestamps, "values": values}).is_success


def scraped(api: httpx.Client, watch: str) -> dict[str, dict[str, float]]:
    answer = api.get("/metrics/series", params={"watch": watch})
    assert answer.status_code == 200, answer.text
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            assert sample.labels["watch"] == watch
            found.setdefault(sample.labels["series_id"], {})[sample.name] = sample.value
    return found


@pytest.fixture
def watch(api: httpx.Client, series_id: str) -> str:
    assert api.put(f"/watches/{series_id}", json={"prefix": f"{series_id}."}).is_success
    return series_id


def test_each_series_of_a_watch_has_its_newest_point_with_verdict_and_alert(
    api: httpx.Client, watch: str, sessions: Sessions, fitted: Callable[..., str]
) -> None:
    judged, learning, other = f"{watch}.judged", f"{watch}.learning", f"{watch}.x.other"
    assert api.put(f"/watches/{watch}.x", json={"prefix": f"{watch}.x."}).is_success
    fitted(judged, ramp())
    push(api, judged, 2.0, 50.0, 60.0)
    push(api, learning, 7.5)
    push(api, other, 1.0)
    numbers = scraped(api, watch)
    assert numbers.keys() == {judged, learning}
    assert numbers[learning] == {"tsad_value": 7.5, "tsad_alert_open": 0}
    assert numbers[judged]["tsad_value"] == 60
    assert numbers[judged]["tsad_score"] > 1
    assert numbers[judged]["tsad_lower"] < numbers[judged]["tsad_expected"] < numbers[judged]["tsad_upper"]
    assert numbers[judged]["tsad_alert_open"] == 1
    with sessions.begin() as session:
        old = "UPDATE streams SET arrived_at = arrived_at - interval '1 hour' WHERE series_id = :id"
        session.execute(text(old), {"id": judged})
    assert scraped(api, watch)[judged] == {"tsad_alert_open": 1}


def test_a_watch_that_is_unknown_or_too_large_is_refused(settings: Settings, api: httpx.Client, watch: str) -> None:
    for name in ("a", "b"):
        push(api, f"{watch}.{name}", 1.0)
    with serving(settings.model_copy(update={"metrics_series": 1})) as small:
        answer = small.get("/metrics/series", params={"watch": watch})
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "watch"])
    assert api.get("/metrics/series", params={"watch": "nobody-knows"}).json()["code"] == "watch_not_found"
    assert api.get("/metrics/series").status_code == 422
