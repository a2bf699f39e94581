"""A receiver that is down for 30 hours, what outbound sends to it, and whether everything arrived in order."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

from sqlalchemy import text

from shared.domain.watching.receivers import new_secret, parse_receiver
from shared.metrics import Metrics
from shared.store import receivers
from shared.store.engine import Sessions
from tests.month.clock import Clock
from tests.month.signals import Interval
from tests.worker.outbound.receiving import ReceivingServer, receiving
from worker.outbound.delivering import Delivering
from worker.outbound.describing import Describer
from worker.outbound.egress import Egress
from worker.outbound.folding import Folding

RECEIVER = "oncall"
LOOPBACK = (ip_network("127.0.0.0/8"),)
UNHANDLED = text("SELECT count(*) FROM notices WHERE handled_at IS NULL")
ALERTS = text("SELECT CAST(id AS text) AS id, status, quiet, step FROM alerts")


class Telling:
    """Outbound, and the receiver that it sends to."""

    def __init__(self, sessions: Sessions, clock: Clock, server: ReceivingServer, down: Interval) -> None:
        self.sessions, self.clock, self.server, self.down = sessions, clock, server, down
        metrics = Metrics()
        self.folding = Folding(sessions, metrics, Describer())
        self.delivering = Delivering(sessions, Egress(LOOPBACK), metrics, {})
        self.told: list[Any] = []  # bodies of the requests that were answered with success
        self.refused = 0
        with sessions.begin() as session:
            receiver = parse_receiver(RECEIVER, {"kind": "webhook", "url": server.url}, allowed=LOOPBACK)
            receivers.put(session, receiver, new_secret())

    @classmethod
    @contextmanager
    def to_a_server(cls, sessions: Sessions, clock: Clock, down: Interval) -> "Iterator[Telling]":
        with receiving() as server:
            yield cls(sessions, clock, server, down)

    def round(self) -> None:
        """Send what is due."""
        is_down = self.down[0] <= self.clock.now <= self.down[1]
        self.server.answers = [(503, {})] * 1_000 if is_down else []
        self.folding.round()
        while self.delivering.round():
            pass
        if is_down:
            self.refused += len(self.server.received)
        else:
            self.told += [request.json for request in self.server.received]
        self.server.received.clear()

    def wrong(self) -> Iterator[str]:
        """Check that each alert was reported once, in order, up to its end."""
        ids = [body["data"]["message_id"] for body in self.told]
        if len(ids) != len(set(ids)):
            yield f"{len(ids) - len(set(ids))} messages arrived twice"
        with self.sessions.begin() as session:
            waiting = session.execute(UNHANDLED).scalar_one()
            known = {row.id: row for row in session.execute(ALERTS)}
        if waiting:
            yield f"{waiting} notices were never handled"
        changes: dict[str, list[tuple[int, str]]] = {}
        for body in self.told:
            for change in [*body["data"]["alerts"], *body["data"]["more"]]:
                changes.setdefault(change["alert_id"], []).append((change["step"], change["type"]))
        for alert_id, row in known.items():
            reported = changes.get(alert_id, [])
            if row.quiet is None and (not reported or reported[-1][0] != row.step):
                yield f"the alert {alert_id} has {row.step} steps, and {reported} were reported"
            if [step for step, _ in reported] != sorted({step for step, _ in reported}):
                yield f"the alert {alert_id} was reported in another order, or twice: {reported}"
