"""Ingest: store points and judge them, in one transaction. Any process may take any series.

Effects are exactly once, whatever crashes or is sent twice. A repeated point changes nothing, and the caller gets the
stored verdict.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.domain.watching.rules import Position
from shared.domain.watching.watches import Watch
from shared.errors import BusyError, Code, InputError, TsadError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import intake, streams
from shared.store.engine import Session, Sessions
from shared.store.points import Tail
from shared.store.streams import Stream
from shared.watching.planning import Plan, Push, intake_of, plan_of
from shared.watching.rulebook import Rulebook, Rules
from shared.watching.tails import Tails
from shared.watching.verdicts import StreamVerdicts, state_of

ROUNDS = 3  # the last one locks before it reads, so nothing can come between


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a push."""

    stream: Stream  # as it was before
    position: Position  # of the stream after it
    watch: Watch | None
    accepted: int  # points that were new, with late ones
    late: int  # points that came after a newer one, and are never judged
    repeated: int  # points that were stored already
    verdicts: StreamVerdicts  # on the new points in order
    fresh: Tail  # these points

    def joined(self, later: "Taken") -> "Taken":
        """Return the sum with what became of the next points of the same push. Only the counts are sums."""
        return Taken(
            stream=self.stream,
            position=later.position,
            watch=later.watch,
            accepted=self.accepted + later.accepted,
            late=self.late + later.late,
            repeated=self.repeated + later.repeated,
            verdicts=later.verdicts,
            fresh=later.fresh,
        )


