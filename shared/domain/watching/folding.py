"""Which changes of alerts are reported to whom: one message for many changes, and no more messages than a watch may."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.watching.alerts import OVER_BUDGET, Alert, Notice
from shared.domain.watching.notify import Notify
from shared.domain.watching.receivers import Receiver, ReceiverKind


@dataclass(frozen=True, slots=True)
class WrittenNotice:
    """A notice that is stored, and that nothing has handled."""

    id: int
    step: int
    type: Notice
    quiet: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """The unhandled notices of one alert, oldest first, and the alert as it is now."""

    alert: Alert
    series_no: int | None
    series_id: str | None  # None: of a whole watch
    notices: tuple[WrittenNotice, ...]
    informed: frozenset[str]  # receivers of earlier messages about this alert

    @property
    def loud(self) -> list[WrittenNotice]:
        """The notices that somebody may be notified of."""
        return [notice for notice in self.notices if notice.quiet is None]

    @property
    def type(self) -> Notice:
        """What the message says: an alert that opened and escalated meanwhile has opened."""
        types = [notice.type for notice in self.loud]
        if types[-1] == Notice.CLOSED:
            return Notice.CLOSED
        return Notice.OPENED if Notice.OPENED in types else Notice.ESCALATED

    @property
    def step(self) -> int:
        """The newest notice, with which a receiver orders messages about the alert."""
        return self.notices[-1].step

    @property
    def is_news(self) -> bool:
        """Whether it says more than that an alert is over."""
        return any(notice.type != Notice.CLOSED for notice in self.loud)

    @property
    def badness(self) -> tuple[bool, float]:
        """A sort key that puts the worst alert first: open before closed, then by score; silence is worst."""
        score = math.inf if self.alert.peak is None else self.alert.peak.score
        return self.type == Notice.CLOSED, -score


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one notice."""

    notice_id: int
    receivers: tuple[str, ...] = ()
    quiet: str | None = None


@dataclass(slots=True)
class Folded:
    """What becomes of the changes of a watch. Notices without a decision wait for the next message."""

    decisions: list[Decision] = field(default_factory=list)
    messages: dict[str, list[Change]] = field(default_factory=dict)  # by receiver, the worst change first
    over_budget: int = 0  # alerts that nobody is notified of


def fold(changes: Sequence[Change], notify: Notify, receivers: Mapping[str, Receiver], *, has_budget: bool) -> Folded:
    """Decide who is notified of which change.

    Receivers that were informed of an alert are informed of its end. If the budget is used up, new alerts are quiet,
    and the end of a reported one waits. Receivers of the kind `alertmanager` fetch the state instead of messages, so
    they have no budget.
    """
    folded = Folded()
    for change in changes:
        loud = change.loud
        targets = _targets(change, notify, receivers) if loud else []
        stateful = [name for name in targets if receivers[name].kind == ReceiverKind.ALERTMANAGER]
        by_message = [name for name in targets if name not in stateful]
        quiet = None
        if by_message and not has_budget:
            if not change.is_news:
                continue
            by_message, quiet = [], OVER_BUDGET
            folded.over_budget += 1
        told = (*by_message, *stateful)
        folded.decisions += [Decision(notice.id, told, notice.quiet or quiet) for notice in change.notices]
        for name in by_message:
            folded.messages.setdefault(name, []).append(change)
    for listed in folded.messages.values():
        listed.sort(key=lambda change: change.badness)
    return folded


def _targets(change: Change, notify: Notify, receivers: Mapping[str, Receiver]) -> list[str]:
    names = set(change.informed)
    if change.is_news:
        names |= {name for name in notify.receivers if name in receivers and _wants_news(receivers[name], change)}
    types = {notice.type for notice in change.loud}
    return sorted(name for name in names if name in receivers and types & set(receivers[name].types))


def _wants_news(receiver: Receiver, change: Change) -> bool:
    peak = change.alert.peak
    return peak is None or receiver.min_score is None or peak.score >= receiver.min_score
