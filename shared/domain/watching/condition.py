"""How sources are doing, and what people should look at."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.watching.durations import rough
from shared.domain.watching.sentences import time_of
from shared.domain.watching.sources import Source, SourceKind

OVERDUE_S = 60.0
QUIET_S = 600.0
_NOTHING_SENT = "compare its `select` with the labels that Prometheus sends."
_NOTHING_FOUND = "its queries return none. Try them with POST /sources/{name}/test."


@dataclass(frozen=True, slots=True)
class Condition:
    """A source, and what is known of its points."""

    source: Source
    has_series: bool
    failing_since: datetime | None = None
    detail: str = ""  # of its newest run that failed
    due_at: datetime | None = None  # of the next run; None: it is being fetched, or sends by itself
    fetched_to: int | None = None  # the second up to which all its queries are fetched
    arrived_at: datetime | None = None  # when its newest point came, if this was asked
    colliding: str | None = None  # an id that several of its series would have, if this was asked

    def lag_s(self, now: datetime) -> float | None:
        """Return how old the newest points are that were fetched; None without any."""
        return None if self.fetched_to is None else max(now.timestamp() - self.fetched_to, 0.0)


def complaint(condition: Condition, now: datetime) -> str | None:
    """Return a sentence that says what is wrong with a source; None if nothing is."""
    name, now_s = condition.source.name, now.timestamp()
    is_sent = condition.source.kind == SourceKind.REMOTE_WRITE
    if condition.failing_since:
        return f"{name} fails since {time_of(condition.failing_since.timestamp())}: {condition.detail or 'no reason.'}"
    if condition.due_at and now_s - condition.due_at.timestamp() > OVERDUE_S:
        since = time_of(condition.due_at.timestamp())
        return f"{name} is due since {since}, and nothing fetches it: is `python -m worker.outbound` running?"
    if not condition.has_series and (is_sent or condition.fetched_to is not None):
        return f"{name} has no series: {_NOTHING_SENT if is_sent else _NOTHING_FOUND.format(name=name)}"
    if condition.colliding:
        sentence = f"{name} ignores series that would have the id of another, such as {condition.colliding}"
        return f"{sentence}: name more labels in id_template. GET /sources/{name} lists them under collisions."
    if condition.arrived_at and now_s - condition.arrived_at.timestamp() > QUIET_S:
        ago = rough(now_s - condition.arrived_at.timestamp())
        return f"{name} sent nothing for {ago}: is Prometheus running, and does its `remote_write` succeed?"
    return None
