"""Alerts open, escalate, end, merge and close; each case is a row of scores."""

from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.watching.alerts import Alert, AlertStatus, Kind
from shared.domain.watching.rules import Effects, Judged, Position, advance, muted
from shared.domain.watching.watches import Watch

MINUTE = 60
START = 1_700_000_000
WATCH = Watch("w", "", anomalies=2, of=3, at_once=3.0, normal=2, below=0.8, after_s=3_600, merge_within_s=5 * MINUTE)
NAN = float("nan")


def judged(scores: list[float], first: int = 0, **columns: Any) -> Judged:
    """Points a minute apart with these scores; values above what is expected."""
    times = START + MINUTE * np.arange(first, first + len(scores))
    array = np.array(scores)
    values = np.where(np.isnan(array), 10.0, 10.0 + array)
    return Judged(times, values, array, np.full(len(array), 10.0), None, None, 1, **columns)


@dataclass
class Played:
    """Everything that happened: the last state of each alert in order of opening, and the notices."""

    position: Position
    alerts: dict[str, Alert]
    notices: list[tuple[str, int, str, str | None]]

    def add(self, effects: Effects) -> None:
        self.alerts |= effects.alerts
        self.notices += [
            (note.alert, note.step, note.type.removeprefix("alert."), note.quiet) for note in effects.notices
        ]


def play(scores: list[float], watch: Watch | None = WATCH, late_s: float = 0, **columns: Any) -> Played:
    ids = count(1)
    points = judged(scores, **columns)
    position, effects = advance(
        Position(), watch, points, float(points.timestamps[-1]) + late_s, lambda: str(next(ids))
    )
    played = Played(position, {}, [])
    played.add(effects)
    return played


@pytest.mark.parametrize(
    ("scores", "notices"),
    [
        ([0, 0, 2, 0, 0, 0], []),
        ([0, 2, 0, 2], ["1.1 opened"]),
        ([2, 0, 0, 2], []),
        ([0, 3], ["1.1 opened"]),
        ([2, NAN, NAN, 2], ["1.1 opened"]),  # unknown points do not count
        ([2, 2, 3.9], ["1.1 opened"]),
        ([2, 2, 4.0, 7.9, 8], ["1.1 opened", "1.2 escalated", "1.3 escalated"]),
        ([2, 2, 0, 0], ["1.1 opened"]),  # ended, not closed yet
        ([2, 2, 0.9, 0.9, 0.9], ["1.1 opened"]),  # neither anomalies nor below 0.8
        ([2, 2, 0, 0, 0, 0, 0, 0, 0], ["1.1 opened"]),
        ([2, 2, 0, 0, 0, 0, 0, 0, 0, 0], ["1.1 opened", "1.2 closed"]),
        ([2, 2, 0, 0, NAN, NAN, NAN, NAN, NAN, NAN], ["1.1 opened", "1.2 closed"]),
        ([2, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0], ["1.1 opened"]),  # continued within five minutes
        ([2, 2, 0, 0, 0, 0, 0, 0, 0, 2, 2], ["1.1 opened", "1.2 closed", "2.1 opened"]),
        ([2, 2, 0, 0, 0, 4], ["1.1 opened", "1.2 escalated"]),
        ([2, 2, *[NAN] * 60], ["1.1 opened"]),  # an hour without an anomaly ends it
        ([2, 2, *[NAN] * 66], ["1.1 opened", "1.2 closed"]),
    ],
)
def test_scores_become_notices(scores: list[float], notices: list[str]) -> None:
    assert [f"{alert}.{step} {kind}" for alert, step, kind, _ in play(scores).notices] == notices


def test_an_absorbed_event_keeps_its_alert_open_but_opens_none() -> None:
    absorbed = np.array([False, False, *[True] * 90, *[False] * 2])
    played = play([3, 3, *[0.5] * 90, 0, 0], absorbed=absorbed)
    assert [kind for _, _, kind, _ in played.notices] == ["opened"]
    (alert,) = played.alerts.values()
    assert (alert.points, alert.ended_at) == (2, START + 93 * MINUTE)
    assert play([0.5] * 90, absorbed=np.ones(90, dtype=bool)).alerts == {}


