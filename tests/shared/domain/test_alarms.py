import numpy as np
import pytest

from shared.domain.detectors import alarms


@pytest.mark.parametrize(
    ("rate", "interval_s", "share"),
    [
        ("1 in 1000", 60.0, 0.001),
        ("3 in 100", 60.0, 0.03),
        ("1 per day", 60.0, 1 / 1440),
        ("2 per week", 3600.0, 2 / 168),
        ("1 per hour", 86_400.0, 0.5),
    ],
)
def test_an_alarm_rate_is_a_share_of_the_points(rate: str, interval_s: float, share: float) -> None:
    assert alarms.share_of(rate, interval_s) == pytest.approx(share)


@pytest.mark.parametrize("share", [0.3, 0.1, 0.03])
def test_a_frequent_rate_holds_for_any_distribution(share: float) -> None:
    """A rank among the held-out residuals guarantees the rate exactly, on average."""
    random = np.random.default_rng(7)
    rates = []
    for _ in range(300):
        held_out, new = random.pareto(1.5, (2, 400))
        rates.append((new > alarms.boundary(held_out, share)).mean())
    assert np.mean(rates) == pytest.approx(share, rel=0.1)


def test_a_rare_rate_is_extrapolated_from_the_tail() -> None:
    random = np.random.default_rng(7)
    thin, heavy = random.exponential(size=4096), random.pareto(4, 4096)
    assert alarms.boundary(thin, 1e-5) == pytest.approx(-np.log(1e-5), rel=0.35)
    assert alarms.boundary(heavy, 1e-5) == pytest.approx(1e-5 ** (-1 / 4) - 1, rel=0.35)


def test_a_rarer_alarm_has_a_higher_boundary() -> None:
    residuals = np.random.default_rng(7).normal(size=777) ** 2
    boundaries = [alarms.boundary(residuals, share) for share in (0.5, 0.1, 0.021, 0.019, 1e-3, 1e-6, 1e-9)]
    assert boundaries == sorted(boundaries)


def test_autocorrelated_residuals_count_as_few() -> None:
    """800 autocorrelated values show as much as a few dozen independent ones."""
    random = np.random.default_rng(7)
    values = random.normal(size=(200, 2000))
    for index in range(1, 2000):
        values[:, index] += 0.95 * values[:, index - 1]
    rates = [(np.abs(values[:, 1000:]) > alarms.boundary(np.abs(row[:800]), 1e-3)).mean() for row in values]
    assert np.mean(rates) < 3.5e-3
    assert 0.5e-3 < np.median(rates) < 2e-3


def test_equal_residuals_still_have_a_boundary() -> None:
    assert 0 < alarms.boundary(np.zeros(100), 1e-3) < 1e-6
    assert alarms.boundary(np.ones(100), 1e-3) >= 1


def test_a_boundary_describes_the_rate_to_expect() -> None:
    residuals = np.random.default_rng(7).exponential(size=500)
    learned = alarms.Boundary.of(residuals, "2 per week", 3600.0)
    assert learned == alarms.Boundary(alarms.boundary(residuals, 2 / 168), alarms.promise(2 / 168, 500))


def test_too_few_points_for_a_rate_are_reported() -> None:
    assert alarms.promise(1e-3, 4000).startswith("One false alarm in 1,000 points, measured on 4,000 held-out points")
    assert "400 in-sample points are too few" in alarms.promise(1e-3, 400, alarms.IN_SAMPLE)
    assert alarms.promise(1e-3, 400).endswith("to measure rates below 1 in 400.")
