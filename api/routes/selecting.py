"""Parameters that select alerts, and the lookup of one alert by the id in a path."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from api.dependencies import CallerOf
from api.schemas.times import Day
from api.services import Services
from shared.domain.series import check_series_id
from shared.domain.watching.alerts import AlertStatus, Kind
from shared.domain.watching.documents import NAME
from shared.errors import Code, NotFoundError
from shared.store import alerts
from shared.store.alert_filters import AlertFilter, Handling, Reviewed
from shared.store.alerts import StoredAlert

WATCH_PATTERN = f"^{NAME.pattern}$"


def _selection(
    caller: CallerOf,
    series_id: Annotated[str | None, Query(description="Only alerts of this series")] = None,
    prefix: Annotated[
        str | None, Query(max_length=128, pattern=r"^[A-Za-z0-9._-]*$", description="Only series with this id prefix")
    ] = None,
    watch: Annotated[str | None, Query(pattern=WATCH_PATTERN, description="Only alerts of this watch")] = None,
    status: Annotated[AlertStatus | None, Query(description="Only alerts with this status")] = None,
    kind: Annotated[Kind | None, Query(description="Only alerts of this kind")] = None,
    handling: Annotated[
        Handling | None, Query(description="Only alerts that somebody, nobody, or nobody on purpose knows of")
    ] = None,
    review: Annotated[Reviewed | None, Query(description="Only alerts with this review, or without one")] = None,
    began: Annotated[Day | None, Query(description="Only alerts that began on this day in UTC")] = None,
) -> AlertFilter:
    return AlertFilter(
        series_id=None if series_id is None else check_series_id(series_id),
        prefix=prefix or None,
        watch=watch,
        status=status,
        kind=kind,
        visible_prefix=caller.series_prefix or None,
        handling=handling,
        review=review,
        began=began,
    )


def _alert_id(alert_id: str) -> str:
    try:
        return str(UUID(alert_id))
    except ValueError:
        raise _not_found() from None


Selection = Annotated[AlertFilter, Depends(_selection)]
AlertId = Annotated[str, Depends(_alert_id)]


def find_alert(services: Services, visible_prefix: str, alert_id: str) -> StoredAlert:
    """Return the alert; raise `NotFoundError` if there is none, or if it is not visible to a key with this prefix."""
    selection = AlertFilter(visible_prefix=visible_prefix or None)
    with services.sessions.begin() as session:
        found = alerts.find(session, [alert_id], selection).get(alert_id)
    if found is None:
        raise _not_found()
    return found


def _not_found() -> NotFoundError:
    return NotFoundError(
        Code.ALERT_NOT_FOUND, "There is no such alert. Closed alerts are deleted after KEEP_ALERTS_DAYS."
    )
