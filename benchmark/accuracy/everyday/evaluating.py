"""Anomalies that a detector finds in everyday series, and normal points that it flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.accuracy.everyday import demand, histories, machines, sensors
from benchmark.accuracy.everyday.case import Case
from benchmark.accuracy.halves import half_of
from benchmark.accuracy.judging import first, fitted_to
from shared.domain.detectors import registry
from shared.domain.series import Flags, Values

CASES: Mapping[str, Case] = {
    case.name: case for module in (demand, machines, sensors, histories) for case in module.CASES
}
FIGURES = ("found_of_5", "false_alarms_per_10k", "cases_with_at_most_2", "cases")
FEW = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """Means over the seeds of a case; None for a detector that cannot learn from its history."""

    case: str
    half: str
    found: float | None  # of five anomalies
    false_alarms: float | None  # per 10,000 normal points
    missed: tuple[str, ...]  # anomalies that were missed with any seed

    def __str__(self) -> str:
        if self.found is None or self.false_alarms is None:
            return f"{self.case} ({self.half}): the detector cannot learn from it"
        missed = f", missed: {', '.join(self.missed)}" if self.missed else ""
        return (
            f"{self.case} ({self.half}): found {self.found:.1f} of 5, {self.false_alarms:.0f} false in 10,000{missed}"
        )


def evaluate(name: str, case_name: str, seeds: int) -> Outcome:
    """Fit once to each history; judge the future without any anomaly, and with each of them alone."""
    case = CASES[case_name]
    false_alarms, found, missed = [], [], dict[str, None]()
    for seed in range(seeds):
        series = case.series(seed)
        fitted = fitted_to(registry()[name], first(series, case.points), {})
        if fitted is None:
            return Outcome(case.name, half_of(case.name), None, None, ())
        timestamps = series.timestamps[case.points :]

        def anomalies(values: Values) -> Flags:
            scores = fitted.score(values[case.points :], timestamps, values[: case.points])  # noqa: B023
            return scores.score > 1

        false_alarms.append(float(anomalies(series.values).mean()))
        for anomaly in case.anomalies:
            flags = anomalies(case.changed(series.values, anomaly))
            found.append(bool(flags[anomaly.start : anomaly.start + anomaly.length].any()))
            if not found[-1]:
                missed[anomaly.name] = None
    return Outcome(
        case.name, half_of(case.name), 5 * float(np.mean(found)), 1e4 * float(np.mean(false_alarms)), tuple(missed)
    )


def summary(outcomes: Sequence[Outcome]) -> list[float | None]:
    """Return the `FIGURES` over the cases that the detector can learn from."""
    judged = [outcome for outcome in outcomes if outcome.found is not None and outcome.false_alarms is not None]
    if not judged:
        return [None, None, None, 0.0]
    found = np.array([outcome.found for outcome in judged], dtype=np.float64)
    false_alarms = np.array([outcome.false_alarms for outcome in judged], dtype=np.float64)
    return [float(found.mean()), float(false_alarms.mean()), float((found <= FEW).sum()), float(len(judged))]
