"""A world of streams: two processes that ingest, a ledger of what they wrote, and a replay that must agree with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import numpy as np
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.domain.watching.alerts import Alert, Noted  # noqa: TC001 - of local variables
from shared.domain.watching.rules import Position, closed
from shared.domain.watching.watches import Watch, parse
from shared.errors import TsadError, UnavailableError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import alerts, intake, silences, streams, versions, watches
from shared.store import series as series_store
from shared.store.engine import Sessions, unavailable
from shared.store.points import Tail
from shared.store.silences import Silent
from shared.watching.ingesting import Ingest
from shared.watching.planning import Push, plan_of
from shared.watching.rulebook import Rules
from shared.watching.simulating import new_stream

START = 1_700_100_000  # after the training data
MINUTE = 60
WATCHES: list[dict[str, Any]] = [
    {},
    {"open": {"anomalies": 1, "of": 1}, "merge_within": "0s", "close": {"normal": 1}},
    {"open": {"anomalies": 2, "of": 3, "at_once": None}, "merge_within": "2m", "close": {"normal": 2}},
    {"gates": {"direction": "down"}},
]
Points = dict[int, float | None]  # minutes after the start, and values


@dataclass
class Judgment:
    """Points that one statement judged, and by what."""

    timestamps: list[int]
    version: int | None
    watch: Watch | None


@dataclass
class Ledger:
    """Everything that happened to one stream, in order: judgments, and closings from outside."""

    series_id: str
    events: list[Judgment | str] = field(default_factory=list)
    values: dict[int, float | None] = field(default_factory=dict)  # the first value of each timestamp


class StreamWorld:
    """The streams of one history."""

    def __init__(self, sessions: Sessions, artifacts: Artifacts, settings: Settings, names: list[str]) -> None:
        self.sessions, self.artifacts, self.settings, self.names = sessions, artifacts, settings, names
        self.clock = count(START + 1_000_000)
        self.ledgers: dict[int, Ledger] = {}  # by number of the stream
        self.known: dict[tuple[str, int], Watch] = {}
        self.interrupt: Callable[[], object] | None = None  # runs between judging and writing
        self.loses_answers = False
        self.processes = [self.process(), self.process()]

    def process(self) -> Ingest:
        """Start a process with empty caches."""
        states = States(self.artifacts.states, 10**8)
        return Ingest(self.sessions, states, self.settings, Metrics(), clock=lambda: float(START))

    def push(self, number: int, batch: dict[str, Points]) -> None:
        """Push until the points are stored; a process whose answer is lost is replaced."""
        pushes = [
            Push(
                name,
                np.array([START + MINUTE * minute for minute in sorted(points)]),
                np.array([points[minute] for minute in sorted(points)], dtype=np.float64),
            )
            for name, points in batch.items()
        ]
        try:
            outcomes = self.processes[number](pushes)
        except UnavailableError:  # the answer was lost
            self.processes[number] = self.process()
            outcomes = self.processes[1 - number](pushes)
        assert not [outcome for outcome in outcomes if isinstance(outcome, TsadError)]

    def change_watch(self, choice: int | None, *, paused: bool = False) -> None:
        """Give the watch other rules, or delete it."""
        with self.sessions.begin() as session:
            if choice is None:
                self._closed(alerts.lock_streams_of_watch(session, "w"))
                alerts.close_of_watch(session, "w")
                watches.delete(session, "w")
                return
            document = {"prefix": self.names[0][:-1], "notify_within": "30d", **WATCHES[choice]}
            watches.put(session, parse("w", document, max_window_s=35 * 86_400))
            watches.pause(session, "w", paused=paused)

    def pin(self, name: str, version: int | None) -> None:
        """Judge by another version from now on."""
        with self.sessions.begin() as session:
            if version is None:
                series_store.unpin(session, name)
            else:
                series_store.pin(session, name, version)

    def begin_again(self, name: str) -> None:
        """Delete the points of a series; its versions stay, which a deletion of the series would delete."""
        with self.sessions.begin() as session:
            no = streams.mark_deleted(session, name)
            if no is not None:
                self._closed([no])
                alerts.close_of_streams(session, [no])

    def fall_silent(self, name: str) -> None:
        """Open the silence of a stream, as the reconciler does."""
        with self.sessions.begin() as session:
            streams.lock(session, [name])
            stream = streams.read(session, [name]).get(name)
            if stream and stream.last_timestamp is not None and not stream.is_silent:
                silent = Silent(stream.no, name, "w", stream.last_timestamp, stream.version)
                silences.open_alerts(session, {str(uuid4()): [silent]}, {})

    def close_by_clock(self) -> None:
        """Close what no point came for, long after the newest one."""
        with self.sessions.begin() as session:
            session.execute(text("UPDATE streams SET arrived_at = arrived_at - interval '30 d'"))
        with self.sessions.begin() as session:
            open_before = self._unclosed(session)
            alerts.close_due(session, watches.read(session), 1_000)
            self._closed(sorted(open_before - self._unclosed(session)))

    @contextmanager
    def observed(self) -> Iterator[None]:
        """Write what each statement does into the ledgers, interrupt it, and lose its answers."""
        take_in = intake.take_in

        def observe(session: Any, written: intake.Intake) -> dict[int, int]:
            if interrupt := self.interrupt:
                self.interrupt = None
                interrupt()
            with self.sessions.begin() as other:
                for watch in watches.read(other):
                    self.known[watch.name, watch.revision] = watch
                names = {row.no: row.series_id for row in other.execute(text("SELECT no, series_id FROM streams"))}
            result = take_in(session, written)
            for move in written.moves:
                if move.no in result:
                    self._note(names[move.no], move, written)
            if self.loses_answers and result:
                self.loses_answers = False
                raise unavailable()
            return result

        with patch.object(intake, "take_in", observe):
            yield

    def _note(self, name: str, move: intake.Move, written: intake.Intake) -> None:
        ledger = self.ledgers.setdefault(move.no, Ledger(name))
        new = _points(written.points, "point_nos", "timestamps", "values", move.no)
        old = _points(written.old, "old_nos", "old_timestamps", "old_values", move.no)
        for timestamp, value in [*new, *old]:
            ledger.values.setdefault(timestamp, value)
        if new:
            watch = self.known[move.watch, written.watches[move.watch]] if move.watch else None
            ledger.events.append(Judgment([timestamp for timestamp, _ in new], move.version, watch))

    def _closed(self, nos: list[int]) -> None:
        for no in nos:
            if no in self.ledgers:
                self.ledgers[no].events.append("closed")

    def _unclosed(self, session: Any) -> set[int]:
        rows = session.execute(text("SELECT no FROM streams WHERE alert IS NOT NULL"))
        return set(rows.scalars())

    def check(self) -> None:
        """Fail unless the database has what the ledgers say, and a replay of each stream agrees."""
        with self.sessions.begin() as session:
            for what, statement in STRUCTURE.items():
                assert session.execute(text(statement)).all() == [], what
            for no, ledger in self.ledgers.items():
                stored = session.execute(
                    text("SELECT ts, value, score, version FROM points WHERE series_no = :no"), {"no": no}
                )
                points = {row.ts: row for row in stored}
                assert {ts: row.value for ts, row in points.items()} == ledger.values, ledger.series_id
                found = session.execute(text(ALERTS), {"no": no}).all()
                notices = session.execute(text(NOTICES), {"no": no}).all()
                expected = self._replay(ledger, points)
                assert [tuple(row) for row in found] == expected[0], ledger.series_id
                assert [tuple(row) for row in notices] == expected[1], ledger.series_id

    def _replay(self, ledger: Ledger, stored: dict[int, Any]) -> tuple[list[Any], list[Any]]:
        """Judge the points of a stream one by one, in one process, and compare each score with the stored one."""
        stream, tail = new_stream(ledger.series_id), Tail(np.empty(0, dtype=np.int64), np.empty(0))
        opened: dict[str, Alert] = {}
        notices: list[Noted] = []
        for event in ledger.events:
            if isinstance(event, str):
                if alert := stream.position.alert:
                    after, notice = closed(alert, stream.last_timestamp or 0)
                    opened[after.id] = after
                    notices.append(notice)
                    stream = replace(stream, position=Position())
                continue
            stream = replace(stream, **self._latest(ledger.series_id, event.version))
            fitted = States(self.artifacts.states, 10**8).load(stream.state) if stream.state else None
            for timestamp in event.timestamps:
                value = ledger.values[timestamp]
                push = Push(ledger.series_id, np.array([timestamp]), np.array([np.nan if value is None else value]))
                rules = Rules([event.watch] if event.watch else [], ())
                plan = plan_of(stream, push, fitted, tail, rules, self.settings, float(START))
                score = float(plan.verdicts.scores[0])
                actual = stored[timestamp].score
                assert (actual is None) == np.isnan(score), (ledger.series_id, timestamp)
                assert actual is None or abs(actual - score) <= 1e-9 * max(1.0, abs(score)), (
                    ledger.series_id,
                    timestamp,
                )
                opened |= plan.effects.alerts
                notices += plan.effects.notices
                tail = Tail(*(np.concatenate(pair) for pair in zip(tail, plan.fresh, strict=True)))
                stream = replace(
                    stream,
                    last_timestamp=timestamp,
                    version=plan.verdicts.version,
                    carry=plan.verdicts.carry,
                    position=plan.position,
                )
        order = list(opened)
        facts = [
            (
                alert.started_at,
                alert.opened_at,
                alert.last_anomaly_at,
                alert.ended_at,
                alert.status,
                alert.points,
                alert.step,
            )
            for alert in opened.values()
        ]
        return facts, sorted((order.index(note.alert), note.step, str(note.type)) for note in notices)

    def _latest(self, name: str, version: int | None) -> dict[str, Any]:
        if version is None:
            return {"latest": None, "training_end": None, "state": None}
        with self.sessions.begin() as session:
            row = versions.get(session, name, version)
        return {"latest": version, "training_end": row.last_timestamp, "state": row.state}


def _points(
    columns: dict[str, list[str]], nos: str, times: str, values: str, no: int
) -> list[tuple[int, float | None]]:
    """Return the points of one stream from the columns of an intake."""
    if not columns:
        return []
    rows = zip(*(",".join(columns[name]).split(",") for name in (nos, times, values)), strict=True)
    return [(int(ts), None if value == "NULL" else float(value)) for one, ts, value in rows if int(one) == no]


POINTS = "SELECT ts, value, score, version FROM points WHERE series_no = :no"
ALERTS = """
SELECT started_at, opened_at, last_anomaly_at, ended_at, status, points, step FROM alerts
 WHERE series_no = :no AND kind = 'deviation' ORDER BY started_at, opened_at
