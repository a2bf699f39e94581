"""Clients that push points of watched series, and what the database must have in the end."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from shared.store.engine import Sessions
from tests.chaos.client import Client
from tests.chaos.ledger import Ledger
from tests.chaos.plan import seeded
from tests.chaos.receivers import NAMES
from tests.chaos.verdicts import Violation

STREAMS = 4  # of each client
EVERY_S = 0.08
MAX_POINTS = 12  # of a push
AGO_S, STEP_S = 20 * 86_400, 60
FEWEST_SPIKES = 50  # from then on, a run without alerts is suspicious

_POINTS = text("""
SELECT s.series_id, p.ts, p.value, p.score, p.version FROM points p JOIN streams s ON s.no = p.series_no
 WHERE s.series_id LIKE :pattern
""")
_ALERTS = text("""
SELECT CAST(a.id AS text) AS id, a.series_id, a.kind, a.status, a.started_at, a.last_anomaly_at, a.step,
       (SELECT count(*) FROM notices n WHERE n.alert = a.id) AS notices
  FROM alerts a WHERE a.series_id LIKE :pattern ORDER BY a.series_id, a.kind, a.started_at
""")

Verdict = tuple[float | None, str | None]  # score and version


@dataclass(slots=True)
class Sent:
    """What a client knows of one stream."""

    values: dict[int, float | None] = field(default_factory=dict)  # by timestamp: the first that was answered
    unanswered: dict[int, float | None] = field(default_factory=dict)  # of the last push: may be stored
    verdicts: dict[int, Verdict] = field(default_factory=dict)  # as the first answer reported them


@dataclass(slots=True)
class StoredAlert:
    """The columns of an alert's row that verdicts need."""

    id: str
    series_id: str
    kind: str
    status: str
    started_at: int
    last_anomaly_at: int
    step: int
    notices: int


@dataclass(slots=True)
class Pushed:
    """The stored points of each stream, (value, score, version) by timestamp, and all alerts."""

    points: dict[str, dict[int, tuple[float | None, float | None, int | None]]] = field(default_factory=dict)
    alerts: list[StoredAlert] = field(default_factory=list)


