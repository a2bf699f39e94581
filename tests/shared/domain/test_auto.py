"""How `auto` judges everyday series."""

import numpy as np
import pytest

from shared.domain.detectors import named
from shared.domain.detectors.auto import DETECTOR as AUTO
from shared.domain.detectors.contract import Fitted
from shared.domain.detectors.states import decode, encode
from shared.domain.detectors.witnesses.state import Auto
from shared.domain.series import Series, Timestamps, Values

MONDAY = 1_704_067_200  # 2024-01-01
NOISE = np.random.default_rng(0).normal(size=3_000)
HOURS = MONDAY + 3_600 * np.arange(3_000)
MINUTES = MONDAY + 60 * np.arange(3_000)
RATE = {"alarm_rate": "1 in 1000", "timezone": "UTC", "exclude": []}


def learned(values: Values, timestamps: Timestamps = MINUTES, points: int | None = None) -> Auto:
    series = Series(timestamps[: len(values)][:points], values[:points])
    state: Auto = AUTO.fit(series, RATE, lambda _share: None)
    return state


def anomalies(state: Auto, values: Values, start: int, timestamps: Timestamps = MINUTES) -> list[int]:
    """Return the indices of the anomalies from `start` on, with all earlier values as context."""
    after = timestamps[start : len(values)]
    scores = AUTO.score(state, values[start:], after, values[:start])
    return [start + int(place) for place in np.flatnonzero(scores.score > 1)]


def changed(values: Values, start: int, replacement: Values | float) -> Values:
    values = values.copy()
    values[start : start + np.size(replacement)] = replacement
    return values


def test_a_batch_single_points_and_a_stream_agree() -> None:
    """Each point is judged with the same values before it: in a batch, alone, and with the carry of the one before."""
    wave = 10 * np.sin(np.arange(3_000) / 20) + NOISE
    wave[2_050:2_060] += 30
    known = Fitted(AUTO, learned(wave, points=2_000))
    batch, _ = known.fold(wave[2_000:2_200], MINUTES[2_000:2_200], wave[1_700:2_000])
    context = wave[1_700:2_000]
    carry = known.fold(wave[1_999:2_000], MINUTES[1_999:2_000], wave[1_700:1_999])[1]
    for place in range(2_000, 2_200):
        alone = known.score(wave[place : place + 1], MINUTES[place : place + 1], wave[1_700:place])
        stream, carry = known.fold(
            wave[place : place + 1], MINUTES[place : place + 1], np.concatenate((context, wave[2_000:place])), carry
        )
        for scores in (alone, stream):
            np.testing.assert_allclose(scores.score[0], batch.score[place - 2_000], rtol=1e-4)
            assert scores.boundary is not None
            assert batch.boundary is not None
            np.testing.assert_allclose(scores.boundary[0], batch.boundary[place - 2_000], rtol=1e-4)
    assert len(carry) <= 16


@pytest.mark.parametrize("seed", range(4))
def test_a_spike_marks_few_points_after_it_and_does_not_hide_the_next_one(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.3, 800)
    values = 20 + 2 * np.sin(2 * np.pi * np.arange(800) / 24) + noise
    values[420] = 60.0
    values[520] += 10.0
    found = anomalies(learned(values, HOURS, points=400), values, 400, HOURS)
    assert {420, 520} <= set(found)
    assert len([place for place in found if 420 < place < 520]) <= 5


@pytest.mark.parametrize(
    ("values", "length"),
    [
        pytest.param(100 + 5 * NOISE, 1, id="a spike in noise"),
        pytest.param(100 + 5 * NOISE, 20, id="an outage in noise"),
    ],
)
def test_after_an_event_scores_are_low_again_although_the_windows_still_hold_it(values: Values, length: int) -> None:
    """An alert closes after five points in a row below 0.8 that are not absorbed."""
    state, event = learned(values, points=2_000), slice(2_300, 2_300 + length)
    values = changed(values, event.start, values[event] + 40 * np.diff(values).std())
    scores = AUTO.score(state, values[2_000:], MINUTES[2_000:], values[:2_000])
    assert scores.absorbed is not None
    is_normal = (scores.score < 0.8) & ~scores.absorbed
    assert not is_normal[300 : 300 + length].all()
    assert is_normal[300 + length : 320 + length].sum() >= 15


def test_the_band_widens_at_most_tenfold_after_a_spike() -> None:
    values = NOISE[:600].copy()
    values[500] = 1000.0
    state = learned(values, points=400)
    scores = AUTO.score(state, values[400:], MINUTES[400:600], values[:400])
    assert scores.lower is not None
    assert scores.upper is not None
    widths = scores.upper - scores.lower
    assert widths.max() <= 10.001 * widths[0]


