"""Receivers that really listen: one answers at once, one fails for a while again and again, one is slow.

A fourth is an Alertmanager.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

from benchmark.access import HEADERS
from tests.chaos.alertmanager import ALERTMANAGER, Alertmanager
from tests.chaos.ledger import Ledger
from tests.worker.outbound.receiving import Received, ReceivingServer, receiving

STEADY, FAILING, SLOW = "steady", "failing", "slow"
WEBHOOKS = (STEADY, FAILING, SLOW)
NAMES = (*WEBHOOKS, ALERTMANAGER)
FAILS_S, OF_S = 6.0, 20.0  # of each 20 s, beginning with the first request
SLOW_S = 1.0
HANGS_EVERY, HANGS_S = 20, 17.0  # longer than a sender waits
SECRET_PATH = "chaos-path-that-nobody-may-see"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that a receiver answered."""

    document: dict[str, Any]  # the body
    is_accepted: bool

    @property
    def message_id(self) -> str:
        return str(self.document["data"]["message_id"])


@dataclass
class Receiver:
    """One webhook. Once `settling` is set, it answers all requests at once."""

    name: str
    ledger: Ledger
    settling: Event
    secret: str = ""
    arrivals: list[Arrival] = field(default_factory=list)
    began: float | None = None

    def respond(self, request: Received) -> int:
        """Verify and record a request, and return the status of its answer."""
        now = time.monotonic()
        self.began = self.began or now
        is_down = self.name == FAILING and (now - self.began) % OF_S < FAILS_S and not self.settling.is_set()
        if self.name == SLOW:
            self.settling.wait(HANGS_S if len(self.arrivals) % HANGS_EVERY == HANGS_EVERY - 1 else SLOW_S)
        try:
            Webhook(self.secret).verify(request.body, request.headers)
        except WebhookVerificationError as error:
            self.ledger.complain(f"a message to the receiver {self.name} cannot be verified: {error}")
            return 400
        self.arrivals.append(Arrival(request.json, not is_down))
        return 503 if is_down else 204


class Receivers:
    """All receivers of a run, with their servers."""

    def __init__(self, servers: dict[str, ReceivingServer], ledger: Ledger) -> None:
        self._servers = servers
        self.settling = Event()
        self.webhooks = [Receiver(name, ledger, self.settling) for name in WEBHOOKS if name in servers]
        self.alertmanager = Alertmanager(ledger, self.settling)
        for receiver in self.webhooks:
            servers[receiver.name].respond = receiver.respond
        if ALERTMANAGER in servers:
            servers[ALERTMANAGER].respond = self.alertmanager.respond

    @property
    def secrets(self) -> list[str]:
        """Texts that neither logs nor rows of messages may contain."""
        return [SECRET_PATH, *(receiver.secret for receiver in self.webhooks)] if self.webhooks else []

    def register(self, address: str) -> None:
        """Create the receivers in the service."""
        for name, server in self._servers.items():
            kind = ALERTMANAGER if name == ALERTMANAGER else "webhook"
            body = {"kind": kind, "url": f"{server.url}/{SECRET_PATH}"}
            answer = httpx.put(f"{address}/receivers/{name}", json=body, headers=HEADERS, trust_env=False)
            secret = answer.raise_for_status().json().get("secret")
            for receiver in self.webhooks:
                if receiver.name == name:
                    receiver.secret = secret

    def wake(self, address: str) -> None:
        """Let all receivers answer at once, and send each a test, so that none waits for its next attempt."""
        self.settling.set()
        for name in self._servers:
            url = f"{address}/receivers/{name}/test"
            httpx.post(url, headers=HEADERS, trust_env=False).raise_for_status()


@contextmanager
def listening(ledger: Ledger, names: Sequence[str]) -> Iterator[Receivers]:
    """Serve these receivers until the block ends."""
    with ExitStack() as servers:
        receivers = Receivers({name: servers.enter_context(receiving()) for name in names}, ledger)
        servers.callback(receivers.settling.set)  # no server ends while a request hangs
        yield receivers
