"""Waits and streams: all of a process are fed by one query every tenth of a second.

No LISTEN, so that a transaction pooler between us and PostgreSQL does no harm.
"""

import asyncio
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from itertools import count, islice
from weakref import WeakSet

from api.lanes import Lane
from shared.domain.jobs import Job, Status
from shared.errors import BusyError, Code, UnavailableError
from shared.store import jobs
from shared.store.engine import Sessions
from shared.store.jobs import Revision, Wanted

LOOK_EVERY_S = 0.1
LOOKS_BETWEEN_LISTS = 5  # streams of many jobs are fed less often than those of one
LATELY_S = 10.0  # longer than any transaction of ours: what it wrote is seen when it is committed
MOST_WAITERS = 1000
LONGEST_WAIT_S = 30  # that a client may ask for
MOST_STREAMS = 200
MOST_SNAPSHOTS = 500  # of one look; the rest follows in the next


class Stream:
    """Snapshots of one job, or of all that are wanted, that changed and were not sent yet: of each the newest only."""

    def __init__(self, wanted: Wanted, job_id: str | None = None) -> None:
        self.job_id = job_id
        self.ended = False
        self._wanted = wanted
        self._shown: dict[str, int] = {}  # revisions of open jobs, as they were sent
        self._changed: dict[str, Job] = {}
        self._news = asyncio.Event()

    def offer(self, job: Job) -> None:
        """Send the snapshot if it is news of a job that is wanted, or was until now."""
        if self._shown.get(job.job_id, 0) >= job.revision:
            return
        wanted = self._wanted.includes(job) if self.job_id is None else job.job_id == self.job_id
        if wanted or job.job_id in self._shown:
            self._changed[job.job_id] = job
            self._news.set()
        if wanted and not job.status.is_final:
            self._shown[job.job_id] = job.revision
        else:
            self._shown.pop(job.job_id, None)

    def end(self) -> None:
        """Nothing more will come."""
        self.ended = True
        self._news.set()

    async def next(self, seconds: float) -> list[Job]:
        """What changed since the last call, at once or as soon as something does; nothing when the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return []
        self._news.clear()
        changed, self._changed = self._changed, {}
        return list(changed.values())


class Poller:
    """Tells waits and streams of a process what became of jobs. Belongs to one event loop."""

    def __init__(self, sessions: Sessions, lane: Lane) -> None:
        self._sessions = sessions
        self._lane = lane
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._waiters = 0
        self._streams: WeakSet[Stream] = WeakSet()  # one whose client is gone needs no goodbye
        self._known: dict[str, Revision] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def wait(self, job_id: str, seconds: float) -> None:
        """Return when the job has ended, the time is over, too many wait already, or the process stops."""
        if seconds <= 0 or self._waiters >= MOST_WAITERS or self._closed:
            return
        ended = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(ended)
        self._waiters += 1
        self._start_looking()
        try:
            async with asyncio.timeout(seconds):
                await ended.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters -= 1
            waiting = self._waiting.get(job_id, set())
            waiting.discard(ended)
            if not waiting:
                self._waiting.pop(job_id, None)

    def stream(self, wanted: Wanted, job_id: str | None = None) -> Stream:
        """A stream of one job, or of those that are wanted. Keep it as long as it is read; `BusyError` beyond 200."""
        if len(self._streams) >= MOST_STREAMS:
            raise BusyError(
                Code.TOO_MANY_STREAMS, f"{MOST_STREAMS} streams are open on this process already.", retry_after_s=15
            )
        stream = Stream(wanted, job_id)
        if self._closed:
            stream.end()
        self._streams.add(stream)
        self._start_looking()
        return stream

    def close(self) -> None:
        """Let every wait and stream end now."""
        self._closed = True
        for stream in self._streams:
            stream.end()
        for waiting in self._waiting.values():
            for ended in waiting:
                ended.set()

    def _start_looking(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="poller")

    async def _look(self) -> None:
        try:
            for turn in count():
                if not (self._waiting or self._streams):
                    return
                has_lists = any(stream.job_id is None for stream in self._streams)
                one_by_one = self._waiting.keys() | {stream.job_id for stream in self._streams if stream.job_id}
                lists = has_lists and turn % LOOKS_BETWEEN_LISTS == 0
                try:
                    seen, changed = await self._lane(self._read, one_by_one, lists=lists)
                except UnavailableError:
                    pass
                else:
                    self._remember(seen, changed, keep_others=has_lists and not lists)
                    self._tell(one_by_one, seen, changed)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._looking = None

    def _read(self, one_by_one: AbstractSet[str], *, lists: bool) -> tuple[dict[str, Revision], dict[str, Job]]:
        """Revisions, and snapshots of what changed since the last look, if anybody streams."""
        ran = {job_id for job_id, known in self._known.items() if known.status == Status.RUNNING} if lists else set()
        with self._sessions.statement() as session:
            seen = jobs.revisions(session, one_by_one | ran)
            if lists:
                seen |= jobs.revisions_lately(session, LATELY_S)
            news = (job_id for job_id, revision in seen.items() if self._known.get(job_id) != revision)
            changed = list(islice(news, MOST_SNAPSHOTS)) if self._streams else []
            return seen, jobs.find(session, changed) if changed else {}

    def _remember(self, seen: Mapping[str, Revision], changed: Collection[str], *, keep_others: bool) -> None:
        """Know the revisions that streams were told, so that the rest is news at the next look."""
        before = self._known
        told = {id_: new for id_, new in seen.items() if id_ in changed or before.get(id_) == new}
        others = {id_: old for id_, old in before.items() if id_ not in seen} if keep_others else {}
        self._known = others | told

    def _tell(self, one_by_one: AbstractSet[str], seen: Mapping[str, Revision], changed: Mapping[str, Job]) -> None:
        for stream in list(self._streams):
            for job in changed.values():
                stream.offer(job)
            if stream.job_id in one_by_one and stream.job_id not in seen:  # it was pruned
                stream.end()
        for job_id in one_by_one:
            if job_id not in seen or seen[job_id].is_final:
                for ended in self._waiting.get(job_id, ()):
                    ended.set()
