"""Silence, growing fits, durations, and what streams and alerts say."""

import re
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.watching import durations
from shared.domain.watching.alerts import Alert, AlertStatus, Anomaly, Kind
from shared.domain.watching.growing import first_fit_at, next_fit_at, postponed
from shared.domain.watching.sentences import StreamState, of_alert, status_of
from shared.domain.watching.silence import folded, threshold_s
from shared.domain.watching.watches import Watch


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        (("off", 60, 60, 60), None),
        ((300, None, None, None), 300.0),
        (("auto", 60, None, None), None),
        (("auto", 60, 60, 60), 180.0),
        (("auto", 60, 3_600, 3_600), 10_800.0),  # hourly uploads of minutes
        (("auto", 3_600, 0.1, 0.1), 10_800.0),  # history that came within a second
        (("auto", 1, 1, 1), 60.0),
        (("auto", 60, 60, 900), 900.0),  # it has paused that long before
    ],
)
def test_silence_begins_after_three_usual_gaps(arguments: Any, seconds: float | None) -> None:
    assert threshold_s(*arguments) == seconds


def test_streams_that_fall_silent_together_are_one_alert() -> None:
    assert folded(["a"] * 6 + ["b"] * 6 + ["c"] * 2, {"a": 10, "b": 100, "c": 2}) == {"a"}


def test_automatic_fits_grow_fourfold_at_a_time_that_depends_on_the_id() -> None:
    firsts = {first_fit_at(f"s{number}", 3) for number in range(200)}
    assert min(firsts) == 32
    assert 38 <= max(firsts) <= 40
    assert first_fit_at("s1", 500) >= 500
    grown = next_fit_at("s1", 32, span_s=100, window_s=1_000)
    assert grown is not None
    assert 4 * 32 <= grown <= 5 * 32
    assert next_fit_at("s1", 32, span_s=960, window_s=1_000) is None
    assert postponed(100) == 126


@pytest.mark.parametrize("text", ["90s", "30m", "2h", "7d", "90m"])
def test_a_duration_is_written_as_it_was_read(text: str) -> None:
    seconds = durations.parse(text)
    assert seconds is not None
    assert durations.parse(durations.written(seconds)) == seconds
    assert durations.written(seconds) == text or text == "90s"


@pytest.mark.parametrize("text", ["", "7", "7 d", "1.5h", "-1d", "1w", 7, None])
def test_anything_else_is_not_a_duration(text: object) -> None:
    assert durations.parse(text) is None


def test_an_alert_says_what_happened_since_when_and_how_bad() -> None:
    peak = Anomaly(1_700_000_060, 91.5, 3.21, 40.0, 35.0, 45.0)
    alert = Alert(
        "1", "w", Kind.DEVIATION, AlertStatus.OPEN, 1_700_000_000, 1_700_000_060, 1_700_000_060, None, peak, 3.2, 2, 1,
        None, 1,
    )  # fmt: skip
    assert of_alert(alert, "cpu") == (
        "cpu deviates since 2023-11-14 22:13:20 UTC: 2 anomalies, the worst was 91.5 at 2023-11-14 22:14:20 UTC, "
        "expected 40 (normal 35 to 45), score 3.21."
    )
    ended = replace(alert, status=AlertStatus.CLOSED, ended_at=1_700_000_300)
    assert of_alert(ended, "cpu").startswith("cpu deviated from 2023-11-14 22:13:20 UTC for 60 seconds: 2 anomalies")
    silence = replace(ended, kind=Kind.SILENCE, peak=None)
    assert of_alert(silence, "cpu") == (
        "cpu sent no points after 2023-11-14 22:14:20 UTC. The silence ended at 2023-11-14 22:18:20 UTC."
    )


LEARNING = StreamState("a.1", 20, None, None, fit_is_due=False, usual_step_s=60, last_timestamp=1_700_000_000)
WATCH = Watch("w", "a.")


@pytest.mark.parametrize(
    ("change", "watch", "status", "reason"),
    [
        ({}, WATCH, "learning", r"20 of 3\d points, first fit at about 2023-11-14 22:(2|3)\d:20 UTC"),
        ({"fit_is_due": True}, WATCH, "learning", "the first fit is requested"),
        ({"points": 60}, WATCH, "learning", "^60 points, waiting for the first fit$"),
        ({}, None, "learning", "no version and no watch"),
        ({"version": 2}, None, "watching", "no alert opens"),
        ({"version": 2}, WATCH, "watching", "judged by version 2 under the watch w"),
        ({"version": 2}, replace(WATCH, paused=True), "paused", "the watch w is paused"),
        ({"version": 2, "silent_since": 1_700_000_000}, WATCH, "silent", "no points since 2023-11-14 22:13:20 UTC"),
    ],
)
def test_a_stream_has_a_status_with_a_reason(
    change: dict[str, Any], watch: Watch | None, status: str, reason: str
) -> None:
    actual, why = status_of(replace(LEARNING, **change), watch, 3)
    assert actual == status
    assert re.search(reason, why), why