def test_the_boundary_keeps_alarms_rare_after_a_series_has_changed_completely() -> None:
    values = np.concatenate((NOISE[:1_500], 8 + 3 * NOISE[1_500:]))
    found = anomalies(learned(values, points=1_400), values, 1_400)
    assert found[0] == 1_500
    assert len(found) < 40


def test_every_point_has_an_expected_value_and_a_band_for_any_length_of_history() -> None:
    for points in (5, 20, 100, 1_000):
        values = 50 + NOISE[:points]
        scores = AUTO.score(learned(values), values[-1:], MINUTES[points : points + 1], values)
        assert scores.expected is not None
        assert scores.lower is not None
        assert scores.upper is not None
        assert 50 - 20 < scores.lower[0] < scores.expected[0] < scores.upper[0] < 50 + 20


@pytest.mark.parametrize("points", [12, 40, 400, 3_000])
def test_a_value_far_outside_the_band_is_an_anomaly_for_any_length_of_history(points: int) -> None:
    values = 100 + 5 * NOISE[:points]
    state = learned(values, points=points - 1)
    for value in (0.0, 200.0):
        assert anomalies(state, changed(values, points - 1, value), points - 1) == [points - 1]


def test_scores_are_finite_and_readable() -> None:
    values = np.append(NOISE[:999], 1e300)
    scores = AUTO.score(learned(values, points=999), values[999:], MINUTES[999:1_000], values[:999])
    assert 1 < scores.score[0] <= 100


def test_a_counter_is_judged_by_its_increments() -> None:
    steps = np.random.default_rng(1).poisson(10, 2_000).astype(np.float64)
    counter = np.cumsum(steps)
    counter[1_000:] -= counter[999]  # the process began anew
    state = learned(counter, points=1_800)
    assert state.usual_increment == 10
    assert anomalies(state, counter, 1_800) == []
    assert 1_900 in anomalies(state, changed(counter, 1_900, counter[1_900] + 2_000), 1_800)
    assert anomalies(state, changed(counter, 1_900, np.full(30, counter[1_899])), 1_800)


def test_a_job_that_did_not_run_is_an_anomaly() -> None:
    running = np.where(np.arange(3_000) % 24 == 3, 60.0, 0.0) * (1 + 0.05 * NOISE)
    state = learned(running, HOURS, points=2_904)
    assert anomalies(state, running, 2_904, HOURS) == []
    assert 2_931 in anomalies(state, changed(running, 2_931, 0.0), 2_904, HOURS)
    assert 2_940 in anomalies(state, changed(running, 2_940, 60.0), 2_904, HOURS)


def test_only_the_newest_regime_is_learned_from_and_the_version_says_so() -> None:
    values = NOISE[:2_000] + np.where(np.arange(2_000) < 1_200, 10, 30)
    state = learned(values)
    assert AUTO.learnt(state)["learned_points"] == 800
    assert AUTO.learnt(state)["learned_from"] == "2024-01-01 20:00:00 UTC"
    back = np.concatenate((values, np.full(5, 10.0)))
    assert anomalies(state, back, 2_000)[0] == 2_000


@pytest.mark.parametrize("active", [30, 50, 150])
def test_after_a_start_from_flat_a_few_points_are_enough_to_find_five_times_the_usual(active: int) -> None:
    """The boundary must not have adapted to the values before the step: they are unlike all that is learned."""
    values = np.concatenate((np.zeros(500), 10 + NOISE[: active + 40]))
    values[500 + active + 20] = 50
    assert anomalies(learned(values, points=500 + active), values, 500 + active)[:1] == [500 + active + 20]


def test_an_incident_in_the_history_is_left_out() -> None:
    values = 100 + 5 * NOISE[:1_500]
    values[700:820] *= 4
    state = learned(values)
    assert 100 <= float(AUTO.learnt(state)["incident_points"]) <= 140
    again = np.append(values, np.full(5, 400.0))
    assert anomalies(state, again, 1_500)[0] == 1_500


def test_a_third_value_of_a_switch_is_an_anomaly_and_so_is_a_switch_that_sticks() -> None:
    switch = (np.cumsum(np.random.default_rng(2).random(2_000) < 0.1) % 2).astype(np.float64)
    state = learned(switch, points=1_700)
    assert 1_800 in anomalies(state, changed(switch, 1_800, 0.5), 1_700)
    assert anomalies(state, changed(switch, 1_750, np.full(200, 1.0)), 1_700)


