"""The watching round of the reconciler: silent streams, and alerts that close because no point comes."""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.domain.watching.rules import closed
from shared.domain.watching.silence import folded
from shared.metrics import Metrics
from shared.store import alerts, inspection, silences
from shared.store.engine import Session, Sessions
from shared.store.silences import Silent
from shared.watching.rulebook import Rulebook, Rules

STREAMS_AT_A_TIME = 1000


@dataclass(frozen=True)
class Watching:
    """The resources of the watching round."""

    sessions: Sessions
    metrics: Metrics
    rulebook: Rulebook
    started_at: float = field(default_factory=time.monotonic)
    clock: Callable[[], float] = time.monotonic

    def round(self) -> None:
        """Open and close silences, and close alerts for which no point came."""
        rules = self.rulebook.again()
        with self.sessions.begin() as session:
            if not silences.take_turn(session):
                return
            number = alerts.close_due(session, rules.watches, STREAMS_AT_A_TIME)
            number += self._end_silences(session)
        self.metrics.notices.labels("alert.closed", "").inc(number)
        opened = self._open_silences(rules)
        self.metrics.notices.labels("alert.opened", "").inc(opened)

    def _end_silences(self, session: Session) -> int:
        """Close the silences of whole watches whose streams speak again; return how many."""
        over = [silence for silence in silences.of_watches(session) if silence.is_over]
        now = int(inspection.clock(session).timestamp())
        for silence in over:
            nos = silences.lock_streams(session, silence.alert.id)
            alerts.write(session, [closed(silence.alert, now)])
            alerts.release_streams(session, nos, [silence.alert.id])
        return len(over)

    def _open_silences(self, rules: Rules) -> int:
        """Open alerts of silent streams, batch by batch; return how many."""
        running_s = self.clock() - self.started_at
        with self.sessions.begin() as session:
            counted = silences.counts(session, rules.watches, running_s)
            whole = {silence.alert.watch: silence.alert.id for silence in silences.of_watches(session)}
        silent_watches = [name for name, count in counted.items() for _ in range(count.due)]
        together = folded(silent_watches, {name: count.streams for name, count in counted.items()})
        opened = 0
        for _ in range(-(-len(silent_watches) // STREAMS_AT_A_TIME)):
            with self.sessions.begin() as session:
                if not silences.take_turn(session):
                    break
                due = silences.due(session, rules.watches, running_s, STREAMS_AT_A_TIME)
                opened += self._open(session, _outside_maintenance(session, due, rules), together, whole)
        return opened

    def _open(self, session: Session, due: Sequence[Silent], together: set[str], whole: dict[str, str]) -> int:
        """Open one alert for each stream, or for the watch. whole: ids of the open silences of watches, by watch."""
        by_watch: dict[str, list[Silent]] = defaultdict(list)
        single: dict[str, Sequence[Silent]] = {}
        for silent in due:
            if silent.watch in whole or silent.watch in together:
                by_watch[silent.watch].append(silent)
            else:
                single[str(uuid.uuid4())] = [silent]
        new: dict[str, str] = {}
        for watch, members in by_watch.items():
            if watch in whole:
                silences.grow(session, whole[watch], members)
            else:
                whole[watch] = str(uuid.uuid4())
                new[whole[watch]] = watch
        opened = single | {alert_id: by_watch[watch] for alert_id, watch in new.items()}
        if opened:
            silences.open_alerts(session, opened, new)
        return len(opened)


def _outside_maintenance(session: Session, due: Sequence[Silent], rules: Rules) -> list[Silent]:
    if not (due and rules.maintenance):
        return list(due)
    now = int(inspection.clock(session).timestamp())
    return [
        silent
        for silent in due
        if not any(start <= now <= end for start, end in rules.maintenance_of(silent.series_id))
    ]
