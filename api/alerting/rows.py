"""Rows of alerts in the tables of the start page and of the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from api.alerting.sparks import sparks_of
from api.alerting.times import end_of
from api.charts.sparks import Spark
from shared.domain.watching.alerts import AlertStatus, Kind
from shared.store import overviews
from shared.store.alert_filters import Reviewed
from shared.store.alerts import StoredAlert
from shared.store.engine import Session
from shared.store.outlines import Newest, newest

STATUSES: dict[str, str] = {AlertStatus.OPEN: "open", AlertStatus.ENDED: "normal again", AlertStatus.CLOSED: "closed"}
REVIEWS: dict[str, str] = {
    Reviewed.NONE: "not reviewed",
    Reviewed.INCIDENT: "incident",
    Reviewed.FALSE_ALARM: "false alarm",
    Reviewed.EXPECTED: "expected",
}
SIGNS = {Kind.DEVIATION: "open", Kind.SILENCE: "silent", Kind.REFIT_FAILING: "failed"}
OF_EACH_WATCH, OPEN_SHOWN = 5, 20
OPEN_LENGTHS, LISTED_LENGTHS = 10, 5


@dataclass(frozen=True, slots=True)
class Row:
    """An alert with the newest point of its stream and a small chart."""

    stored: StoredAlert
    newest: Newest | None
    end: int  # the second until which it lasts or lasted
    spark: Spark | None

    @property
    def length_s(self) -> int:
        """Seconds from its beginning to its end."""
        return max(self.end - self.stored.alert.started_at, 0)

    @property
    def is_open(self) -> bool:
        """Whether it is red: points deviate or are missing now, and not only in a backlog of old points."""
        alert = self.stored.alert
        return alert.status == AlertStatus.OPEN and alert.quiet is None and alert.kind != Kind.REFIT_FAILING

    @property
    def sign(self) -> str:
        """Name of the sign that stands before it."""
        alert = self.stored.alert
        if alert.status == AlertStatus.CLOSED:
            return "closed"
        if alert.quiet:
            return "quiet"
        if alert.status == AlertStatus.ENDED:
            return "ended"
        if self.stored.acknowledged_at:
            return "acknowledged"
        return SIGNS[alert.kind]

    @property
    def word(self) -> str:
        """Its state in words."""
        if self.stored.alert.status == AlertStatus.OPEN and self.stored.acknowledged_at:
            return "acknowledged"
        return STATUSES[self.stored.alert.status]

    @property
    def review(self) -> str:
        """What a person found it to be, in words; empty without a review."""
        return REVIEWS[self.stored.review] if self.stored.review else ""

    @property
    def direction(self) -> str:
        """Whether its peak is above or below the expected value; empty if none was expected."""
        peak = self.stored.alert.peak
        if peak is None or peak.expected is None or peak.value == peak.expected:
            return ""
        return "above" if peak.value > peak.expected else "below"


@dataclass(frozen=True, slots=True)
class Group:
    """The alerts of a watch that are not closed, worst first."""

    watch: str
    rows: list[Row]
    hidden: int  # more of them, which are not in `rows`


@dataclass(frozen=True, slots=True)
class OpenNow:
    """What is open now: some alerts by watch, and how many there are."""

    groups: list[Group]
    totals: overviews.Totals
    hidden_watches: int


def rows_of(session: Session, alerts: Sequence[StoredAlert], lengths: int, *, with_week: bool) -> list[Row]:
    """Return the rows of alerts."""
    points = newest(session, {stored.series_no for stored in alerts if stored.series_no is not None})
    sparks = sparks_of(session, alerts, points, lengths, with_week=with_week)
    latest = [points.get(stored.series_no or 0) for stored in alerts]
    return [
        Row(stored, point, end_of(stored, point), drawn)
        for stored, point, drawn in zip(alerts, latest, sparks, strict=True)
    ]


def open_now(session: Session, visible_prefix: str) -> OpenNow:
    """Return what is open now, at most `OPEN_SHOWN` alerts in all and `OF_EACH_WATCH` of each watch."""
    totals = overviews.totals(session, visible_prefix)
    shown = overviews.open_now(session, visible_prefix, OF_EACH_WATCH, OPEN_SHOWN)
    rows = rows_of(session, [alert.stored for alert in shown], OPEN_LENGTHS, with_week=True)
    groups = []
    pairs = list(zip(shown, rows, strict=True))
    for watch, members in groupby(pairs, key=lambda pair: pair[0].stored.alert.watch):
        of_watch = list(members)
        groups.append(Group(watch, [row for _, row in of_watch], of_watch[0][0].of_watch - len(of_watch)))
    return OpenNow(groups, totals, totals.watches - len(groups))
