"""The state of alerts that receivers of the kind `alertmanager` get."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from shared.domain.watching.alerts import Alert
from shared.domain.watching.receivers import Receiver
from shared.store.engine import Session
from shared.store.streams import alert_of

MAX_ALERTS = 10_000
CLOSED_S = 900.0  # for which a closed alert is reported as over

# Of watches that name the receiver. An alert that it knows of is also over when its watch is gone.
_STATE = text("""
WITH naming AS (SELECT name FROM watches WHERE document -> 'notify' -> 'receivers' ? :receiver)
SELECT to_jsonb(a) AS columns, a.series_id
  FROM (
    SELECT * FROM alerts WHERE status <> 'closed' AND watch IN (SELECT name FROM naming)
    UNION ALL
    SELECT c.* FROM alerts c
     WHERE c.status = 'closed' AND c.changed_at > :now - make_interval(secs => :closed_s)
       AND (c.watch IN (SELECT name FROM naming)
            OR EXISTS (SELECT 1 FROM notices n WHERE n.alert = c.id AND :receiver = ANY (n.receivers)))
  ) AS a
 WHERE a.quiet IS NULL AND (a.peak IS NULL OR (a.peak ->> 'score')::float8 >= coalesce(:min_score, 0))
 ORDER BY a.status = 'closed', a.created_at DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class ReportedAlert:
    """An alert that a receiver should know of."""

    alert: Alert
    series_id: str | None


def state(session: Session, receiver: Receiver, now: datetime) -> list[ReportedAlert]:
    """Return the alerts of a receiver that are open or closed recently, the open ones first."""
    parameters = {"receiver": receiver.name, "min_score": receiver.min_score, "now": now}
    rows = session.execute(_STATE, parameters | {"closed_s": CLOSED_S, "limit": MAX_ALERTS})
    return [ReportedAlert(alert, row.series_id) for row in rows if (alert := alert_of(row.columns))]