class Ingest:
    """Stores and judges points. Thread-safe."""

    def __init__(
        self,
        sessions: Sessions,
        states: States,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rulebook = Rulebook(sessions)
        self._sessions = sessions
        self._states = states
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._tails = Tails(settings.judge_cache_bytes // 2)

    def __call__(self, pushes: Sequence[Push]) -> list[Taken | TsadError]:
        """Ingest pushes in order; return what became of each, or its error.

        Raise `UnavailableError` if the database or the store is unavailable. Some points may then be stored; sending
        them again is safe.
        """
        outcomes: list[Taken | TsadError | None] = [None] * len(pushes)
        for batch in _batches(pushes):
            taken = self._take({push.series_id: push for _, push in batch})
            for index, push in batch:
                before, now = outcomes[index], taken[push.series_id]
                if isinstance(before, Taken) and isinstance(now, Taken):
                    outcomes[index] = before.joined(now)
                elif not isinstance(before, TsadError):
                    outcomes[index] = now
        return [outcome for outcome in outcomes if outcome is not None]

    def _take(self, pushes: dict[str, Push]) -> dict[str, Taken | TsadError]:
        """Take one batch of different series, in at most `ROUNDS` rounds."""
        taken: dict[str, Taken | TsadError] = {}
        left = dict(pushes)
        for number in range(ROUNDS):
            are_new = number > 0
            rules = self.rulebook.again() if are_new else self.rulebook.current()
            if number < ROUNDS - 1:
                with self._sessions.statement() as session:
                    settled = self._round(session, left, rules, are_new=are_new)
            else:
                with self._sessions.begin() as session:
                    streams.lock(session, left)
                    settled = self._round(session, left, rules, are_new=are_new)
            self._count([outcome for outcome in settled.values() if not isinstance(outcome, TsadError)])
            for series_id, outcome in settled.items():
                taken[series_id] = outcome if isinstance(outcome, TsadError) else self._settle(*outcome)
            left = {series_id: push for series_id, push in left.items() if series_id not in settled}
            if not left:
                return taken
        return taken | dict.fromkeys(left, _busy())

    def _round(
        self, session: Session, pushes: Mapping[str, Push], rules: Rules, *, are_new: bool
    ) -> dict[str, "tuple[Plan, int] | TsadError"]:
        """Read, judge and write; return the plans that were written, with their late points, and errors.

        are_new: whether the rules were read for this round, so that an unknown watch is a deleted one.
        """
        rows = streams.read(session, pushes)
        settled: dict[str, tuple[Plan, int] | TsadError] = {}
        if missing := pushes.keys() - rows.keys():
            created = self._create(session, missing)
            settled |= dict.fromkeys(missing - created, self._no_room())
            rows |= streams.read(session, created)
        if not are_new and not rules.knows([row.watch for row in rows.values() if row.position.alert]):
            return settled
        fitted = {
            series_id: state_of(self._states, row) if pushes[series_id].is_later_than(row.last_timestamp) else None
            for series_id, row in rows.items()
        }
        lengths = {series_id: state.needs().points if state else 0 for series_id, state in fitted.items()}
        tails = self._tails.read(session, [(row, lengths[series_id]) for series_id, row in rows.items()])
        now = self._clock()
        plans = [
            plan_of(row, pushes[series_id], fitted[series_id], tails[row.no], rules, self._settings, now)
            for series_id, row in rows.items()
        ]
        written = intake.take_in(session, intake_of(plans)) if plans else {}
        return settled | {
            plan.push.series_id: (plan, written[plan.stream.no]) for plan in plans if plan.stream.no in written
        }

    def _create(self, session: Session, series_ids: Iterable[str]) -> set[str]:
        """Create streams up to MAX_STREAMS; return the ids that have room."""
        most = self._settings.max_streams
        room = most - streams.count(session, most)
        created = sorted(series_ids)[: max(room, 0)]
        streams.create(session, created)
        return set(created)

    def _count(self, settled: Sequence[tuple[Plan, int]]) -> None:
        """Count what a committed batch wrote."""
        counts: Counter[tuple[str, ...]] = Counter()
        for plan, late in settled:
            fresh = len(plan.fresh.timestamps)
            counts["points", "in_order"] += fresh
            counts["points", "late"] += late
            counts["points", "repeated"] += len(plan.push.timestamps) - fresh - late
            for reason, number in (plan.verdicts.unknown or {}).items():
                counts["unknown_points", reason] += number
            for notice in plan.effects.notices:
                counts["notices", notice.type, notice.quiet or ""] += 1
        for (name, *labels), number in counts.items():
            if number:
                getattr(self._metrics, name).labels(*labels).inc(number)

    def _settle(self, plan: Plan, late: int) -> Taken:
        """Keep the tail, now that the transaction is committed; return what became of the push."""
        fresh = len(plan.fresh.timestamps)
        if fresh and plan.length:
            self._tails.extend(plan.stream.no, plan.stream.revision + 1, plan.length, plan.tail, plan.fresh)
        repeated = len(plan.push.timestamps) - fresh - late
        return Taken(plan.stream, plan.position, plan.watch, fresh + late, late, repeated, plan.verdicts, plan.fresh)

    def _no_room(self) -> TsadError:
        return InputError(
            Code.SERIES_LIMIT,
            f"{self._settings.max_streams:,} series have stored points, the limit (MAX_STREAMS). "
            "Delete some, or raise the setting.",
        )


def _batches(pushes: Sequence[Push]) -> Iterator[list[tuple[int, Push]]]:
    """Split pushes into batches of different series within the limits of an intake, each with its index.

    A series of several pushes is in several batches, and the first push wins.
    """
    batch: dict[str, tuple[int, Push]] = {}
    size = 0
    for index, push in enumerate(pushes):
        for start in range(0, max(len(push.timestamps), 1), intake.MAX_POINTS):
            part = push
            if len(push.timestamps) > intake.MAX_POINTS:
                chosen = slice(start, start + intake.MAX_POINTS)
                part = replace(push, timestamps=push.timestamps[chosen], values=push.values[chosen])
            is_full = len(batch) >= intake.MAX_STREAMS or size + len(part.timestamps) > intake.MAX_POINTS
            if batch and (is_full or part.series_id in batch):
                yield list(batch.values())
                batch, size = {}, 0
            batch[part.series_id] = index, part
            size += len(part.timestamps)
    if batch:
        yield list(batch.values())


def _busy() -> TsadError:
    sentence = "The series was deleted and begun again, over and over, while its points arrived. Send them again."
    return BusyError(Code.STREAM_BUSY, sentence, retry_after_s=1)
