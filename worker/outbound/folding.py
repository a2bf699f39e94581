"""Turn notices into messages: the first at once, later ones collected for `group_wait`, and only so many per period."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.domain.watching.folding import Change, Folded, fold
from shared.domain.watching.messages import MAX_WORST, document_of
from shared.domain.watching.notify import Notify
from shared.domain.watching.receivers import Receiver, ReceiverKind
from shared.metrics import Metrics
from shared.store import deliveries, inspection, notices, receivers, watches
from shared.store.engine import Session, Sessions
from shared.store.notices import Budget
from worker.outbound.describing import Describer

logger = logging.getLogger(__name__)

ALERTS_AT_A_TIME = 5_000


@dataclass
class Folding:
    """The round that turns notices into messages. Any number of processes may run it."""

    sessions: Sessions
    metrics: Metrics
    describer: Describer
    clock: inspection.Clock = inspection.clock
    _seen: dict[str, int] = field(default_factory=dict)  # newest notice by watch

    def round(self) -> int:
        """Report the changes that are due; return the number of messages."""
        with self.sessions.statement() as session:
            waiting = notices.watches_waiting(session)
        count = sum(self._fold(watch, is_new=self._seen.get(watch) != newest) for watch, newest in waiting.items())
        self._seen = waiting
        return count

    def _fold(self, watch: str, *, is_new: bool) -> int:
        """Report the changes of a watch. is_new: whether a change has come since the last round."""
        with self.sessions.begin() as session:
            now = self.clock(session)
            known = {stored.receiver.name: stored.receiver for stored in receivers.read(session)}
            found = watches.named(session, watch)
            notify = found.notify if found else Notify()
            if is_new:
                _wake_stateful(session, notify.receivers, known, now)
            budget = notices.lock_budget(session, watch, now)
            if budget is None or budget.waits(now, notify):
                return 0
            return self._report(session, watch, notify, known, budget.at(now, notify), now)

    def _report(
        self, session: Session, watch: str, notify: Notify, known: dict[str, Receiver], budget: Budget, now: datetime
    ) -> int:
        changes, noted_at = notices.changes(session, watch, ALERTS_AT_A_TIME)
        folded = fold(changes, notify, known, has_budget=budget.messages < notify.messages)
        notices.decide(session, folded.decisions, now)
        _wake_stateful(session, [name for decision in folded.decisions for name in decision.receivers], known, now)
        unreported = budget.unreported + folded.over_budget
        if folded.messages and noted_at:
            self._queue(session, watch, folded, unreported, noted_at, now)
            budget = replace(budget, messages=budget.messages + 1, last_at=now, unreported=0)
        else:
            budget = replace(budget, unreported=unreported)
        notices.spend(session, watch, budget)
        if folded.over_budget:
            logger.warning("watch %s: %d alerts are not reported, over budget", watch, folded.over_budget)
            self.metrics.unreported_alerts.inc(folded.over_budget)
        return len(folded.messages)

    def _queue(
        self, session: Session, watch: str, folded: Folded, unreported: int, noted_at: datetime, now: datetime
    ) -> None:
        worst: dict[str, Change] = {
            change.alert.id: change for listed in folded.messages.values() for change in listed[:MAX_WORST]
        }
        facts, links = self.describer.describe(session, worst.values())
        for receiver, listed in folded.messages.items():
            document = document_of(watch, listed, facts, links, over_budget=unreported)
            message_id = f"{listed[0].alert.id}.{listed[0].step}"
            deliveries.add(
                session, receiver, message_id, document["type"], document, watch=watch, noted_at=noted_at, now=now
            )


def _wake_stateful(session: Session, names: Iterable[str], known: Mapping[str, Receiver], now: datetime) -> None:
    """Send the state to the Alertmanagers among receivers now, because it changed."""
    stateful = {name for name in names if name in known and known[name].kind == ReceiverKind.ALERTMANAGER}
    if stateful:
        deliveries.wake(session, sorted(stateful), now)
