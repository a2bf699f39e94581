"""What receivers must have got in the end: every alert at least once, in order, and nothing else."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from sqlalchemy import text

from shared.domain.watching.messages import TEST
from shared.store.engine import Sessions
from tests.chaos.receivers import Arrival, Receiver
from tests.chaos.verdicts import Violation

_WAITING = text("""
SELECT (SELECT count(*) FROM notices WHERE handled_at IS NULL)
       + (SELECT count(*) FROM deliveries WHERE status = 'waiting')
       + (SELECT count(*) FROM receivers
           WHERE kind = 'alertmanager' AND (failures > 0 OR due_at <= clock_timestamp() OR leased_until IS NOT NULL))
""")
_NOTICES = text("""
SELECT CAST(n.alert AS text) AS alert, max(n.step) FILTER (WHERE n.quiet IS NULL) AS step,
       bool_or(n.handled_at IS NULL) AS is_unhandled
  FROM notices n GROUP BY 1
""")
_DELIVERIES = text("""
SELECT receiver, message, status FROM deliveries WHERE receiver = ANY (CAST(:names AS text[])) ORDER BY id
""")
_ROWS = text("""
SELECT string_agg(content, '') FROM (
  SELECT CAST(to_jsonb(d) AS text) AS content FROM deliveries d
   UNION ALL SELECT CAST(to_jsonb(n) AS text) FROM notices n
   UNION ALL SELECT coalesce(error, '') FROM receivers) AS shown
""")


@dataclass
class Reported:
    """What the database says about messages, and what arrived."""

    arrivals: Mapping[str, Sequence[Arrival]] = field(default_factory=dict)  # by receiver
    steps: dict[str, int | None] = field(default_factory=dict)  # by alert: the last that is not quiet
    unhandled: list[str] = field(default_factory=list)  # alerts
    queued: dict[str, dict[str, str]] = field(default_factory=dict)  # status by message in its order, by receiver
    shown: str = ""  # logs and rows, which must not contain secrets

    @property
    def summary(self) -> str:
        """A line of the report."""
        arrived = Counter(arrival.is_accepted for listed in self.arrivals.values() for arrival in listed)
        messages = sum(map(len, self.queued.values()))
        return (
            f"messages {messages} to {len(self.arrivals)} receivers, of {len(self.steps)} alerts: "
            f"accepted {arrived[True]}, of these again {arrived[True] - messages}, refused {arrived[False]}"
        )


def waiting(sessions: Sessions) -> int:
    """Return how many changes, messages and states wait to be sent."""
    with sessions.begin() as session:
        return int(session.execute(_WAITING).scalar_one())


def gather(sessions: Sessions, receivers: Iterable[Receiver], logs: Path) -> Reported:
    """Read the rows of messages, the arrivals, and the logs."""
    reported = Reported({receiver.name: list(receiver.arrivals) for receiver in receivers})
    reported.queued = {name: {} for name in reported.arrivals}
    with sessions.begin() as session:
        for row in session.execute(_NOTICES):
            reported.steps[row.alert] = row.step
            if row.is_unhandled:
                reported.unhandled.append(row.alert)
        for row in session.execute(_DELIVERIES, {"names": list(reported.arrivals)}):
            reported.queued[row.receiver][row.message] = row.status
        reported.shown = session.execute(_ROWS).scalar() or ""
    reported.shown += "".join(log.read_text(errors="replace") for log in sorted(logs.glob("*.log")))
    return reported


def violations(reported: Reported, secrets: Iterable[str] = ()) -> Iterator[Violation]:
    """Yield what was lost, sent in another order, reported twice, invented or revealed."""
    if not reported.arrivals:
        return
    for alert in reported.unhandled:
        yield Violation("unreported", f"A change of the alert {alert} was never handled.")
    for name, arrivals in reported.arrivals.items():
        yield from _of_messages(name, arrivals, reported.queued[name])
        yield from _of_alerts(name, arrivals, reported.steps)
    for secret in secrets:
        if secret in reported.shown:
            place = reported.shown.index(secret)
            yield Violation("secret", f"A secret is in a log or a row, after {reported.shown[:place][-80:]!r}.")


def _of_messages(name: str, arrivals: Sequence[Arrival], queued: Mapping[str, str]) -> Iterator[Violation]:
    """Compare the arrivals of one receiver with the queue of its messages."""
    documents: dict[str, str] = {}
    for arrival in arrivals:
        document = json.dumps(arrival.document, sort_keys=True)
        if documents.setdefault(arrival.message_id, document) != document:
            yield Violation("message", f"The message {arrival.message_id} to {name} arrived with two contents.")
    accepted = list(dict.fromkeys(arrival.message_id for arrival in arrivals if arrival.is_accepted))
    for message, status in queued.items():
        if status != "delivered":
            yield Violation("unreported", f"The message {message} to {name} is {status}.")
        elif message not in accepted:
            yield Violation("unreported", f"The message {message} to {name} counts as delivered, but did not arrive.")
    for message in accepted:
        if message not in queued:
            yield Violation("message", f"The message {message} to {name} has no row.")
    places = {message: place for place, message in enumerate(queued)}
    for before, after in pairwise(message for message in accepted if message in places):
        if places[before] > places[after]:
            yield Violation("message order", f"{name} got the message {after} after {before}.")


def _of_alerts(name: str, arrivals: Sequence[Arrival], steps: Mapping[str, int | None]) -> Iterator[Violation]:
    """Compare the changes that one receiver was notified of with the alerts."""
    reported: dict[str, dict[int, str]] = {}  # message by step, by alert
    for arrival in arrivals:
        if not arrival.is_accepted or arrival.document["type"] == TEST:
            continue
        for change in [*arrival.document["data"]["alerts"], *arrival.document["data"]["more"]]:
            alert, step = change["alert_id"], change["step"]
            known = reported.setdefault(alert, {})
            if known.setdefault(step, arrival.message_id) != arrival.message_id:
                yield Violation("reported twice", f"{name} got step {step} of the alert {alert} in two messages.")
    for alert, known in reported.items():
        if alert not in steps:
            yield Violation("invented", f"{name} was notified of the alert {alert}, which does not exist.")
        if list(known) != sorted(known):
            yield Violation("message order", f"{name} got the steps {list(known)} of the alert {alert}.")
    for alert, last in steps.items():
        if last is not None and last > max(reported.get(alert, {}), default=0):
            yield Violation("unreported", f"{name} was not notified of step {last} of the alert {alert}.")
