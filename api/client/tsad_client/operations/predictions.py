"""Score points."""

from collections.abc import Iterable, Sequence
from typing import Any

from tsad_client.columns import Data, Time, number_of, points_of, seconds_of
from tsad_client.operations.bodies import body_of, point_of
from tsad_client.running import operation
from tsad_client.sending import Call, Patience, Steps, ask
from tsad_client.verdicts import BatchVerdicts, ManyVerdicts, SeriesVerdict, Verdict


class Predictions:
    """Operations that score points with a version."""

    patience: Patience

    @operation
    def predict(
        self,
        series_id: str,
        timestamp: Time,
        value: float | None,
        *,
        context: Sequence[float | None] | None = None,
        version: int | str | None = None,
        explain: bool = False,
    ) -> Steps[Verdict]:
        """Score one point. context: the values just before it, which some detectors need."""
        fields: dict[str, Any] = {"timestamp": seconds_of(timestamp), "value": number_of(value)}
        if context is not None:
            fields["context"] = [number_of(one) for one in context]
        call = Call(
            "POST",
            "/predict/{series_id}",
            {"series_id": series_id},
            {"version": version, "explain": True if explain else None},
            content=point_of(**fields),
        )
        return (yield from ask(call, Verdict, self.patience))

    @operation
    def predict_batch(
        self,
        series_id: str,
        data: Data,
        *,
        time: str | None = None,
        value: str | None = None,
        version: int | str | None = None,
        mode: str | None = None,
    ) -> Steps[Any]:
        """Score all points of a frame, and return it with more columns: anomaly, score, expected, lower and upper.

        The result is of the same kind as `data`, with a row for each row. Rows without a value, or with too few before
        them, have no verdict: their new columns are missing values.
        """
        points = points_of(data, time, value)
        call = Call(
            "POST",
            "/predict/{series_id}/batch",
            {"series_id": series_id},
            {"version": version, "mode": mode},
            content=body_of(timestamps=points.timestamps, values=points.values),
        )
        verdicts = yield from ask(call, BatchVerdicts, self.patience)
        names = ("anomaly", "score", "expected", "lower", "upper", "boundary", "absorbed")
        columns = {name: getattr(verdicts, name) for name in names}
        return points.with_columns({name: column for name, column in columns.items() if column is not None})

    @operation
    def predict_many(self, points: Iterable[tuple[str, Time, float | None]]) -> Steps[list[SeriesVerdict]]:
        """Score up to 1,000 points of any series: a verdict or a problem for each, in order.

        points: series id, time and value of each.
        """
        listed = [
            {"series_id": series_id, "timestamp": seconds_of(time), "value": number_of(value)}
            for series_id, time, value in points
        ]
        answer = yield from ask(Call("POST", "/predict", content=body_of(points=listed)), ManyVerdicts, self.patience)
        return answer.results
