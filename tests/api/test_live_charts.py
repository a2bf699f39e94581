"""The live chart on the page of a series: stored points, and spans that people marked."""

import re
import time
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from api.charts import live
from api.charts.live import live_chart
from shared.store import streams
from shared.store.engine import Sessions
from tests.points import ramp

NOW = int(time.time()) // 60 * 60


def push(api: httpx.Client, series_id: str, values: list[float | None], step: int = 60, end: int = NOW) -> None:
    timestamps = [end - step * place for place in range(len(values))][::-1]
    body = {"timestamps": timestamps, "values": values}
    assert api.post(f"/series/{series_id}/points", json=body).status_code == 200


def test_the_page_of_a_stream_draws_its_points_with_their_verdicts(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    push(api, series_id, [2.0] * 5, end=NOW - 60)
    page = api.get(f"/ui/series/{series_id}").text
    assert "no version and no watch" in page
    assert 'class="unjudged"' in page
    assert 'class="fired"' not in page
    fitted(series_id, ramp())
    api.put(f"/watches/{series_id}", json={"prefix": series_id, "open": {"anomalies": 1, "of": 1}})
    push(api, series_id, [50.0])
    page = api.get(f"/ui/series/{series_id}").text
    assert 'class="fired"' in page
    assert f'ui/watches/{series_id}"' in page
    assert "open alert" in page
    for days, status in ((0, 422), (366, 200), (367, 422)):
        assert api.get(f"/ui/series/{series_id}", params={"days": days}).status_code == status


def test_marked_spans_are_shaded_listed_and_removable(api: httpx.Client, series_id: str) -> None:
    push(api, series_id, [2.0] * 60)
    spans = [
        {"from": NOW - 1_800, "to": NOW - 600, "kind": "maintenance", "note": "<i>pump</i>"},
        {"from": NOW - 90_000, "to": NOW - 86_500, "kind": "exclude"},
        {"from": NOW + 3_600, "to": NOW + 7_200, "kind": "maintenance", "note": "tomorrow"},
    ]
    for span in spans:
        api.post(f"/series/{series_id}/spans", json=span)
    page = api.get(f"/ui/series/{series_id}?days=1").text
    (shaded,) = re.findall(r'class="marked (\w+)" x="([0-9.]+)" y="0" width="([0-9.]+)"', page)
    assert shaded[0] == "maintenance"
    assert [float(number) for number in shaded[1:]] == pytest.approx([979.2, 13.9], abs=0.1)
    assert "&lt;i&gt;pump" in page
    assert "tomorrow" in page
    assert "excluded from fits" not in page.split('id="mark"')[0]
    for path in re.findall(r'data-path="(spans/[^"]+)"', page):
        assert api.delete(f"/{path}").status_code == 204
    assert 'class="marked' not in api.get(f"/ui/series/{series_id}").text


def test_the_chart_has_enough_points_and_reaches_into_a_silence(
    api: httpx.Client, sessions: Sessions, series_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(api, series_id, [*map(float, range(50)), None], step=600)
    with sessions.begin() as session:
        (stream,) = streams.read(session, [series_id]).values()
        for step_s, days in ((None, 1), (60, 1), (600, 7), (86_400, 28)):
            drawn = live_chart(session, replace(stream, usual_step_s=step_s), None, NOW)
            assert drawn
            assert (drawn.days, drawn.points, drawn.chart.span[1]) == (days, 51, NOW)
        silent = replace(stream, is_silent=True)
        for later, end in ((3_600, NOW + 3_600), (90_000, NOW)):  # a chart of a silence alone would be empty
            drawn = live_chart(session, silent, 1, NOW + later)
            assert drawn
            assert drawn.chart.span[1] == end
        assert live_chart(session, replace(stream, last_timestamp=None), None, NOW) is None
        monkeypatch.setattr(live, "MAX_READ", 10)
        drawn = live_chart(session, stream, 7, NOW)
        assert drawn
        assert (drawn.points, drawn.chart.span) == (10, (NOW - 9 * 600, NOW))
