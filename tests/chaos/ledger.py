"""The clients' records: every promise they received, and every answer that must never happen."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.domain.jobs import Status
from tests.chaos.plan import Order


@dataclass(slots=True)
class Promise:
    """A job whose acceptance was reported to a client."""

    job_id: str
    order: Order
    sent_at: float  # monotonic: when the answered request was sent
    answered_at: float
    retry_of: str | None = None
    status: Status | None = None  # the final status, once reported
    version: int | None = None
    cancel_asked: bool = False  # even if the answer was lost
    cancelled: bool = False  # an answer confirmed it


@dataclass
class Ledger:
    """Records shared by all threads of the load. Iterate after the load, or over a copy."""

    promises: dict[str, Promise] = field(default_factory=dict)
    unsettled: dict[str, Order] = field(default_factory=dict)  # by request id; may have been accepted
    refused: set[str] = field(default_factory=set)  # request ids that were rejected
    deleted: set[tuple[str, int]] = field(default_factory=set)  # versions, as series id and number
    maybe_deleted: set[tuple[str, int]] = field(default_factory=set)  # the answer was lost
    newest: dict[str, int] = field(default_factory=dict)  # highest version reported to a client, by series
    complaints: list[str] = field(default_factory=list)
    invalid_rejected: int = 0
    submitted: int = 0
    predictions: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record_promise(
        self, job_id: str, order: Order, sent_at: float, answered_at: float, retry_of: str | None
    ) -> None:
        """Record a 202; complain if the job already belongs to another fit."""
        with self._lock:
            promise = self.promises.setdefault(job_id, Promise(job_id, order, sent_at, answered_at, retry_of))
            if promise.order is not order:
                numbers = f"{promise.order.number} and {order.number}"
                self.complaints.append(f"job {job_id} was returned for two fits, {numbers}")

    def record_end(self, job_id: str, status: Status, version: int | None) -> None:
        """Record a final status that a client received."""
        with self._lock:
            promise = self.promises[job_id]
            if promise.status not in (None, status):
                self.complaints.append(f"job {job_id} was reported as {promise.status}, then as {status}")
            promise.status, promise.version = status, version
            if version is not None:
                series_id = promise.order.series_id
                self.newest[series_id] = max(version, self.newest.get(series_id, 0))

    def record_lost_answers(self, request_ids: Iterable[str], order: Order) -> None:
        """Record requests whose answers were lost."""
        with self._lock:
            self.unsettled.update(dict.fromkeys(request_ids, order))

    def complain(self, sentence: str) -> None:
        """Record something that must never happen."""
        with self._lock:
            self.complaints.append(sentence)

    def count(self, *, submitted: int = 0, invalid_rejected: int = 0, predictions: int = 0) -> None:
        with self._lock:
            self.submitted += submitted
            self.invalid_rejected += invalid_rejected
            self.predictions += predictions

    def open_jobs(self) -> list[Promise]:
        """Return promises whose final status no client has received yet, oldest first."""
        with self._lock:
            return [promise for promise in self.promises.values() if promise.status is None]
