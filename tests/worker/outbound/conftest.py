"""A database of its own, because outbound reports the alerts of all watches."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from sqlalchemy import text

from shared.domain.watching.alerts import Alert, AlertStatus, Anomaly, Kind, Noted, Notice
from shared.domain.watching.receivers import new_secret, parse_receiver
from shared.domain.watching.watches import parse
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import alerts, receivers, watches
from shared.store.engine import Session, Sessions
from tests.processes import migrated_database
from tests.worker.outbound.receiving import ReceivingServer, receiving
from worker.outbound.delivering import Delivering
from worker.outbound.describing import Describer
from worker.outbound.egress import Egress
from worker.outbound.folding import Folding

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="module")
def installation(settings: Settings, server_url: str) -> Iterator[Settings]:
    with migrated_database(server_url) as url:
        yield settings.model_copy(update={"database_url": url, "egress_allow": "127.0.0.0/8"})


@pytest.fixture
def server() -> Iterator[ReceivingServer]:
    with receiving() as server:
        yield server


@dataclass
class Scene:
    """Outbound with a clock that a test moves, and functions that make alerts."""

    database: Sessions
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    variables: dict[str, str] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    public_url: str = "https://tsad.example"
    states: States | None = None

    def __post_init__(self) -> None:
        metrics = Metrics()
        self.folding = Folding(self.database, metrics, Describer(self.public_url, self.states), self.clock)
        egress = Egress(LOOPBACK, timeout_s=5)
        self.delivering = Delivering(self.database, egress, metrics, self.variables, self.public_url, self.clock)

    def clock(self, _session: Session) -> datetime:
        return self.now

    def run(self, after_s: float = 0) -> None:
        """Let time pass, then report and send everything that is due."""
        self.now += timedelta(seconds=after_s)
        self.folding.round()
        while self.delivering.round():
            pass

    def run_again(self) -> None:
        """Send to all receivers as if they were due, without moving the clock."""
        with self.database.begin() as session:
            session.execute(text("UPDATE receivers SET due_at = '-infinity'"))
        self.run()

    def put_receiver(self, name: str, url: str, kind: str = "webhook", **fields: Any) -> str:
        secret = new_secret()
        document = {"kind": kind, **({"url": url} if url else {}), **fields}
        with self.database.begin() as session:
            receiver = parse_receiver(name, document, allowed=LOOPBACK)
            receivers.put(session, receiver, secret if kind == "webhook" else None)
        return secret

    def put_watch(self, *names: str, watch: str = "w", **notify: Any) -> None:
        opening = notify.pop("open", {})
        document = {"prefix": watch, "open": opening, "notify": {"receivers": list(names), **notify}}
        with self.database.begin() as session:
            watches.put(session, parse(watch, document, max_window_s=35 * 86_400))

    def open(self, *series_ids: str, watch: str = "w", score: float = 2.0, quiet: str | None = None) -> None:
        """Open an alert of each series, in one transaction."""
        at = int(self.now.timestamp())
        with self.database.begin() as session:
            for series_id in series_ids:
                peak = Anomaly(at, 12.5, score, 5.0, 4.0, 6.0)
                alert = Alert(
                    id=str(uuid.uuid4()),
                    watch=watch,
                    kind=Kind.DEVIATION,
                    status=AlertStatus.OPEN,
                    started_at=at - 60,
                    opened_at=at,
                    last_anomaly_at=at,
                    ended_at=None,
                    peak=peak,
                    reported_score=score,
                    points=2,
                    version=1,
                    quiet=quiet,
                    step=1,
                )
                self.alerts[series_id] = alert
                _insert(session, series_id, alert)

    def escalate(self, series_id: str, score: float) -> None:
        self._change(series_id, Notice.ESCALATED, AlertStatus.OPEN, score)

    def close(self, *series_ids: str) -> None:
        for series_id in series_ids:
            self._change(series_id, Notice.CLOSED, AlertStatus.CLOSED)

    def _change(self, series_id: str, notice: Notice, status: AlertStatus, score: float | None = None) -> None:
        alert = self.alerts[series_id]
        assert alert.peak is not None
        peak = replace(alert.peak, score=score or alert.peak.score)
        ended = int(self.now.timestamp()) if status == AlertStatus.CLOSED else None
        alert = replace(alert, status=status, step=alert.step + 1, ended_at=ended, peak=peak)
        self.alerts[series_id] = alert
        with self.database.begin() as session:
            alerts.write(session, [(alert, Noted(alert.id, alert.step, notice, alert.quiet))])
            session.execute(
                text("UPDATE alerts SET peak = peak || jsonb_build_object('score', :score) WHERE id = :id"),
                {"score": peak.score, "id": alert.id},
            )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.begin() as session:
            return [tuple(row) for row in session.execute(text(statement))]


@pytest.fixture
def scene(database: Sessions) -> Iterator[Scene]:
    yield Scene(database)
    with database.begin() as session:
        session.execute(
            text("TRUNCATE deliveries, receivers, budgets, notices, alerts, points, streams, watches, spans CASCADE")
        )


def _insert(session: Session, series_id: str, alert: Alert) -> None:
    session.execute(text("INSERT INTO streams (series_id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": series_id})
    peak = alert.peak
    assert peak is not None
    session.execute(
        text("""
        INSERT INTO alerts (id, series_no, series_id, watch, kind, status, started_at, opened_at, last_anomaly_at, peak,
                            reported_score, points, version, quiet, step)
        SELECT CAST(:id AS uuid), no, series_id, :watch, 'deviation', 'open', :start, :at, :at,
               jsonb_build_object('timestamp', CAST(:at AS bigint), 'value', CAST(:value AS float8),
                                  'score', CAST(:score AS float8), 'expected', 5.0, 'lower', 4.0, 'upper', 6.0),
               :score, 2, 1, :quiet, 1 FROM streams WHERE series_id = :name
        """),
        {
            "id": alert.id, "name": series_id, "watch": alert.watch, "start": alert.started_at, "at": alert.opened_at,
            "value": peak.value, "score": peak.score, "quiet": alert.quiet,
        },
    )  # fmt: skip
    session.execute(
        text("INSERT INTO notices (alert, step, type, quiet) VALUES (:id, 1, 'alert.opened', :quiet)"),
        {"id": alert.id, "quiet": alert.quiet},
    )