class Pushes:
    """Pushes points, spikes, gaps, late points and repetitions with other values, until the load ends."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self._ledger = ledger
        self._seed = seed
        self._began = int(time.time()) - AGO_S
        self.prefix = f"pushed{seed}-"
        self.sent: dict[str, Sent] = {}
        self.alerts: set[str] = set()  # ids that answers had
        self.spikes = 0

    def run(self, client: Client, place: int) -> None:
        """Push to the streams of the client at this place."""
        rng = seeded(f"pushes {self._seed} {place}")
        names = [f"{self.prefix}{place}-{number}" for number in range(STREAMS)]
        self.sent |= {name: Sent() for name in names}
        watch = {
            "prefix": self.prefix,
            "detector": "baseline",
            "close": {"after": "366d"},
            "notify_within": "366d",
            "keep_versions": 1_000,
            "notify": {"receivers": list(NAMES), "group_wait": "1s", "at_most": {"messages": 100_000, "per": "1d"}},
        }
        client.call("PUT", "/watches/pushed", json=watch)
        while not client.stopping.wait(EVERY_S):
            series_id = rng.choice(names)
            sent = self.sent[series_id]
            roll = rng.random()
            if roll < 0.15 and sent.values:  # a repetition, with other values
                times = rng.sample(sorted(sent.values), min(len(sent.values), MAX_POINTS))
                values: list[float | None] = [rng.uniform(-1e3, 1e3) for _ in times]
            else:
                first = max(sent.values, default=self._began) + (STEP_S // 2 - 50 * STEP_S if roll < 0.25 else STEP_S)
                times = [first + STEP_S * number for number in range(rng.randint(1, MAX_POINTS))]
                values = [None if rng.random() < 0.02 else rng.gauss(10, 1) for _ in times]
                if roll > 0.9:
                    values[-3:] = [500.0] * len(values[-3:])
                    self.spikes += 1
            self._push(client, series_id, times, values, is_line=roll > 0.7)

    def _push(
        self, client: Client, series_id: str, times: list[int], values: list[float | None], *, is_line: bool
    ) -> None:
        sent = self.sent[series_id]
        new = {time: value for time, value in zip(times, values, strict=True) if time not in sent.values}
        sent.unanswered = new
        body = {"timestamps": times, "values": values}
        if is_line:
            answer = client.call("POST", "/points", json={"series_id": series_id, **body}).answer
        else:
            answer = client.call("POST", f"/series/{series_id}/points", json=body).answer
        content = answer.json()
        if answer.status_code != 200 or content["accepted"] + content["repeated"] != len(times):
            self._ledger.complain(f"a push to {series_id} returned {answer.status_code}: {answer.text[:300]}")
            return
        sent.values |= new
        sent.unanswered = {}
        self.alerts.update(content["alerts"] if is_line else filter(None, [content["alert_id"]]))
        if not is_line and content["verdicts"]:
            self._compare(series_id, content["verdicts"])

    def _compare(self, series_id: str, verdicts: Mapping[str, Any]) -> None:
        """Remember the verdicts of an answer; complain about those that differ from an earlier answer."""
        known = self.sent[series_id].verdicts
        columns = zip(verdicts["timestamps"], verdicts["score"], verdicts["model_version"], strict=True)
        for timestamp, score, version in columns:
            earlier = known.setdefault(timestamp, (score, version))
            if earlier != (score, version):
                self._ledger.complain(f"{series_id} at {timestamp} got the verdicts {earlier}, then {score, version}")


def gather(sessions: Sessions, prefix: str) -> Pushed:
    """Read the points and alerts of all streams with the prefix."""
    pushed = Pushed()
    with sessions.begin() as session:
        for series_id, timestamp, value, score, version in session.execute(_POINTS, {"pattern": f"{prefix}%"}):
            number = None if value is None or math.isnan(value) else value
            pushed.points.setdefault(series_id, {})[timestamp] = (number, score, version)
        pushed.alerts = [StoredAlert(**row._asdict()) for row in session.execute(_ALERTS, {"pattern": f"{prefix}%"})]
    return pushed


def violations(sent: Mapping[str, Sent], alerts: set[str], spikes: int, pushed: Pushed) -> Iterator[Violation]:
    """Yield what was lost, changed, judged twice or alerted twice."""
    for series_id, stream in sent.items():
        yield from _of_points(series_id, stream, pushed.points.get(series_id, {}))
    known = {alert.id for alert in pushed.alerts}
    for alert_id in sorted(alerts - known):
        yield Violation("lost", f"The alert {alert_id} was in an answer, but has no row.")
    if spikes >= FEWEST_SPIKES and not known:
        yield Violation("alert", f"{spikes} spikes were pushed, and no alert opened.")
    last: dict[tuple[str, str], StoredAlert] = {}
    for alert in pushed.alerts:
        before = last.get((alert.series_id, alert.kind))
        if before and alert.started_at <= before.last_anomaly_at:
            yield Violation("duplicated", f"The alerts {before.id} and {alert.id} of {alert.series_id} overlap.")
        if before and before.status != "closed":
            yield Violation("alert", f"The alert {before.id} of {alert.series_id} was not closed when another opened.")
        if alert.notices != alert.step:
            yield Violation("alert", f"The alert {alert.id} has {alert.notices} notices of {alert.step} changes.")
        last[alert.series_id, alert.kind] = alert


def _of_points(
    series_id: str, sent: Sent, stored: Mapping[int, tuple[float | None, float | None, int | None]]
) -> Iterator[Violation]:
    for timestamp, value in sent.values.items():
        if timestamp not in stored:
            yield Violation("lost", f"{series_id} at {timestamp} was accepted, but is not stored.")
        elif stored[timestamp][0] != value:
            yield Violation("point", f"{series_id} at {timestamp} has {stored[timestamp][0]}, not {value}.")
    for timestamp in stored.keys() - sent.values.keys() - sent.unanswered.keys():
        yield Violation("point", f"{series_id} at {timestamp} is stored, but no client sent it.")
    for timestamp, (score, version) in sent.verdicts.items():
        _, stored_score, stored_version = stored.get(timestamp, (None, None, None))
        if score != stored_score or (version is not None and str(stored_version) != version):
            now = (stored_score, stored_version)
            yield Violation("judged twice", f"{series_id} at {timestamp} was reported as {score, version}, is {now}.")
