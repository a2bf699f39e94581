"""Automatic fits of watched streams: the first, and those while a stream grows. They use at most half of the queue."""

import logging
from dataclasses import dataclass

from shared.domain.watching.growing import next_fit_at, postponed
from shared.domain.watching.watches import Watch
from shared.errors import BusyError, Code, TsadError, UnavailableError
from shared.fitting.accepting import Acceptor, accept_one
from shared.fitting.checking import Method, Origin, check
from shared.fitting.stored import read_stored
from shared.metrics import Metrics
from shared.store import admissions, scheduled
from shared.store.scheduled import DueFit
from shared.watching.rulebook import Rulebook

logger = logging.getLogger(__name__)

OWNER = "-scheduler"  # no API key has this id, so clients cannot use these idempotency keys
FITS_AT_A_TIME = 50
SHARE_OF_QUEUE = 0.5  # the rest is for the fits of people


@dataclass(frozen=True)
class Scheduler:
    """The resources of the scheduler."""

    acceptor: Acceptor
    rulebook: Rulebook
    metrics: Metrics

    def round(self) -> int:
        """Request the fits that are due, oldest first, as far as the queue has room; return how many."""
        room = self._room()
        if room <= 0:
            return 0
        with self.acceptor.sessions.begin() as session:
            due = scheduled.due(session, min(room, FITS_AT_A_TIME))
        rules = self.rulebook.current()
        return sum(self._request(fit, rules.watch_of(fit.series_id)) for fit in due)

    def _room(self) -> int:
        """Return how many more jobs automatic fits may add to the queue."""
        settings = self.acceptor.settings
        most = int(settings.max_queued_jobs * SHARE_OF_QUEUE)
        with self.acceptor.sessions.statement() as session:
            admission = admissions.admission(session, settings.max_queued_jobs)
        return most - admission.open_jobs if admission.open_bytes < settings.max_queued_bytes * SHARE_OF_QUEUE else 0

    def _request(self, fit: DueFit, watch: Watch | None) -> bool:
        """Request one fit, unless it was requested already; return whether it was.

        The slot of a stream is its `fit_at_points`: one slot is one job, whatever points it has.
        """
        if watch is None or watch.paused:
            self._settle(fit, fit.fit_at_points)
            return False
        key = (OWNER, f"refit:{fit.no}:{fit.fit_at_points}")
        try:
            with self.acceptor.sessions.statement() as session:
                is_requested = bool(admissions.existing_by_key(session, [key]))
            points, span_s = self._accept(fit, watch, key[1]) if not is_requested else (fit.points, 0)
        except (BusyError, UnavailableError) as error:
            logger.info("the automatic fit of %s waits: %s", fit.series_id, error.detail)
            return False
        except TsadError as error:
            if error.code != Code.IDEMPOTENCY_KEY_REUSED:  # that one is the job of this slot
                logger.info("%s cannot be fitted yet: %s", fit.series_id, error.detail)
                self._settle(fit, postponed(fit.points))
                return False
            points, span_s = fit.points, 0
        self._settle(fit, next_fit_at(fit.series_id, points, span_s, watch.window_s))
        self.metrics.automatic_fits.inc(not is_requested)
        return not is_requested

    def _accept(self, fit: DueFit, watch: Watch, key: str) -> tuple[int, int]:
        """Freeze the window of the stream and accept its fit; return the number of its points and their seconds."""
        acceptor = self.acceptor
        stored = read_stored(
            acceptor.sessions, fit.series_id, watch.window_s, acceptor.settings.max_training_data_points
        )
        timestamps, _ = stored.columns
        method = Method.of(watch.detector, stored.parameters(watch.parameters))
        origin = Origin(f"watch-{watch.name}", OWNER, key)
        accept_one(acceptor, check(fit.series_id, lambda: stored.columns, method, origin, acceptor.settings))
        return len(timestamps), int(timestamps[-1] - timestamps[0])

    def _settle(self, fit: DueFit, at_points: int | None) -> None:
        with self.acceptor.sessions.statement() as session:
            scheduled.settle(session, fit, at_points)
