"""The kind `alertmanager`: version 2 of its API. It gets the state, not messages: all open alerts in one list.

An open alert ends by itself four minutes later, so it is sent again every minute. Alertmanager groups, repeats and
silences; therefore only labels that never change identify an alert, and numbers are annotations.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.watching.alerts import AlertStatus, Kind
from shared.domain.watching.sentences import of_alert, subject_of
from shared.store.deliveries import Message
from shared.store.reported import ReportedAlert

EVERY_S = 60.0
LASTS_S = 240.0  # so that neither three lost requests nor a restart of this process end an alert
PATH = "/api/v2/alerts"
NAMES = {Kind.DEVIATION: "TsadDeviation", Kind.SILENCE: "TsadSilence", Kind.REFIT_FAILING: "TsadRefitFailing"}


def url_of_alerts(url: str) -> str:
    """Return the address that takes alerts; `url` is the address of the Alertmanager."""
    return url if url.rstrip("/").endswith(PATH) else url.rstrip("/") + PATH


def request_of(
    reported: Iterable[ReportedAlert], tests: Sequence[Message], receiver: str, link: str, now: datetime
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a request with the state.

    tests: messages that somebody requested to try the receiver. link: of this service; may be empty.
    """
    alerts: dict[str, dict[str, Any]] = {}
    for entry in reported:  # an open alert replaces a closed one of the same series
        body = _alert(entry, link, now)
        alerts.setdefault(json.dumps(body["labels"], sort_keys=True), body)
    listed = [*alerts.values(), *(_test(receiver, now) for _ in tests[:1])]
    return {"Content-Type": "application/json"}, json.dumps(listed).encode()


def _alert(entry: ReportedAlert, link: str, now: datetime) -> dict[str, Any]:
    alert = entry.alert
    began = datetime.fromtimestamp(alert.started_at, UTC)
    ends = now + timedelta(seconds=LASTS_S)
    if alert.status == AlertStatus.CLOSED and alert.ended_at is not None:
        ends = max(began, min(datetime.fromtimestamp(alert.ended_at, UTC), now))
    labels = {"alertname": NAMES[alert.kind], "kind": alert.kind, "watch": alert.watch, "severity": "warning"}
    if entry.series_id is not None:
        labels["series_id"] = entry.series_id
    peak = alert.peak
    numbers = {"anomalies": alert.points} if peak is None else {
        "anomalies": alert.points, "value": peak.value, "score": peak.score, "expected": peak.expected,
        "lower": peak.lower, "upper": peak.upper,
    }  # fmt: skip
    annotations = {"summary": of_alert(alert, subject_of(alert, entry.series_id)), "alert_id": alert.id}
    annotations |= {name: f"{number:.6g}" for name, number in numbers.items() if number is not None}
    body = {"labels": labels, "annotations": annotations, "startsAt": began.isoformat(), "endsAt": ends.isoformat()}
    return body | ({"generatorURL": f"{link}/ui/alerts/{alert.id}"} if link else {})


def _test(receiver: str, now: datetime) -> dict[str, Any]:
    """Return an alert that ends by itself after a minute."""
    return {
        "labels": {"alertname": "TsadTest", "receiver": receiver, "severity": "info"},
        "annotations": {"summary": f"This is a test of the receiver {receiver}: tsad can send alerts to it."},
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(seconds=60)).isoformat(),
    }
