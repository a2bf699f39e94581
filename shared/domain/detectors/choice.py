"""The former `auto`, which chose one of the other detectors. Its stored versions are judged as they always were.

Nothing fits it anymore. When no version of it is left, delete this module and its use in `states`.
"""

from dataclasses import dataclass

from shared.domain.detectors import msnn, robust
from shared.domain.detectors.contract import (
    Detector,
    Explanation,
    Fitted,
    Need,
    Scores,
    refuse_to_fit,
)
from shared.domain.detectors.parameters import AlarmRate, Windows
from shared.domain.series import Timestamps, Values


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen detector, and the reasons."""

    chosen: Fitted
    why: str
    compared: tuple[str, ...]  # names of detectors
    precisions: Values  # of each compared detector
    period: int  # points; 0 = none found
    drift: float  # of the level, in spreads
    noise: float  # share of the error that neither forecast nor cycle removes


def score(state: Choice, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """Return the scores of the chosen detector."""
    return state.chosen.score(values, timestamps, context)


def explain(state: Choice, values: Values, timestamps: Timestamps, context: Values) -> Explanation:
    """Return the explanation of the chosen detector."""
    return state.chosen.explain(values, timestamps, context)


def needs(state: Choice) -> Need:
    """Return the values that the chosen detector needs."""
    return state.chosen.needs()


def learnt(state: Choice) -> dict[str, float | str]:
    """Return the choice and its reasons, then what the chosen detector learned."""
    precisions = zip(state.compared, state.precisions.tolist(), strict=True)
    return {
        "chosen": state.chosen.detector.name,
        "why": state.why,
        **{f"precision_{name}": precision for name, precision in precisions},
        "period_points": float(state.period),
        "drift": state.drift,
        "noise": state.noise,
        **state.chosen.learnt(),
    }


FORMER_AUTO = Detector(
    name="auto",
    purpose="The detector that best finds anomalies injected into the newest part of the series.",
    cost="Prediction: that of the chosen detector.",
    false_alarms="That of the chosen detector, which the version names.",
    min_points=robust.DETECTOR.min_points,
    context_points=msnn.DETECTOR.context_points,
    parameters=(AlarmRate(), Windows()),
    state=Choice,
    fit=refuse_to_fit,
    score=score,
    learnt=learnt,
    needs=needs,
    explain=explain,
)
