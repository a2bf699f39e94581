"""The load: threads that submit, follow, cancel and retry fits, delete versions, predict and push meanwhile."""

import heapq
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

from shared.domain.jobs import Status
from tests.chaos.client import Client, StoppedError
from tests.chaos.ledger import Ledger, Promise
from tests.chaos.plan import LINES_OF_A_BULK, Afterwards, Order, Way
from tests.chaos.predictions import Predictions
from tests.chaos.pushes import Pushes

SUBMITTERS = 6
POLL_EVERY_S = 0.03  # between two requests for jobs


@dataclass(order=True)
class Errand:
    """An action that a client takes later."""

    at: float
    number: int
    run: Callable[[Client], None] = field(compare=False)


class Load:
    """Clients that run inside the context.

    `finished` once every fit is submitted, every errand run and, if points are pushed, an alert has opened.
    """

    def __init__(
        self, addresses: Sequence[str], orders: Sequence[Order], ledger: Ledger, seed: int, pushers: int
    ) -> None:
        self.ledger = ledger
        self.predictions = Predictions(ledger, seed)
        self.pushes = Pushes(ledger, seed)
        self._addresses = addresses
        self._orders = _grouped(orders)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._errands: list[Errand] = []
        self._numbers = itertools.count()
        self._pushers = pushers
        self._began = time.monotonic()
        names = [*(f"submitter{place}" for place in range(SUBMITTERS)), "follower", "errands", "predictor"]
        work = {"follower": self._follow, "errands": self._run_errands, "predictor": self.predictions.run}
        pushing = {f"pusher{place}": partial(self.pushes.run, place=place) for place in range(pushers)}
        work |= pushing
        names += pushing
        self._threads = [
            threading.Thread(target=self._work, args=(work.get(name, self._submit), f"{seed}-{name}"), name=name)
            for name in names
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def finished(self) -> bool:
        """Whether the clients have done everything that a run needs."""
        submitting = any(thread.is_alive() for thread in self._threads[:SUBMITTERS])
        return not submitting and not self._errands and (not self._pushers or bool(self.pushes.alerts))

    def _work(self, work: Callable[[Client], None], name: str) -> None:
        client = Client(self._addresses, name, self.ledger, self._stopping)
        try:
            work(client)
        except StoppedError:
            pass
        except Exception as error:  # noqa: BLE001 - no failure of a client may go unnoticed
            self.ledger.complain(f"the client {name} gave up: {type(error).__name__}: {error}")
        finally:
            client.close()

    # --------------------------------------------------------------------------------------------------- submitting

    def _submit(self, client: Client) -> None:
        while True:
            with self._lock:
                group = next(self._orders, None)
            if group is None:
                return
            self._wait_until(self._began + group[0].due_s)
            if len(group) > 1:
                self._submit_bulk(client, group)
            else:
                self._submit_one(client, group[0])
            self.ledger.count(submitted=len(group))

    def _submit_one(self, client: Client, order: Order) -> None:
        path, body = f"/fit/{order.series_id}", order.body()
        has_key = order.way in (Way.KEYED, Way.REPEATED)
        headers = {"Idempotency-Key": f"key-{order.seed}-{order.number}"} if has_key else {}
        exchange = client.call("POST", path, json=body, headers=headers)
        self.ledger.record_lost_answers(exchange.unsettled, order)
        self.ledger.refused.update(exchange.refused)
        if order.way is Way.INVALID:
            if exchange.answer.status_code != 422:
                self.ledger.complain(f"an invalid fit returned {exchange.answer.status_code}")
            self.ledger.refused.add(exchange.request_id)
            self.ledger.count(invalid_rejected=1)
            return
        if exchange.answer.status_code != 202:
            self.ledger.complain(f"a valid fit returned {exchange.answer.status_code}: {exchange.answer.text[:200]}")
            return
        job_id = exchange.answer.json()["job_id"]
        self._record_promise(job_id, order, exchange.sent_at, exchange.answered_at)
        if order.way is Way.REPEATED:
            repeated = client.call("POST", path, json=body, headers=headers).answer
            if repeated.status_code != 202 or repeated.json()["job_id"] != job_id:
                self.ledger.complain(
                    f"repeating job {job_id} with its key returned {repeated.status_code} {repeated.text[:200]}"
                )

    def _submit_bulk(self, client: Client, group: list[Order]) -> None:
        """Submit lines in bulk, then resubmit unanswered lines one by one."""
        lines = [json.dumps({"series_id": order.series_id, **order.body()}) for order in group]
        request_id = f"bulk-{group[0].seed}-{group[0].number}"
        sent_at = time.monotonic()
        unanswered = dict(enumerate(group, 1))
        try:
            answer = client.send_once("POST", "/fit", request_id, content="\n".join(lines))
            for line in answer.text.splitlines():
                self._take_result(json.loads(line), unanswered, sent_at, request_id)
        except OSError as error:
            self.ledger.complain(f"a bulk fit failed: {error}")
        except Exception as error:  # noqa: BLE001 - half an answer can fail in many ways
            reason = type(error).__name__
            for number, order in unanswered.items():
                self.ledger.record_lost_answers([f"{request_id}.{number}"], order)
            if reason not in ("ConnectError", "ReadError", "RemoteProtocolError", "ReadTimeout", "WriteError"):
                self.ledger.complain(f"the answer to a bulk fit is unreadable: {reason}")
        for order in unanswered.values():
            self._submit_one(client, order)

    def _take_result(self, result: Any, unanswered: dict[int, Order], sent_at: float, request_id: str) -> None:
        order = unanswered[result["line"]]
        if "job_id" in result:
            del unanswered[result["line"]]
            self._record_promise(result["job_id"], order, sent_at, time.monotonic())
        elif result["problem"]["code"] == "outcome_unknown":
            self.ledger.record_lost_answers([f"{request_id}.{result['line']}"], order)
        elif result["problem"]["status"] not in (429, 503):
            self.ledger.complain(f"a valid line returned {result['problem']}")

    def _record_promise(
        self, job_id: str, order: Order, sent_at: float, answered_at: float, retry_of: str | None = None
    ) -> None:
        self.ledger.record_promise(job_id, order, sent_at, answered_at, retry_of)
        if retry_of is None and order.afterwards in (Afterwards.CANCEL, Afterwards.CANCEL_AND_RETRY):
            self._later(order.after_s, lambda client: self._cancel(client, self.ledger.promises[job_id]))

    # ------------------------------------------------------------------------------------------------------- errands

    def _later(self, after_s: float, run: Callable[[Client], None]) -> None:
        with self._lock:
            heapq.heappush(self._errands, Errand(time.monotonic() + after_s, next(self._numbers), run))

    def _run_errands(self, client: Client) -> None:
        while not self._stopping.wait(0.02):
            while self._errands and self._errands[0].at <= time.monotonic():
                self._errands[0].run(client)
                with self._lock:
                    heapq.heappop(self._errands)

    def _cancel(self, client: Client, promise: Promise) -> None:
        promise.cancel_asked = True
        answer = client.call("POST", f"/jobs/{promise.job_id}/cancel").answer
        if answer.status_code == 200:
            promise.cancelled = True
            self.ledger.record_end(promise.job_id, Status(answer.json()["status"]), None)
            if promise.order.afterwards is Afterwards.CANCEL_AND_RETRY:
                self._retry(client, promise)
        elif answer.status_code != 409:
            self.ledger.complain(f"canceling job {promise.job_id} returned {answer.status_code}")

    def _retry(self, client: Client, promise: Promise) -> None:
        exchange = client.call("POST", f"/jobs/{promise.job_id}/retry")
        self.ledger.record_lost_answers(exchange.unsettled, promise.order)
        if exchange.answer.status_code != 202:
            self.ledger.complain(f"retrying job {promise.job_id} returned {exchange.answer.status_code}")
            return
        job_id = exchange.answer.json()["job_id"]
        self._record_promise(job_id, promise.order, exchange.sent_at, exchange.answered_at, promise.job_id)

    def _delete(self, client: Client, series_id: str, version: int) -> None:
        self.ledger.maybe_deleted.add((series_id, version))
        answer = client.call("DELETE", f"/series/{series_id}/versions/{version}").answer
        if answer.status_code == 204:
            self.ledger.deleted.add((series_id, version))
        elif answer.status_code != 404:  # deleted by a request whose answer was lost, or by another client
            self.ledger.complain(f"deleting version {version} of {series_id} returned {answer.status_code}")

    # ------------------------------------------------------------------------------------------------------ following

    def _follow(self, client: Client) -> None:
        """Poll each open job in turn."""
        while not self._stopping.wait(POLL_EVERY_S):
            for promise in self.ledger.open_jobs():
                self._poll(client, promise)
                if self._stopping.wait(POLL_EVERY_S):
                    return

    def _poll(self, client: Client, promise: Promise) -> None:
        answer = client.call("GET", f"/jobs/{promise.job_id}").answer
        if answer.status_code != 200:
            self.ledger.complain(f"polling the accepted job {promise.job_id} returned {answer.status_code}")
            return
        job = answer.json()
        status = Status(job["status"])
        if not status.is_final:
            return
        version = int(job["version"]) if job["version"] else None
        self.ledger.record_end(promise.job_id, status, version)
        order = promise.order
        if version and version > 1 and order.afterwards is Afterwards.DELETE_OLDER:
            self._later(0, lambda client: self._delete(client, order.series_id, version - 1))
        if status is Status.FAILED and order.afterwards is Afterwards.RETRY and promise.retry_of is None:
            self._later(0, lambda client: self._retry(client, promise))

    def _wait_until(self, moment: float) -> None:
        if self._stopping.wait(max(0.0, moment - time.monotonic())):
            raise StoppedError


def _grouped(orders: Sequence[Order]) -> Iterator[list[Order]]:
    """Group orders that are submitted together: bulk orders wait until a group is full."""
    bulk: list[Order] = []
    groups: list[list[Order]] = []
    for order in orders:
        if order.way is not Way.BULK:
            groups.append([order])
            continue
        bulk.append(order)
        if len(bulk) == LINES_OF_A_BULK:
            groups.append(bulk)
            bulk = []
    if bulk:
        groups.append(bulk)
    return iter(sorted(groups, key=lambda group: group[-1].due_s))
