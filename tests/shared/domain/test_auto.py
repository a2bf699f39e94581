import numpy as np
import pytest

from shared.domain.detectors import auto, learn, named
from shared.domain.detectors.auto import Auto
from shared.domain.detectors.injections import EVENTS, KINDS, MOST_HELD_OUT, MOST_POINTS, injections, precision, split
from shared.domain.series import Series, Values

AUTO = named("auto")
MONDAY = 1_704_067_200  # 2024-01-01
HOURS = np.arange(2_000)
NOISE = np.random.default_rng(0).normal(size=2_000)
WORKING = (HOURS % 24 >= 8) & (HOURS % 24 < 18) & (HOURS // 24 % 7 < 5)


def chosen(values: Values) -> Auto:
    series = Series(MONDAY + 3_600 * HOURS[: len(values)], values)
    state: Auto = learn(AUTO, series, {}, lambda _share: None).state
    return state


@pytest.mark.parametrize(
    ("values", "name"),
    [(NOISE, "robust"), (NOISE.cumsum(), "msnn"), (NOISE[:50], "robust")],
    ids=["noise", "random walk", "few points"],
)
def test_the_choice_suits_the_series_and_is_explained(values: Values, name: str) -> None:
    state = chosen(values)
    assert state.chosen.detector.name == name
    assert state.why.startswith(f"{name}: ")
    assert AUTO.learnt(state)["chosen"] == name


def test_a_cycle_makes_seasonal_a_candidate() -> None:
    state = chosen(100.0 * WORKING + 3 * NOISE)
    precisions = dict(zip(state.compared, state.precisions.tolist(), strict=True))
    assert precisions["seasonal"] > precisions["robust"] + 0.2
    assert state.chosen.detector.name in ("seasonal", "msnn")
    assert "seasonal" not in chosen(NOISE).compared


def test_a_drifting_level_rules_out_robust() -> None:
    assert "robust" not in chosen(NOISE + HOURS / 100).compared
    assert "robust" in chosen(NOISE).compared


def test_the_chosen_detector_is_fitted_to_the_whole_series() -> None:
    state = chosen(NOISE.cumsum())
    assert AUTO.needs(state).last_timestamp == MONDAY + 3_600 * 1_999


def test_another_detector_must_clearly_beat_msnn() -> None:
    state = chosen(np.sin(HOURS / 7.3) + 0.01 * NOISE)
    precisions = dict(zip(state.compared, state.precisions.tolist(), strict=True))
    assert max(precisions.values()) < precisions["msnn"] + auto.MSNN_BONUS
    assert state.chosen.detector.name == "msnn"


def test_only_the_newest_points_are_compared() -> None:
    points = 10**5
    series = Series(np.arange(points), np.arange(points) / 1.0)
    learnable, held_out = split(series)
    assert (len(learnable) + len(held_out), len(held_out)) == (MOST_POINTS, MOST_HELD_OUT)
    assert learnable.timestamps[-1] + 1 == held_out.timestamps[0]
    assert held_out.timestamps[-1] == points - 1


@pytest.mark.parametrize("points", [20, 150, 3_000])
def test_injected_events_are_marked_and_change_nothing_else(points: int) -> None:
    values = NOISE[:points] if points <= 2_000 else np.resize(NOISE, points)
    events = dict.fromkeys(KINDS, 0)
    for copy in injections(values, 1.0, 24):
        changed = copy.values != values
        assert not (changed & ~copy.inside).any()
        assert not (copy.inside & copy.outside).any()
        assert copy.outside.any()
        events[copy.kind] += int((np.diff(copy.inside.astype(int), prepend=0) == 1).sum())
    assert events == dict.fromkeys(KINDS, EVENTS)


def test_average_precision_matches_its_definition() -> None:
    copy = next(injections(NOISE[:400], 1.0, 24))
    scores = np.round(NOISE[400:800], 1)
    counted = np.flatnonzero(copy.inside | copy.outside)
    shares = []
    for index in counted[copy.inside[counted]]:
        as_high = [other for other in counted if scores[other] >= scores[index]]
        shares.append(np.mean([copy.inside[other] for other in as_high]))
    assert precision(scores, copy) == pytest.approx(np.mean(shares))
