"""A client that behaves like a script: it retries at the next address, and records requests whose answers were lost."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx

from benchmark.access import HEADERS
from tests.chaos.ledger import Ledger
from tests.chaos.plan import seeded

MAX_WAIT_S = 1.0
TIMEOUT_S = 20.0


class StoppedError(Exception):
    """The load is stopping."""


@dataclass
class Exchange:
    """An answered request and its earlier attempts."""

    answer: httpx.Response
    sent_at: float
    answered_at: float
    request_id: str
    unsettled: list[str] = field(default_factory=list)  # request ids without an answer: possibly executed
    refused: list[str] = field(default_factory=list)  # request ids that were rejected with 429 or 503


class Client:
    """An HTTP client for one thread."""

    def __init__(self, addresses: Sequence[str], name: str, ledger: Ledger, stopping: Event) -> None:
        self._ledger = ledger
        self.stopping = stopping
        self._name = name
        self._numbers = itertools.count()
        self._clients = [
            httpx.Client(base_url=url, headers=HEADERS, timeout=TIMEOUT_S, trust_env=False) for url in addresses
        ]
        self._turn = seeded(name).randrange(len(addresses))

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def call(self, method: str, path: str, **request: Any) -> Exchange:
        """Retry until the answer is neither 429 nor 503; raise `StoppedError` if the load stops first."""
        unsettled: list[str] = []
        refused: list[str] = []
        while True:
            request_id = f"{self._name}-{next(self._numbers)}"
            sent_at = time.monotonic()
            wait_s = 0.1
            try:
                answer = self.send_once(method, path, request_id, **request)
            except httpx.ConnectError:
                pass  # the request was never sent
            except httpx.TransportError:
                unsettled.append(request_id)
            else:
                if answer.status_code not in (429, 503):
                    return Exchange(answer, sent_at, time.monotonic(), request_id, unsettled, refused)
                unknown = answer.json().get("code") == "outcome_unknown"
                (unsettled if unknown else refused).append(request_id)
                if "Retry-After" not in answer.headers:
                    self._ledger.complain(f"{method} {path} returned {answer.status_code} without Retry-After")
                wait_s = min(float(answer.headers.get("Retry-After", "1")), MAX_WAIT_S)
            if self.stopping.wait(wait_s):
                raise StoppedError

    def send_once(self, method: str, path: str, request_id: str, **request: Any) -> httpx.Response:
        """Send the request once, to the next address. A 500 is always a complaint."""
        self._turn = (self._turn + 1) % len(self._clients)
        headers = {"X-Request-ID": request_id, **request.pop("headers", {})}
        answer = self._clients[self._turn].request(method, path, headers=headers, **request)
        if answer.status_code == 500:
            self._ledger.complain(f"{method} {path} returned 500 (request id {request_id}): {answer.text[:300]}")
        return answer

    @property
    def last_address(self) -> int:
        """The index of the address used last."""
        return self._turn
