"""What a message says: a document that is stored when changes are reported, and its text for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shared.domain.watching import durations
from shared.domain.watching.alerts import AlertStatus, Kind, Notice
from shared.domain.watching.folding import Change
from shared.domain.watching.sentences import of_alert, subject_of
from shared.wording import readable

YEAR_S = 366 * 86_400
MAX_WORST = 10  # alerts of a message that are described
TEST = "test"  # type of a message that somebody requested to try a receiver

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What helps to judge a deviation, as far as it is known."""

    once_in_s: float | None = None  # the usual time between two normal points with such a score
    component: str | None = None  # contributed most to the score
    week_before: float | None = None  # the value at the same time a week before


def document_of(
    watch: str,
    changes: Sequence[Change],
    facts: Mapping[str, Facts],
    links: Mapping[str, str],
    *,
    over_budget: int = 0,
) -> Document:
    """Return the document of a message.

    changes: the worst first. facts and links: of the worst alerts, by alert id. over_budget: alerts of the watch that
    nobody was notified of since the last message.
    """
    counts = Counter(change.type for change in changes)
    return {
        "type": next(notice for notice in Notice if counts[notice]),
        "watch": watch,
        "counts": {notice.removeprefix("alert."): counts[notice] for notice in Notice},
        "alerts": [
            _described(change, facts.get(change.alert.id, Facts()), links.get(change.alert.id))
            for change in changes[:MAX_WORST]
        ],
        "more": [_named(change) for change in changes[MAX_WORST:]],
        "over_budget": over_budget,
    }


def test_document(receiver: str) -> Document:
    """Return the document of a message that tries a receiver."""
    return {"type": TEST, "receiver": receiver, "alerts": [], "more": [], "over_budget": 0}


def sentence_of(document: Document) -> str:
    """Return the first sentence of a message: one alert, or how many and which is the worst."""
    if document["type"] == TEST:
        return f"This is a test of the receiver {document['receiver']}: tsad can send messages to it."
    worst = document["alerts"][0]
    total = len(document["alerts"]) + len(document["more"])
    if total == 1:
        return str(worst["sentence"])
    counts = document["counts"]
    parts = [
        f"{counts[name]:,} {verb}"
        for name, verb in (("opened", "opened"), ("escalated", "got worse"), ("closed", "ended"))
        if counts[name]
    ]
    return f"{total:,} alerts of the watch {document['watch']}: {', '.join(parts)}. The worst: {worst['sentence']}"


def text_of(document: Document) -> str:
    """Return the text of a message: one sentence first, then what helps to act."""
    lines = [sentence_of(document)]
    alerts = document["alerts"]
    total = len(alerts) + len(document["more"])
    if total == 1:
        lines += details_of(alerts[0])
    else:
        for alert in alerts:
            lines.append(f"- {alert['sentence']}" + (f" {alert['link']}" if alert["link"] else ""))
        if document["more"]:
            lines.append(f"and {len(document['more']):,} more")
    if document["over_budget"]:
        lines.append(
            f"{document['over_budget']:,} more alerts of this watch were not reported, because it had used up its "
            "messages (notify.at_most). GET /alerts lists them."
        )
    return "\n".join(lines)


def details_of(alert: Mapping[str, Any]) -> list[str]:
    """Return the lines of one alert that follow its sentence."""
    lines = []
    if alert["type"] == Notice.ESCALATED:
        lines.append("It is more than twice as bad as reported before.")
    if alert["once_in_s"]:
        lines.append(f"How rare: normal points reach such a score {_how_often(alert['once_in_s'])}.")
    if alert["component"]:
        lines.append(f"What contributed most: {alert['component']}.")
    if alert["week_before"] is not None:
        peak = alert["peak"] or {}
        week_before = readable(alert["week_before"], peak.get("value"), peak.get("lower"), peak.get("upper"))
        lines.append(f"Same time last week: {week_before}.")
    if alert["link"]:
        lines.append(alert["link"])
    return lines


def _how_often(once_in_s: float) -> str:
    return "less than once a year" if once_in_s > YEAR_S else f"about once in {durations.rough(once_in_s)}"


def _described(change: Change, facts: Facts, link: str | None) -> Document:
    alert = change.alert
    sentence = of_alert(alert, subject_of(alert, change.series_id))
    if change.type == Notice.CLOSED and alert.kind == Kind.DEVIATION:
        sentence += " It is over."
    return {
        **_named(change),
        "kind": alert.kind,
        "status": AlertStatus.CLOSED if change.type == Notice.CLOSED else AlertStatus.OPEN,
        "sentence": sentence,
        "began_at": alert.started_at,
        "last_anomaly_at": alert.last_anomaly_at,
        "ended_at": alert.ended_at,
        "peak": None if alert.peak is None else asdict(alert.peak),
        "points": alert.points,
        "version": alert.version,
        **asdict(facts),
        "link": link,
    }


def _named(change: Change) -> Document:
    peak = change.alert.peak
    return {
        "alert_id": change.alert.id,
        "step": change.step,
        "type": change.type,
        "series_id": change.series_id,
        "score": None if peak is None else peak.score,
    }