def test_an_alert_tells_when_it_began_how_bad_it_was_and_when_it_ended() -> None:
    played = play([0, 2.5, 0, 2, 0.9, 0, 0])
    (alert,) = played.alerts.values()
    assert (alert.started_at, alert.opened_at) == (START + MINUTE, START + 3 * MINUTE)
    assert (alert.last_anomaly_at, alert.ended_at) == (START + 3 * MINUTE, START + 6 * MINUTE)
    assert alert.peak is not None
    assert (alert.peak.timestamp, alert.peak.value, alert.peak.expected) == (START + MINUTE, 12.5, 10.0)
    assert (alert.points, alert.status, alert.version, alert.kind) == (2, AlertStatus.ENDED, 1, Kind.DEVIATION)
    assert (played.position.recent, played.position.pending, played.position.normal) == ("", (), 0)


@pytest.mark.parametrize(
    ("gate", "opens"),
    [({"direction": "up"}, True), ({"direction": "down"}, False), ({"min_abs": 2.0}, True), ({"min_abs": 2.1}, False)],
)
def test_a_gate_takes_anomalies_away(gate: dict[str, Any], opens: bool) -> None:  # noqa: FBT001
    assert bool(play([2, 2, 2, 2], replace(WATCH, **gate)).alerts) is opens


def test_nothing_opens_without_a_watch_while_paused_or_in_maintenance() -> None:
    scores: list[float] = [2, 2, 5, 5]
    assert not play(scores, None).alerts
    assert not play(scores, replace(WATCH, paused=True)).alerts
    maintenance = muted(judged(scores).timestamps, [(START, START + MINUTE), (START + 2 * MINUTE, START + 9 * MINUTE)])
    assert not play(scores, muted=maintenance).alerts
    assert muted(judged(scores).timestamps, [(0, START - 1)]) is None


def test_history_and_backlogs_open_quietly_until_they_reach_the_present() -> None:
    assert [note[2:] for note in play([2, 2, 0, 0], late_s=7_200).notices] == [("opened", "backfilled")]
    scores: list[float] = [2] * 100
    assert [note[1:] for note in play(scores).notices] == [(1, "opened", "backfilled"), (2, "opened", None)]


def test_a_point_ends_a_silence_and_a_missing_watch_closes_an_alert() -> None:
    silence = Alert("s", "w", Kind.SILENCE, AlertStatus.OPEN, 5, 5, 5, None, None, None, 0, 1, None, 1)
    position, effects = advance(Position(silence=silence), WATCH, judged([0]), 0, str)
    assert position.silence is None
    assert effects.alerts["s"].status == AlertStatus.CLOSED
    assert effects.alerts["s"].ended_at == START
    opened = play([2, 2]).position
    after, effects = advance(opened, None, judged([0, 0], 2), 0, str)
    assert after == Position()
    assert [note.type for note in effects.notices] == ["alert.closed"]


SCORES = st.lists(st.sampled_from([0.0, 0.0, 0.9, 1.5, 2.0, 3.5, 8.0, NAN]), min_size=1, max_size=60)
WATCHES = st.builds(
    replace,
    st.just(WATCH),
    anomalies=st.integers(1, 3),
    at_once=st.sampled_from([None, 3.0]),
    normal=st.integers(1, 4),
    merge_within_s=st.sampled_from([0, 120, 600]),
    after_s=st.sampled_from([180, 3_600]),
    direction=st.sampled_from(["both", "down"]),
)


@given(scores=SCORES, watch=WATCHES, cuts=st.sets(st.integers(1, 59)))
def test_a_batch_has_the_effects_of_its_points_one_by_one(scores: list[float], watch: Watch, cuts: set[int]) -> None:
    whole = play(scores, watch)
    ids = count(1)
    parts = Played(Position(), {}, [])
    edges = [0, *sorted(cut for cut in cuts if cut < len(scores)), len(scores)]
    for start, end in pairwise(edges):
        now = START + MINUTE * (len(scores) - 1)
        position, effects = advance(
            parts.position, watch, judged(scores[start:end], start), now, lambda: str(next(ids))
        )
        parts.add(effects)
        parts.position = position
    assert parts == whole
    unclosed = [alert for alert in whole.alerts.values() if alert.status != AlertStatus.CLOSED]
    assert unclosed == ([whole.position.alert] if whole.position.alert else [])
    for alert in whole.alerts.values():
        steps = [(step, kind) for id_, step, kind, _ in whole.notices if id_ == alert.id]
        assert [step for step, _ in steps] == list(range(1, alert.step + 1))
        assert steps[0][1] == "opened"
        assert (steps[-1][1] == "closed") == (alert.status == AlertStatus.CLOSED)
