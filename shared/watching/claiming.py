"""Claims: each series id of a source stands for one set of labels, whichever process receives its points."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.caching import Cache
from shared.domain.watching.labels import Labels, shown
from shared.store import sources
from shared.store.engine import Sessions

logger = logging.getLogger(__name__)

RENEW_EVERY_S = 60.0  # an id can pass to other labels, so a claim is looked up again after this time
CACHE_BYTES = 32 * 1024 * 1024
ENTRY_BYTES = 400
MAX_LOGGED = 3

LabelSet = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """Which sets of labels have the ids that they want."""

    granted: set[LabelSet] = field(default_factory=set)
    reported: dict[LabelSet, str] = field(default_factory=dict)  # refused for the first time, with the reason


class Claims:
    """Claims ids, and remembers the outcome for `RENEW_EVERY_S`. Thread-safe."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._known: Cache[tuple[str, LabelSet], tuple[bool, float]] = Cache(CACHE_BYTES)

    def __call__(self, source: str | None, wanted: Mapping[LabelSet, str]) -> Claimed:
        """Claim ids by labels; raise `UnavailableError` if the database is unavailable. source: None: line protocol."""
        now = self._clock()
        claimed = Claimed()
        unknown: dict[LabelSet, str] = {}
        for labels, series_id in wanted.items():
            is_granted, until = self._known.get((series_id, labels)) or (False, 0.0)
            if until <= now:
                unknown[labels] = series_id
            elif is_granted:
                claimed.granted.add(labels)
        if unknown:
            self._claim(source, unknown, claimed, now)
        return claimed

    def _claim(self, source: str | None, wanted: Mapping[LabelSet, str], claimed: Claimed, now: float) -> None:
        first: dict[str, LabelSet] = {}  # of two sets of labels that want one id now, the first in order may have it
        for labels, series_id in sorted(wanted.items()):
            first.setdefault(series_id, labels)
        with self._sessions.begin() as session:
            owned = sources.claim(session, source, {series_id: dict(labels) for series_id, labels in first.items()})
        losers = {}
        for labels, series_id in wanted.items():
            is_granted = series_id in owned and first[series_id] == labels
            self._known.put((series_id, labels), (is_granted, now + RENEW_EVERY_S), ENTRY_BYTES)
            if is_granted:
                claimed.granted.add(labels)
            else:
                losers[series_id] = labels
        if losers:
            self._report(losers, claimed)

    def _report(self, losers: Mapping[str, LabelSet], claimed: Claimed) -> None:
        with self._sessions.begin() as session:
            noted = sources.reject(session, {series_id: dict(labels) for series_id, labels in losers.items()})
        for series_id, owner in noted.items():
            labels = losers[series_id]
            claimed.reported[labels] = collision(series_id, owner, dict(labels))
        for reason in list(claimed.reported.values())[:MAX_LOGGED]:
            logger.warning("%s", reason)
        if len(claimed.reported) > MAX_LOGGED:
            logger.warning("%d more ids are wanted by several series", len(claimed.reported) - MAX_LOGGED)


def collision(series_id: str, owner: Labels, rejected: Labels) -> str:
    """Say that two sets of labels want one id, and what to do."""
    return (
        f"Series {shown(rejected)} would have the id {series_id}, which belongs to {shown(owner)}. Its points are "
        "ignored: name a label that differs between them in id_template, or all others with {*}."
    )
