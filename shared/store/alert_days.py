"""How many alerts began on each day."""

from dataclasses import asdict, replace
from typing import NamedTuple

from sqlalchemy import text

from shared.domain.series import DAY_S
from shared.store.alert_filters import AlertFilter, where
from shared.store.engine import Session

# The index of beginnings has every column of the outer query, so that without filters no alert itself is read.
_PER_DAY = """
SELECT a.started_at / {day_s} AS day, count(*) AS alerts, count(*) FILTER (WHERE a.quiet IS NOT NULL) AS quiet,
       count(*) FILTER (WHERE a.status = 'open' AND a.quiet IS NULL AND a.kind <> 'refit_failing') AS open
  FROM alerts a WHERE a.started_at >= :first AND a.started_at < :last AND {where} GROUP BY day
"""


class DayCount(NamedTuple):
    """Numbers of alerts that began on a day in UTC."""

    alerts: int
    quiet: int
    open: int  # that are red now: not quiet, and about points


def per_day(session: Session, selection: AlertFilter, first: int, days: int) -> dict[int, DayCount]:
    """Count the alerts of a selection by the first second of the day on which they began, for days with alerts.

    first: the first second of the first day. The selection's own day does not count.
    """
    parameters = asdict(replace(selection, began=None)) | {"first": first, "last": first + days * DAY_S}
    statement = text(_PER_DAY.format(day_s=DAY_S, where=where(parameters)))
    rows = session.execute(statement, parameters)
    return {row.day * DAY_S: DayCount(row.alerts, row.quiet, row.open) for row in rows}
