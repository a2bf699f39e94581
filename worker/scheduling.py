"""Automatic fits of watched streams: the first one, those while a stream grows, and those on the schedule of a watch.

A slot is one fit: a number of points of a growing stream, or a moment of the schedule. They use at most half of the
queue. Slots that were missed, by an outage or because the queue was full, are one fit.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.jobs import SCHEDULER
from shared.domain.watching.growing import next_fit_at, postponed
from shared.domain.watching.schedules import FAILING
from shared.domain.watching.watches import Watch
from shared.errors import BusyError, Code, TsadError, UnavailableError
from shared.fitting.accepting import Acceptor, accept_one
from shared.fitting.checking import Origin
from shared.fitting.stored import Window, check_stored
from shared.metrics import Metrics
from shared.store import admissions, inspection, scheduled
from shared.store.scheduled import Outcome, Scheduled, Settled
from shared.watching.rulebook import Rulebook, Rules

logger = logging.getLogger(__name__)

FITS_AT_A_TIME = 50
STREAMS_AT_A_TIME = 1_000
ROUND_S = 5.0  # a round holds the lock of the scheduler in a transaction, which the server ends if it is idle for long
SHARE_OF_QUEUE = 0.5  # the rest is for the fits of people


@dataclass(frozen=True)
class Scheduler:
    """The resources of the scheduler."""

    acceptor: Acceptor
    rulebook: Rulebook
    metrics: Metrics
    clock: inspection.Clock = inspection.clock

    def plan(self) -> int:
        """Plan the next slots of streams whose watch is new or has changed; return how many streams."""
        planned = 0
        while True:
            rules = self.rulebook.again()
            with self.acceptor.sessions.begin() as session:
                streams = scheduled.unplanned(session, rules.watches, STREAMS_AT_A_TIME)
                now = self.clock(session).timestamp()
                rows = [
                    (stream.no, _due_at(watch, stream.series_id, now, stream.failures), watch.revision)
                    for stream in streams
                    if (watch := rules.watch_of(stream.series_id))
                ]
                if rows:
                    scheduled.plan(session, rows)
            planned += len(rows)
            if len(rows) < STREAMS_AT_A_TIME:
                return planned

    def round(self) -> int:
        """Note what became of fits, and request those that are due, as far as the queue has room; return how many."""
        self._note_ended()
        began = time.monotonic()
        requested = 0
        with self.acceptor.sessions.begin() as session:
            if not scheduled.take_turn(session):
                return 0
            while (room := self._room()) > 0 and time.monotonic() - began < ROUND_S:
                due = scheduled.due(session, min(room, FITS_AT_A_TIME))
                rules = self._rules_of(due)
                settled = 0
                for stream in due:
                    outcome = self._settled(stream, rules.watch_of(stream.series_id))
                    settled += outcome is not None
                    requested += outcome is Outcome.REQUESTED
                    if time.monotonic() - began > ROUND_S:
                        break
                if not settled:
                    break
        return requested

    def _rules_of(self, streams: Sequence[Scheduled]) -> Rules:
        """Return the rules. A stream without a watch may have a new one, so they are read again if there is one."""
        rules = self.rulebook.current()
        watched = (rules.watch_of(stream.series_id) for stream in streams)
        return rules if all(watch and not watch.paused for watch in watched) else self.rulebook.again()

    def _note_ended(self) -> None:
        with self.acceptor.sessions.begin() as session:
            opened, closed = scheduled.note_ended(session, STREAMS_AT_A_TIME)
        self.metrics.notices.labels("alert.opened", "").inc(opened)
        self.metrics.notices.labels("alert.closed", "").inc(closed)

    def _room(self) -> int:
        """Return how many more jobs automatic fits may add to the queue."""
        settings = self.acceptor.settings
        most = int(settings.max_queued_jobs * SHARE_OF_QUEUE)
        with self.acceptor.sessions.statement() as session:
            admission = admissions.admission(session, settings.max_queued_jobs)
        return most - admission.open_jobs if admission.open_bytes < settings.max_queued_bytes * SHARE_OF_QUEUE else 0

    def _settled(self, stream: Scheduled, watch: Watch | None) -> Outcome | None:
        """Settle the slot that is due; return what became of it, or None if it has to wait or there is none."""
        sessions = self.acceptor.sessions
        if watch is None or watch.paused:
            with sessions.statement() as session:
                scheduled.leave(session, stream.no)
            return None
        with sessions.statement() as session:
            now = self.clock(session).timestamp()
        slot = stream.grown if stream.grown is not None else _slot(stream, watch, now)
        if slot is None:
            with sessions.begin() as session:
                rows = [(stream.no, _due_at(watch, stream.series_id, now), watch.revision)]
                scheduled.plan(session, rows, overdue=True)
            return None
        try:
            settled = self._request(stream, watch, slot, now)
        except (BusyError, UnavailableError) as error:
            logger.info("the automatic fit of %s waits: %s", stream.series_id, error.detail)
            return None
        with sessions.begin() as session:
            scheduled.settle(session, stream, settled)
            if settled.outcome is Outcome.REFUSED and settled.failures >= FAILING:
                scheduled.open_failing(session, [(stream.no, stream.series_id, watch.name, int(now))])
        self.metrics.automatic_fits.labels(str(settled.outcome)).inc()
        return settled.outcome

    def _request(self, stream: Scheduled, watch: Watch, slot: int, now: float) -> Settled:
        """Request the fit of a slot, unless its job exists, whatever points that has; return what became of it."""
        key = (SCHEDULER, f"refit:{stream.no}:{slot}")
        with self.acceptor.sessions.statement() as session:
            is_requested = bool(admissions.existing_by_key(session, [key]))
        points, span_s, outcome, detail = stream.points, 0, Outcome.REQUESTED, None
        try:
            if not is_requested and stream.pinned_version is not None:
                outcome, detail = Outcome.SKIPPED, f"version {stream.pinned_version} is pinned"
            elif (
                not is_requested
                and slot != stream.grown
                and (stream.last_timestamp or 0) <= (stream.training_end or -1)
            ):
                outcome, detail = Outcome.SKIPPED, "no new points"
            elif not is_requested:
                span_s = self._accept(stream, watch, slot, key[1])
        except (BusyError, UnavailableError):
            raise
        except TsadError as error:
            if error.code != Code.IDEMPOTENCY_KEY_REUSED:  # that one is the job of this slot
                logger.info("%s cannot be fitted yet: %s", stream.series_id, error.detail)
                outcome, detail = Outcome.REFUSED, error.detail
        except Exception:
            logger.exception("the automatic fit of %s failed", stream.series_id)
            outcome, detail = Outcome.REFUSED, "Its points could not be read. The log of the reconciler has the error."
        is_refused = outcome is Outcome.REFUSED
        failures = stream.fit_failures + (is_refused and stream.version is not None)
        at_points = stream.fit_at_points  # stays if nothing was fitted in a slot of the schedule
        if is_refused:
            at_points = postponed(points)
        elif span_s or slot == stream.grown:
            at_points = next_fit_at(stream.series_id, points, span_s, watch.window_s)
        rest_s = watch.refit.every_s / 2 if watch.refit and slot == stream.grown else 0.0
        due_at = _due_at(watch, stream.series_id, now + rest_s, failures)
        return Settled(slot, outcome, detail, failures, at_points, due_at, watch.revision)

    def _accept(self, stream: Scheduled, watch: Watch, slot: int, key: str) -> int:
        """Freeze the window that ends at the slot, and accept its fit; return the seconds that its points span."""
        acceptor = self.acceptor
        window = watch.window_s if slot == stream.grown else Window(max(slot - watch.window_s, 0), slot)
        origin = Origin(f"watch-{watch.name}", SCHEDULER, key)
        fit, span_s = check_stored(acceptor.sessions, acceptor.settings, stream.series_id, watch, window, origin)
        accept_one(acceptor, fit)
        return span_s


def _slot(stream: Scheduled, watch: Watch, now: float) -> int | None:
    """Return the newest slot of the watch's schedule, which makes up for all missed ones; None: it is settled."""
    if watch.refit is None or (stream.version is None and stream.fit_at_points == 0):
        return None
    slot = watch.refit.newest_due(stream.series_id, now)
    return None if stream.fit_slot is not None and slot <= stream.fit_slot else slot


def _due_at(watch: Watch, series_id: str, now: float, failures: int = 0) -> int | None:
    """Return when the next slot of a series is requested; None if its watch has no schedule."""
    return None if watch.refit is None else watch.refit.due_after(series_id, now, failures)
