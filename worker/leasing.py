"""A worker's lease on its job, renewed while the fit runs. A rejected renewal means that the job is lost."""

import logging
import time
from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Thread
from types import TracebackType
from typing import Self

from shared.domain.jobs import Claim
from shared.errors import Code, TsadError, UnavailableError
from shared.settings import Settings
from shared.store import attempts
from shared.store.engine import Sessions

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 0.8  # after the rejected heartbeat, so that a fit stops within two seconds of a cancellation


class LostError(TsadError):
    """The job was canceled, requeued or deleted, so this attempt no longer owns it and must stop."""

    def __init__(self) -> None:
        super().__init__(Code.WORKER_LOST, "This attempt no longer owns the job.")


class Lease:
    """Renews the lease in its own thread, stores progress, and fails a job that exceeds `FIT_TIME_LIMIT_S`.

    A fit learns that its job is lost when it reports progress. `kill_process` ends a fit that does not report in time.
    """

    def __init__(
        self, sessions: Sessions, claim: Claim, settings: Settings, kill_process: Callable[[], object]
    ) -> None:
        self._sessions = sessions
        self._claim = claim
        self._settings = settings
        self._kill_process = kill_process
        self._progress = 0.0
        self._lost = Event()
        self._ended = Event()
        self._deadline = time.monotonic() + settings.fit_time_limit_s
        self._thread = Thread(target=copy_context().run, args=(self._run,), name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def progress(self, share: float) -> None:
        """Record the progress of the fit, from 0 to 1; raise `LostError` to stop the fit."""
        self.check()
        self._progress = min(max(share, 0.0), 0.999)  # only the commit sets 1.0

    def check(self) -> None:
        """Raise `LostError` if this attempt has lost the job."""
        if self._lost.is_set():
            raise LostError

    def _run(self) -> None:
        while not self._ended.wait(self._settings.heartbeat_s):
            try:
                if not self._renew():
                    self._lost.set()
                    if not self._ended.wait(STOP_WITHIN_S):
                        logger.warning(
                            "job %s: lost, and its fit did not stop: killing the process", self._claim.job_id
                        )
                        self._kill_process()
                    return
            except UnavailableError:
                logger.warning("job %s: heartbeat failed, the database is unavailable", self._claim.job_id)

    def _renew(self) -> bool:
        """Renew the lease, or fail the job after the deadline; return False if the fit must stop."""
        with self._sessions.begin() as session:
            if time.monotonic() > self._deadline:
                limit = self._settings.fit_time_limit_s
                detail = f"The fit took longer than {limit} s (FIT_TIME_LIMIT_S)."
                attempts.fail(session, self._claim, Code.FIT_TIMEOUT, detail)
                return False
            return attempts.heartbeat(session, self._claim, self._progress, self._settings.lease_s)
