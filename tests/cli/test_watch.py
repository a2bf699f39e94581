"""`tsad watch`: one verdict per line."""

import math
from collections.abc import Callable

import httpx
import pytest

from tests.cli.commands import Tsad
from tests.points import ramp

Fitted = Callable[..., str]


def test_points_are_scored_line_by_line_and_invalid_lines_are_reported(
    tsad: Tsad, fitted: Fitted, series_id: str
) -> None:
    fitted(series_id)
    stdin = (
        "time,value\n2026-01-01T00:00:00Z,2\n\n1800000060000,50\n3\n"
        '{"timestamp": 1800000120, "value": -99}\n{"timestamp": 1}\n5 apples\nyesterday,3\n'
    )
    result = tsad("watch", series_id, "--json", stdin=stdin)
    assert result.code == 0, result.err
    assert [(point["value"], point["anomaly"]) for point in result.answers] == [
        (2, False),
        (50, True),
        (3, False),
        (-99, True),
    ]
    assert [point["timestamp"] for point in result.answers][:2] == [1_767_225_600, 1_800_000_060]
    assert result.err.count("is not a valid point") == 2
    assert "'yesterday'" in result.err


def test_only_anomalies_are_printed_and_the_first_can_end_the_command(
    tsad: Tsad, fitted: Fitted, series_id: str
) -> None:
    fitted(series_id)
    result = tsad("watch", series_id, "--only-anomalies", "--fail-on-anomaly", stdin="2\n3\n70\n80\n")
    assert result.code == 5
    assert result.out.count("anomaly") == 1
    assert "  70  anomaly" in result.out


def test_recent_values_are_kept_for_detectors_that_need_context(
    tsad: Tsad, api: httpx.Client, fitted: Fitted, series_id: str
) -> None:
    def wave(minute: int) -> float:
        return math.sin(minute / 3) + 0.01 * (minute % 7)

    times = [60 * minute for minute in range(400)]
    fitted(series_id, {"timestamps": times, "values": [wave(minute) for minute in range(400)], "detector": "msnn"})
    later = range(5000, 5300)
    values = [wave(minute) if minute != 5290 else 5.0 for minute in later]
    stdin = "".join(f"{60 * minute},{value!r}\n" for minute, value in zip(later, values, strict=True))
    watched = tsad("watch", series_id, "--json", stdin=stdin)
    assert watched.code == 6, watched.err
    batch = api.post(
        f"/predict/{series_id}/batch", json={"timestamps": [60 * minute for minute in later], "values": values}
    ).json()
    assert [point["anomaly"] for point in watched.answers] == batch["anomaly"]
    assert watched.answers[0]["anomaly"] is None
    assert "needs the previous" in watched.answers[0]["reason"]
    assert watched.answers[-1]["score"] == pytest.approx(batch["score"][-1])
    assert True in batch["anomaly"]


@pytest.mark.parametrize("points", [40, 300])
def test_after_a_fit_with_auto_every_point_is_judged(tsad: Tsad, fitted: Fitted, series_id: str, points: int) -> None:
    """Also those that `tail -f` repeats from the end of the training data, as far as their predecessors are known."""
    history = ramp(points + 8, detector="auto")
    fitted(series_id, {name: column[:points] if name != "detector" else column for name, column in history.items()})
    lines = [f"{time},{value}\n" for time, value in zip(history["timestamps"], history["values"], strict=True)]
    repeated = points // 100
    watched = tsad("watch", series_id, "--json", stdin="".join(lines[points - repeated :]))
    assert (watched.code, len(watched.answers)) == (0, 8 + repeated)
    assert {point["anomaly"] for point in watched.answers} == {False}
    outlier = f"{history['timestamps'][points]},400\n"
    assert tsad("watch", series_id, "--only-anomalies", "--fail-on-anomaly", stdin=outlier).code == 5


def test_under_only_anomalies_each_change_between_judged_and_not_judged_is_printed(
    tsad: Tsad, fitted: Fitted, series_id: str
) -> None:
    level = {"values": [20 + (7 * place % 13) / 10 for place in range(300)]}  # a noise that the filled gap is part of
    history = ramp(300, detector="ar") | level
    fitted(series_id, history)
    late = history["timestamps"][-1] + 10**6
    lines = [f"{late + 60 * place},{level['values'][place]}\n" for place in range(34)]
    lines[30] = f"{late + 60 * 30},\n"  # no value
    watched = tsad("watch", series_id, "--only-anomalies", "--json", stdin="".join(lines))
    assert watched.code == 6
    verdicts = [((point["timestamp"] - late) // 60, point["anomaly"]) for point in watched.answers]
    assert verdicts[:4] == [(0, None), (16, False), (30, None), (31, verdicts[3][1])]
    assert verdicts[3][1] is not None
    assert "needs the previous 16 values" in watched.answers[0]["reason"]
    assert "no value" in watched.answers[2]["reason"]
    text = tsad("watch", series_id, "--only-anomalies", stdin="".join(lines)).out.splitlines()
    assert "  20  not judged: The detector ar needs the previous 16 values" in text[0]
    assert "  no value  not judged: the line has no value." in text[2]


def test_a_time_before_the_training_data_is_a_misread_line(tsad: Tsad, fitted: Fitted, series_id: str) -> None:
    fitted(series_id)
    watched = tsad("watch", series_id, stdin="21,5.5\n")
    assert (watched.code, watched.out) == (0, "")
    assert "Line 1 was skipped: 1970-01-01 00:00:21Z is before the training data" in watched.err


def test_an_unknown_series_exits_with_code_4(tsad: Tsad, series_id: str) -> None:
    assert tsad("watch", series_id, stdin="1\n").code == 4
