"""Auto: several witnesses judge every point; it is an anomaly if any of them finds it unusual."""

from datetime import UTC, datetime

from shared.domain.detectors.contract import (
    Carry,
    Detector,
    Need,
    ParameterValues,
    Progress,
    Scores,
)
from shared.domain.detectors.parameters import AlarmRate, TimeZone, Windows
from shared.domain.detectors.witnesses.explaining import explain
from shared.domain.detectors.witnesses.fitting import learn
from shared.domain.detectors.witnesses.judging import judge
from shared.domain.detectors.witnesses.state import MOST_FOLDED, MOST_WINDOW, Auto
from shared.domain.detectors.witnesses.training import train as learn_and_judge
from shared.domain.series import Series, Timestamps, Values

MIN_POINTS = 3


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Auto:
    """Learn all witnesses that the series supports."""
    state = learn(series, parameters, progress).state
    progress(1.0)
    return state


def train(series: Series, parameters: ParameterValues, progress: Progress) -> tuple[Auto, Scores]:
    """Learn, and compute the held-out score of each training point."""
    trained = learn_and_judge(series, parameters, progress)
    progress(1.0)
    return trained


def score(state: Auto, values: Values, timestamps: Timestamps, context: Values) -> Scores:
    """Score by the largest ratio of all witnesses, with a boundary that adapts from the start of the context on."""
    return judge(state, values, timestamps, context).verdicts


def fold(
    state: Auto, values: Values, timestamps: Timestamps, context: Values, carry: Carry | None
) -> tuple[Scores, Carry]:
    """Score like `score`, continuing with the boundary that `carry` holds."""
    judgment = judge(state, values, timestamps, context, carry)
    return judgment.verdicts, judgment.carry


def needs(state: Auto) -> Need:
    """Return the values that affect a point, and some more that its boundary adapts to."""
    return state.end.needs(state.context_points, state.least)


def learnt(state: Auto) -> dict[str, float | str]:
    """Return the witnesses, and the data that they were learned from."""
    season = {} if state.season is None else state.season.learnt()
    return {
        "why": _sentence(state),
        "expected_by": state.expected_by,
        "learned_points": float(state.points),
        "learned_from": f"{datetime.fromtimestamp(state.first_timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC",
        "incident_points": float(state.incident_points),
        **season,
        "promise": state.promise,
    }


def _sentence(state: Auto) -> str:
    witnesses = [
        ("the level", state.level),
        ("the usual value at this time", state.season),
        ("a forecast from the previous values", state.forecast),
        ("the mean and the noise of the last values", len(state.recent.windows)),
        ("repeated values", True),
        ("the set of known values", len(state.vocabulary.values)),
        ("the shape of the last stretch", state.shape),
    ]
    named = [name for name, is_used in witnesses if is_used]
    subject = "increments of the counter" if state.usual_increment else "values"
    return f"The {subject} are judged by {', '.join(named)}. Any of these can make a point an anomaly."


DETECTOR = Detector(
    name="auto",
    purpose="Values unusual in level, season, forecast, recent mean, repetition, vocabulary or shape. When in doubt.",
    cost="Fit: 0.5 s for 10,000 points, 10 s for 1,000,000, mostly for their held-out scores. Prediction: 0.5 ms.",
    false_alarms="Share of held-out points that any witness flags; after that, the boundary adapts to new points.",
    min_points=MIN_POINTS,
    context_points=MOST_WINDOW + MOST_FOLDED,
    parameters=(AlarmRate(), TimeZone(), Windows()),
    state=Auto,
    fit=fit,
    score=score,
    learnt=learnt,
    explain=explain,
    needs=needs,
    fold=fold,
    train=train,
)
