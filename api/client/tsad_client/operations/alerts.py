"""Alerts."""

from datetime import date

from tsad_client.operations.bodies import Moment, moment_of, point_of
from tsad_client.running import operation
from tsad_client.sending import Call, Patience, Steps, ask, ask_pages
from tsad_client.watching import Alert, AlertPage


class Alerts:
    """Operations on alerts."""

    patience: Patience

    @operation
    def alerts(
        self,
        *,
        series_id: str | None = None,
        prefix: str | None = None,
        watch: str | None = None,
        status: str | None = None,
        kind: str | None = None,
        review: str | None = None,
        began: date | str | None = None,
        from_: Moment | None = None,
        to: Moment | None = None,
        limit: int = 1_000,
    ) -> Steps[list[Alert]]:
        """Return alerts, newest first.

        status: open, ended or closed; kind: deviation or silence; review: incident, false_alarm, expected or none.
        began: the day in UTC on which they began, such as 2026-01-31.
        """
        query = {
            "series_id": series_id,
            "prefix": prefix,
            "watch": watch,
            "status": status,
            "kind": kind,
            "review": review,
            "began": None if began is None else str(began),
            "from": moment_of(from_),
            "to": moment_of(to),
        }
        call = Call("GET", "/alerts", query=query)
        return (yield from ask_pages(call, AlertPage, lambda page: page.alerts, self.patience, limit))

    @operation
    def alert(self, alert_id: str) -> Steps[Alert]:
        """Return one alert."""
        return (yield from ask(Call("GET", "/alerts/{alert_id}", {"alert_id": alert_id}), Alert, self.patience))

    @operation
    def acknowledge(self, alert_id: str) -> Steps[Alert]:
        """Record that somebody takes care of an alert. Acknowledging it again changes nothing."""
        call = Call("POST", "/alerts/{alert_id}/acknowledge", {"alert_id": alert_id})
        return (yield from ask(call, Alert, self.patience))

    @operation
    def review(self, alert_id: str, review: str | None, note: str = "") -> Steps[Alert]:
        """Record what an alert was, in place of an earlier review, with a note that later alerts of the series show.

        review: incident, false_alarm, expected, or None for only a note.
        """
        content = point_of(review=review, note=note)
        call = Call("PUT", "/alerts/{alert_id}/review", {"alert_id": alert_id}, content=content)
        return (yield from ask(call, Alert, self.patience))
