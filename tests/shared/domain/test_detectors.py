"""The contract of every detector; each test runs over the registry."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.computing import pickling
from shared.caching import Cache
from shared.domain.detectors import named, offered, registry
from shared.domain.detectors.states import Fitted, decode, encode
from shared.domain.series import Series, Values
from shared.errors import Code, InputError
from tests import naive
from tests.messages import passed
from tests.shared.domain.contract import (
    EXTREMES,
    INTERVAL_S,
    POINTS,
    STEPS,
    AnyDetector,
    around,
    bits,
    columns,
    each,
    each_fit,
    fit,
    fit_anew,
    long_enough,
    random_walk,
    score,
)


@each_fit()
def test_the_same_series_gives_the_same_state_and_the_same_scores(
    detector: AnyDetector, parameters: dict[str, Any], values: Values
) -> None:
    first, second = fit(detector, values, parameters), fit_anew(detector, values.copy(), parameters)
    assert bits(first) == bits(second)
    for column, again in zip(
        columns(score(detector, first, values)), columns(score(detector, second, values)), strict=True
    ):
        assert column.tobytes() == again.tobytes()


@each()
def test_fitting_and_scoring_do_not_change_the_points(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    values = random_walk(POINTS)
    values.setflags(write=False)
    state = fit_anew(detector, values, parameters)
    score(detector, state, values)
    assert values.tolist() == random_walk(POINTS).tolist()


@each_fit()
def test_a_state_round_trips_bit_for_bit(
    detector: AnyDetector, parameters: dict[str, Any], values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = fit(detector, values, parameters)
    monkeypatch.setattr(pickling, "_kept", Cache(10_000_000))  # as in a process for computations
    call = partial(tuple, [Fitted(detector, state)])
    (sent,) = passed(pickling.message_of(call, Cache(10_000_000)))()
    assert sent.detector is detector
    assert bits(sent.state) == bits(state)
    content, suffix = encode(Fitted(detector, state))
    back = decode(content)
    assert back.detector is detector
    assert bits(back.state) == bits(state)
    assert encode(back) == (content, suffix)
    assert suffix in (".json", ".npz")


@each_fit()
def test_all_outputs_are_finite_and_no_score_is_negative(
    detector: AnyDetector, parameters: dict[str, Any], values: Values
) -> None:
    state = fit(detector, values, parameters)
    scores = score(detector, state, np.concatenate((EXTREMES, values, around(values))))
    assert (scores.score >= 0).all()
    for column in columns(scores):
        assert column.shape == scores.score.shape
        assert column.dtype == np.float64
        assert np.isfinite(column).all()
    figures = detector.learnt(state).values()
    assert all(isinstance(figure, str) or math.isfinite(figure) for figure in figures)


@each_fit(but=["auto"])  # some of its witnesses have no band
def test_a_point_is_an_anomaly_if_it_is_outside_the_band(
    detector: AnyDetector, parameters: dict[str, Any], values: Values
) -> None:
    """Edges are rounded, so score and band may disagree within one unit in the last place of an edge.

    A band so narrow that the score's division underflows is within that distance as well.
    """
    state = fit(detector, values, parameters)
    points = np.concatenate((EXTREMES, values, around(values)))
    scores = score(detector, state, points)
    outside = np.zeros(len(points), dtype=bool)
    at_an_edge = np.zeros(len(points), dtype=bool)
    for edge, side in ((scores.lower, -1), (scores.upper, 1)):
        if edge is not None:
            with np.errstate(over="ignore"):
                outside |= side * points > side * edge
                at_an_edge |= np.abs(points - edge) <= 4 * np.spacing(np.abs(edge))
    if scores.lower is not None or scores.upper is not None:
        assert ((scores.score > 1) == outside)[~at_an_edge].all()
        assert (~at_an_edge).any()


@each_fit(but=["auto"])  # a shape is not a distance
def test_a_point_farther_from_the_expected_value_never_scores_lower(
    detector: AnyDetector, parameters: dict[str, Any], values: Values
) -> None:
    """Score each as the point after the series, so that all have the same expected value."""
    state = fit(detector, values, parameters)
    assert detector.expects == (score(detector, state, values).expected is not None)
    if not detector.expects:
        return
    points = np.unique(np.concatenate((EXTREMES, around(values)[::3])))
    after = np.array([POINTS * INTERVAL_S])
    verdicts = [detector.score(state, np.array([point]), after, values) for point in points]
    (expected,) = {float(verdict.expected[0]) for verdict in verdicts if verdict.expected is not None}
    rising = np.diff([verdict.score[0] for verdict in verdicts])
    assert (rising[points[:-1] >= expected] >= 0).all()
    assert (rising[points[1:] <= expected] <= 0).all()


@each(but=["auto"])  # it treats zero specially: counters, values that are never negative
@settings(max_examples=10)
@given(STEPS, st.data())
def test_shifting_a_series_and_its_points_shifts_only_the_band(
    detector: AnyDetector, parameters: dict[str, Any], steps: list[int], data: st.DataObject
) -> None:
    """Eighths and whole shifts below 2**40 are added without rounding, so both fits see the same deviations.

    Only the rounding of the learned state differs, by a few units in the last place of the shift. The score is a
    distance divided by the spread, whose smallest possible value, one step of 1/8 in 40 points, is above 1/64.
    """
    values = long_enough(detector, steps)
    shift = float(data.draw(st.integers(-(2**40), 2**40)))
    points = np.linspace(-80, 80, 33)
    plain = score(detector, fit(detector, values, parameters), points)
    shifted = score(detector, fit(detector, values + shift, parameters), points + shift)
    slack = 8 * np.spacing(abs(shift) + 100)
    np.testing.assert_allclose(shifted.score, plain.score, rtol=1e-9 + 64 * slack, atol=64 * slack)
    for column, moved in zip(columns(plain)[1:], columns(shifted)[1:], strict=True):
        np.testing.assert_allclose(moved, column + shift, rtol=1e-9, atol=slack)


@each()
@settings(max_examples=10)
@given(STEPS, st.data())
def test_scaling_a_series_and_its_points_scales_only_the_band(
    detector: AnyDetector, parameters: dict[str, Any], steps: list[int], data: st.DataObject
) -> None:
    """A power of two scales without rounding; the tolerance of 1e-9 allows sums in another order."""
    factor = 2.0 ** data.draw(st.integers(-900, 450))
    values, points = long_enough(detector, steps), np.linspace(-80, 80, 33)
    plain = score(detector, fit(detector, values, parameters), points)
    scaled = score(detector, fit(detector, values * factor, parameters), points * factor)
    np.testing.assert_allclose(scaled.score, plain.score, rtol=1e-9)
    for column, grown in zip(columns(plain)[1:], columns(scaled)[1:], strict=True):
        np.testing.assert_allclose(grown, column * factor, rtol=1e-9, atol=1e-12 * factor)


@each_fit()
def test_a_single_point_scores_the_same_as_in_a_batch(
    detector: AnyDetector, parameters: dict[str, Any], values: Values
) -> None:
    """A boundary that adapts must begin to do so at the same value: then, the batch has a context, too."""
    state = fit(detector, values, parameters)
    first = 0 if detector.fold is None else POINTS - 3
    batch = detector.score(state, values[first:], INTERVAL_S * np.arange(first, POINTS), values[:first])
    context = values[:-1][max(POINTS - 1 - detector.context_points, 0) :]
    alone = detector.score(state, values[-1:], np.array([(POINTS - 1) * INTERVAL_S]), context)
    for column, single in zip(columns(batch), columns(alone), strict=True):
        np.testing.assert_allclose(single, column[-1:], rtol=1e-12 if detector.context_points == 0 else 1e-4)


@each()
def test_the_minimum_number_of_points_is_enough(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    values = np.arange(detector.min_points) / 1.0
    assert np.isfinite(score(detector, fit(detector, values, parameters), values).score).all()


@each_fit(but=["auto"])  # its parts have references of their own
def test_scores_match_the_slow_reference(detector: AnyDetector, parameters: dict[str, Any], values: Values) -> None:
    state = fit(detector, values, parameters)
    new = random_walk(POINTS)[:30] * max(float(values.std()), 1e-300) + values[:30]
    timestamps = (POINTS + np.arange(len(new))) * INTERVAL_S + INTERVAL_S // 3  # not at the edges of phases
    slow = naive.scores(Fitted(detector, state), new.tolist(), timestamps.tolist())
    fast = detector.score(state, new, timestamps, np.empty(0)).score
    np.testing.assert_allclose(fast, slow, rtol=1e-3, atol=1e-3)


@each()
def test_the_false_positive_rate_is_close_to_the_target(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    """On independent noise the rate is within a factor of 3, and the version describes it."""
    noise = np.random.default_rng(0).normal(size=6_000)
    state = fit(detector, noise[:3_000], {**parameters, "alarm_rate": "1 in 50"})
    later = np.arange(3_000, 6_000) * INTERVAL_S
    share = (detector.score(state, noise[3_000:], later, noise[:3_000]).score > 1).mean()
    assert 1 / 150 < share < 3 / 50
    begins = "Not promised" if detector.name == "msnn" else "One false alarm in 50 points"
    assert str(detector.learnt(state)["promise"]).startswith(begins)


@each()
def test_a_fit_reports_its_progress(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    shares: list[float] = []
    detector.fit(Series(np.arange(POINTS), random_walk(POINTS)), parameters, shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] == 1


@each()
def test_a_canceled_fit_stops(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    class CancelledError(Exception):
        pass

    def cancel(_share: float) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        detector.fit(Series(np.arange(POINTS), random_walk(POINTS)), parameters, cancel)


@each()
def test_a_detector_describes_itself(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    assert detector.purpose.endswith(".")
    assert detector.cost.endswith(".")
    assert all(parameter.purpose for parameter in detector.parameters)
    assert named(detector.name) is detector
    assert parameters.keys() == {parameter.name for parameter in detector.parameters}


def test_an_unknown_detector_is_rejected_with_the_known_names() -> None:
    with pytest.raises(InputError) as caught:
        offered("no such detector")
    assert caught.value.code is Code.UNKNOWN_DETECTOR
    assert all(name in caught.value.detail for name in registry())


def test_a_retired_detector_judges_its_versions_but_is_not_offered_for_new_fits() -> None:
    assert "ensemble" not in registry()
    assert named("ensemble").name == "ensemble"
    with pytest.raises(InputError, match=r"ensemble is retired.* Use auto") as caught:
        offered("ensemble")
    assert caught.value.code is Code.UNKNOWN_DETECTOR
