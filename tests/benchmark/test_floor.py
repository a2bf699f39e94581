"""Minimum quality on generated series with known events."""

import numpy as np
import pytest

from benchmark.accuracy import generated, measures
from benchmark.accuracy.everyday import evaluating
from benchmark.accuracy.judging import Refits, judged, judged_at_once
from shared.domain.detectors import registry
from shared.domain.detectors.contract import CAUSAL

POINTS, SEED, BUFFER = 3_000, 0, 60
FLOORS = {
    ("ar", "causal"): 0.33,
    ("auto", "causal"): 0.54,
    ("baseline", "causal"): 0.27,
    ("msnn", "causal"): 0.57,
    ("msnn", "centred"): 0.70,
    ("msnn", "retrospective"): 0.69,
    ("robust", "causal"): 0.25,
    ("seasonal", "causal"): 0.40,
    ("spectral_residual", "causal"): 0.11,
}
MODES = [(name, mode) for name, detector in registry().items() for mode in (CAUSAL, *detector.modes)]


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_events_are_found_at_least_this_well(name: str, mode: str) -> None:
    detector, volumes = registry()[name], []
    for family in generated.FAMILIES:
        generated_series = generated.series_of(family, SEED, POINTS)
        if mode == CAUSAL:
            judgment = judged(detector, generated_series.series, generated_series.prefix, Refits(0), {})
        else:
            judgment = judged_at_once(detector, mode, generated_series.series, generated_series.prefix)
        volumes.append(measures.vus_pr(generated_series.labels, judgment.ranks, BUFFER))
    assert np.mean(volumes) >= FLOORS.get((name, mode), 1.0), "add the floor of a new detector to FLOORS"


@pytest.mark.parametrize("family", sorted(generated.FAMILIES))
def test_a_generated_series_has_every_event_once_in_its_second_half(family: str) -> None:
    generated_series = generated.series_of(family, SEED, POINTS)
    starts, ends = measures.events(generated_series.labels)
    lengths = sorted((ends - starts + 1).tolist())
    assert lengths == [1, *[generated.EVENT] * (len(generated.EVENTS) - 1)]
    assert starts.min() >= POINTS // 2


def test_only_the_same_seed_generates_the_same_series() -> None:
    first, same, other = (generated.series_of("sensor", seed, POINTS).series.values for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_auto_finds_what_a_person_sees_at_a_glance() -> None:
    outcomes = [evaluating.evaluate("auto", name, seeds=1) for name in evaluating.CASES]
    found, false_alarms, cases_with_few, cases = evaluating.summary(outcomes)
    assert found is not None
    assert false_alarms is not None
    assert cases == len(evaluating.CASES) >= 32
    assert found >= 4.7
    assert false_alarms <= 40
    assert cases_with_few == 0


def test_auto_keeps_false_alerts_few_after_one_fit() -> None:
    normal = [generated.series_of(family, SEED, POINTS) for family in generated.FAMILIES]
    shares = []
    for sample in normal:
        judgment = judged(registry()["auto"], sample.series, sample.prefix, Refits(0), {})
        after = slice(sample.prefix, None)
        shares.append(judgment.anomalies[after][~sample.labels[after]].mean())
    assert np.mean(shares) <= 0.01