def test_training_scores_mark_incidents_and_spikes_of_the_history() -> None:
    values = NOISE + 3 * np.sin(np.arange(3_000) / 30)
    values[1_500:1_560] += 12
    values[2_500] = -20
    state, scores = AUTO.train(Series(MINUTES, values), RATE, lambda _share: None)  # type: ignore[misc]
    flagged = np.flatnonzero(scores.score > 1)
    assert 1_500 in flagged
    assert 2_500 in flagged
    assert len(flagged) < 60
    assert scores.expected is not None
    assert all(column is not None and column.shape == (3_000,) for column in (scores.lower, scores.upper))
    assert encode(Fitted(AUTO, state)) == encode(Fitted(AUTO, learned(values)))


@pytest.mark.parametrize(
    ("values", "place", "replacement"),
    [
        pytest.param(NOISE[:50], 25, 9.0, id="a spike of a short history"),
        pytest.param(np.floor(np.abs(5 * NOISE[:1_500])), 700, np.full(16, 3.0), id="a count that repeats"),
        pytest.param(NOISE[:1_500], 500, NOISE[500:560] + 3, id="a shift for an hour"),
    ],
)
def test_training_scores_are_those_of_a_history_without_the_point(
    values: Values, place: int, replacement: Values | float
) -> None:
    """Level, recent and repetition learn few numbers, but one event may move them so far that it seems normal."""
    values = changed(values, place, replacement)
    assert AUTO.train is not None
    state, scores = AUTO.train(Series(MINUTES[: len(values)], values), RATE, lambda _share: None)
    marked = np.flatnonzero(scores.score > 1)
    event = (marked >= place) & (marked < place + np.size(replacement))
    assert event.any()
    assert np.count_nonzero(~event) <= 3
    assert encode(Fitted(AUTO, state)) == encode(Fitted(AUTO, learned(values)))


def test_the_step_between_two_regimes_is_marked_in_the_training_scores() -> None:
    values = NOISE[:2_000] + np.where(np.arange(2_000) < 1_200, 10, 30)
    values[600] = 40
    _, scores = AUTO.train(Series(MINUTES[:2_000], values), RATE, lambda _share: None)  # type: ignore[misc]
    flagged = np.flatnonzero(scores.score > 1)
    assert {600, 1_200} <= set(flagged.tolist())
    assert len(flagged) < 40


def test_an_explanation_names_witness_direction_rarity_and_a_similar_time() -> None:
    values = NOISE + 3 * np.sin(np.arange(3_000) / 30)
    state = learned(values, points=2_900)
    why = AUTO.explain(state, np.array([40.0]), MINUTES[2_900:2_901], values[:2_900])
    assert why.component in ("the level", "the forecast", "the shape of the last stretch")
    assert why.direction in ("high", "shape")
    assert why.once_in_s is not None
    assert why.once_in_s > 60_000
    assert why.similar_from is not None
    assert MONDAY <= why.similar_from < MINUTES[2_900]


def test_a_state_is_small() -> None:
    week = 10 * np.sin(2 * np.pi * np.arange(30_000) / 2_016) + np.random.default_rng(3).normal(size=30_000)
    state = AUTO.fit(Series(MONDAY + 300 * np.arange(30_000), week), RATE, lambda _share: None)
    content, _ = encode(Fitted(AUTO, state))
    assert len(content) < 100_000
    assert decode(content).state.window == state.window


def test_learnt_names_the_witnesses() -> None:
    sentence = AUTO.learnt(learned(NOISE[:500]))["why"]
    assert sentence == (
        "The values are judged by the level, a forecast from the previous values, the mean and the noise of the last "
        "values, repeated values, the shape of the last stretch. Any of these can make a point an anomaly."
    )


@pytest.mark.parametrize("scale", [1e150, 1.0, 1e-300])
def test_series_of_all_kinds_and_lengths_are_learned_without_a_warning(scale: float) -> None:
    kinds = {
        "constant": np.ones(300),
        "step": np.repeat([0.0, 1.0], 150),
        "ramp": np.arange(300) / 300,
        "spike": np.eye(1, 300, 150)[0],
        "noise": NOISE[:300],
        "walk": NOISE[:300].cumsum(),
        "switch": np.arange(300) % 2.0,
    }
    for values in kinds.values():
        for points in (3, 4, 10, 31, 64, 130, 300):
            state = learned(scale * values[:points])
            scores = AUTO.score(state, scale * values, MINUTES[:300], np.empty(0))
            assert all(column is not None and np.isfinite(column).all() for column in (scores.score, scores.expected))
            AUTO.train(Series(MINUTES[:points], scale * values[:points]), RATE, lambda _share: None)  # type: ignore[misc]


def test_auto_is_registered() -> None:
    assert named("auto") is AUTO