"""
NOTICES = """
SELECT a.place, n.step, n.type FROM notices n JOIN (
  SELECT id, dense_rank() OVER (ORDER BY started_at, opened_at) - 1 AS place FROM alerts
   WHERE series_no = :no AND kind = 'deviation') a ON a.id = n.alert ORDER BY 1, 2
"""
STRUCTURE = {
    "a stream with two unclosed alerts of a kind": """
        SELECT series_no FROM alerts WHERE status <> 'closed' GROUP BY series_no, kind HAVING count(*) > 1""",
    "an unclosed alert that its stream does not name": """
        SELECT a.id FROM alerts a LEFT JOIN streams t ON t.no = a.series_no
         WHERE a.status <> 'closed'
           AND a.kind <> 'refit_failing'
           AND a.id IS DISTINCT FROM CASE a.kind WHEN 'silence' THEN t.silence ELSE t.alert END""",
    "a stream that names a closed silence": """
        SELECT t.no FROM streams t JOIN alerts a ON a.id = t.silence
         WHERE a.status = 'closed' AND t.deleted_at IS NULL""",
    "an alert with steps that are not its notices": """
        SELECT a.id FROM alerts a LEFT JOIN notices n ON n.alert = a.id
         GROUP BY a.id HAVING count(n.id) <> a.step OR max(n.step) IS DISTINCT FROM a.step""",
    "a last notice that does not fit the status": """
        SELECT a.id FROM alerts a JOIN notices n ON n.alert = a.id AND n.step = a.step
         WHERE (n.type = 'alert.closed') <> (a.status = 'closed')""",
    "points of no stream": """
        SELECT DISTINCT series_no FROM points p WHERE NOT EXISTS (SELECT 1 FROM streams t WHERE t.no = p.series_no)""",
    "a stream that miscounts its points": """
        SELECT t.no FROM streams t WHERE points <> (SELECT count(*) FROM points p WHERE p.series_no = t.no)
            OR late <> (SELECT count(*) FROM points p WHERE p.series_no = t.no AND p.version = 0)
            OR last_timestamp IS DISTINCT FROM (SELECT max(ts) FROM points p WHERE p.series_no = t.no)""",
}
