"""Push points of one series, and sum up what became of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from api.cli.client import Answer, Client, segment
from api.cli.output import note, utc_time
from api.cli.verdicts import print_verdict
from shared.errors import TsadError
from shared.wording import counted

MAX_POINTS = 5_000  # per request: the API returns the verdicts of no more
LATE = "older than points that came before"
NO_VERDICT = "without a value, with too few values before them, or not later than the training data"
_PRINTED = ("anomaly", "score", "lower", "upper", "absorbed", "model_version")


@dataclass
class Pushed:
    """What became of points of a series."""

    series_id: str
    accepted: int = 0
    late: int = 0  # of the accepted ones
    repeated: int = 0
    refused: int = 0
    skipped: int = 0  # lines that are no points
    judged: int = 0
    anomalies: int = 0
    unjudged: Counter[str] = field(default_factory=Counter)  # by reason
    errors: list[dict[str, Any]] = field(default_factory=list)  # the first refused point of each code
    alerts: list[str] = field(default_factory=list)  # ids of those that were open after the points
    status: str = ""  # of the stream, after the last point
    reason: str = ""

    def add(self, later: "Pushed") -> None:
        """Add what became of later points."""
        for name in ("accepted", "late", "repeated", "refused", "skipped", "judged", "anomalies"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.unjudged += later.unjudged
        codes = {error["code"] for error in self.errors}
        self.errors += [error for error in later.errors if error["code"] not in codes]
        self.alerts += [alert for alert in later.alerts if alert not in self.alerts]
        if later.status:
            self.status, self.reason = later.status, later.reason

    def document(self) -> dict[str, Any]:
        """Return these figures as JSON."""
        return {**asdict(self), "unjudged": self.unjudged.total()}

    def lines(self) -> list[str]:
        """Return these figures as sentences; points that were not judged have one of their own."""
        total = self.accepted + self.repeated + self.refused
        stored = f"{self.accepted:,} stored" + (f" ({self.late:,} late)" if self.late else "")
        before = f", {self.repeated:,} stored before" if self.repeated else ""
        skipped = f"; {counted(self.skipped, 'line')} skipped" if self.skipped else ""
        lines = [f"{self.series_id}: {counted(total, 'point')}: {stored}{before}, {self.refused:,} refused{skipped}."]
        if self.judged:
            found = counted(self.anomalies, "anomaly", "anomalies")
            lines.append(f"{found} in {counted(self.judged, 'judged point')}.")
        if self.unjudged:
            reasons = "; ".join(f"{number:,} {reason}" for reason, number in self.unjudged.items())
            lines.append(f"Not judged: {counted(self.unjudged.total(), 'point')}: {reasons}.")
        if self.status:
            lines.append(f"The stream is {self.status}: {self.reason}.")
        return lines


class Pusher:
    """Pushes points of one series in bounded requests, prints anomalies, and reports changes of the stream."""

    def __init__(self, client: Client, series_id: str, *, include_normal: bool, as_json: bool) -> None:
        self._client = client
        self._series_id = series_id
        self._is_printed = {True: not as_json, False: include_normal and not as_json, None: False}
        self._status = ""
        self._reported: set[str] = set()  # alerts, and codes of refused points

    def push(self, timestamps: Sequence[int], values: Sequence[float | None]) -> Pushed:
        """Push points in requests of at most `MAX_POINTS` and return what became of them. values: None for gaps."""
        pushed = Pushed(self._series_id)
        for start in range(0, len(timestamps), MAX_POINTS):
            part = slice(start, start + MAX_POINTS)
            body = {"timestamps": timestamps[part], "values": values[part]}
            answer = self._client.post(f"/series/{segment(self._series_id)}/points", body)
            self._print_verdicts(answer, dict(zip(timestamps[part], values[part], strict=True)))
            found = counts(answer, timestamps[part])
            self._report(found)
            pushed.add(found)
        return pushed

    def _print_verdicts(self, answer: Answer, sent: dict[int, float | None]) -> None:
        verdicts = answer["verdicts"] or {"timestamps": [], "anomaly": []}
        for index, (timestamp, anomaly) in enumerate(zip(verdicts["timestamps"], verdicts["anomaly"], strict=True)):
            if self._is_printed[anomaly]:
                verdict = {name: verdicts[name][index] for name in _PRINTED}
                print_verdict(timestamp, sent.get(timestamp), verdict, as_json=False)

    def _report(self, found: Pushed) -> None:
        """Report refused points of a new kind, a new status of the stream, and a new alert."""
        for error in found.errors:
            if error["code"] not in self._reported:
                note(f"The point of {error['time']} was refused ({error['code']}): its time or value {error['msg']}.")
        for alert_id in found.alerts:
            if alert_id not in self._reported:
                note(f"Alert {alert_id} is open. {self._sentence(alert_id)}".rstrip())
        if self._status and found.status not in ("", self._status):
            note(f"{self._series_id} is {found.status} now: {found.reason}.")
        self._status = found.status or self._status
        self._reported.update(found.alerts, (error["code"] for error in found.errors))

    def _sentence(self, alert_id: str) -> str:
        """Return what an alert says; nothing if the key has no scope to read it."""
        try:
            return str(self._client.get(f"/alerts/{alert_id}")["sentence"])
        except TsadError:
            return ""


def counts(answer: Answer, timestamps: Sequence[int]) -> Pushed:
    """Return what became of the points of one request."""
    pushed = Pushed(answer["series_id"], answer["accepted"], answer["late"], answer["repeated"], answer["refused"])
    taken = pushed.accepted + pushed.repeated
    if taken:
        pushed.status, pushed.reason = answer["status"], answer["reason"]
    for flaw in answer["errors"]:
        if flaw["code"] not in {error["code"] for error in pushed.errors}:
            time = utc_time(timestamps[flaw["loc"][-1]])
            pushed.errors.append({"time": time, "code": flaw["code"], "msg": flaw["msg"]})
    if answer["alert_id"] is not None:
        pushed.alerts.append(answer["alert_id"])
    anomalies = answer["verdicts"]["anomaly"] if answer["verdicts"] else [None] * taken
    pushed.anomalies, unjudged = anomalies.count(True), anomalies.count(None)
    pushed.judged = len(anomalies) - unjudged
    pushed.unjudged[LATE] = min(pushed.late, unjudged)
    why = f"because no version exists yet ({pushed.reason})" if pushed.status == "learning" else NO_VERDICT
    pushed.unjudged[why] += unjudged - pushed.unjudged[LATE]
    pushed.unjudged = +pushed.unjudged  # without zeros
    return pushed
