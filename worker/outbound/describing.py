"""What a message says about an alert beside its sentence: how rare, what contributed most, last week, and a link."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.domain.watching.folding import Change
from shared.domain.watching.messages import Facts
from shared.store import points
from shared.store.engine import Session

WEEK_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Describer:
    """Describes alerts. public_url: of this service, without a slash at its end; empty: messages have no links."""

    public_url: str = ""

    def describe(self, session: Session, changes: Iterable[Change]) -> tuple[dict[str, Facts], dict[str, str]]:
        """Return what is known of alerts, and the links to their pages, by alert id."""
        listed = list(changes)
        weeks = points.near(
            session,
            {
                change.series_no: change.alert.peak.timestamp - WEEK_S
                for change in listed
                if change.series_no is not None and change.alert.peak
            },
        )
        facts = {
            change.alert.id: Facts(week_before=weeks.get(change.series_no))
            for change in listed
            if change.series_no is not None
        }
        links = {change.alert.id: self.link_of(change) for change in listed} if self.public_url else {}
        return facts, links

    def link_of(self, change: Change) -> str:
        """Return the address of the page of an alert's series, or of all alerts."""
        if change.series_id is None:
            return f"{self.public_url}/"
        return f"{self.public_url}/ui/series/{change.series_id}"
