"""Waits and streams: one query every 100 ms serves all of them in a process.

The query replaces LISTEN, which does not work through a transaction pooler.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from itertools import count, islice

from api.following.streams import Stream, Streams
from api.lanes import Lane
from shared.domain.jobs import Job, Status
from shared.errors import UnavailableError
from shared.store import jobs
from shared.store.engine import Sessions
from shared.store.jobs import JobFilter, Revision

POLL_EVERY_S = 0.1
POLLS_PER_LIST = 5  # only every fifth poll serves streams of many jobs
RECENT_S = 10.0  # longer than any of our transactions, so a change is still recent when it is committed
MAX_WAITERS, MAX_WAITERS_PER_KEY = 1000, 250
MAX_WAIT_S = 30  # that a client may request
MAX_SNAPSHOTS = 500  # per poll; the rest follows with the next one


class JobStream(Stream[Job]):
    """Changes of one job, with which the stream ends, or of all jobs that match a filter."""

    def __init__(self, job_filter: JobFilter, job_id: str | None, key_id: str) -> None:
        super().__init__(key_id)
        self.job_id = job_id
        self._filter = job_filter
        self._sent_revisions: dict[str, int] = {}  # of open jobs, by job id

    def offer(self, job: Job) -> None:
        """Queue the snapshot if its revision is new, and the job matches the filter or matched it until now."""
        if self._sent_revisions.get(job.job_id, 0) >= job.revision:
            return
        matches = self._filter.includes(job) if self.job_id is None else job.job_id == self.job_id
        if matches or job.job_id in self._sent_revisions:
            self.put(job.job_id, job)
        if matches and not job.status.is_final:
            self._sent_revisions[job.job_id] = job.revision
        else:
            self._sent_revisions.pop(job.job_id, None)
        if matches and self.job_id and job.status.is_final:
            self.end()


class Poller:
    """Polls the jobs that the waits and streams of a process follow. Belongs to one event loop."""

    def __init__(self, sessions: Sessions, lane: Lane) -> None:
        self._sessions = sessions
        self._lane = lane
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._waiters: Counter[str] = Counter()  # by key id
        self._streams: Streams[JobStream] = Streams()
        self._published: dict[str, Revision] = {}  # by job id
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def wait(self, job_id: str, seconds: float, key_id: str = "") -> None:
        """Wait until the job ends, the time is up, or the process stops.

        Returns at once if `MAX_WAITERS` calls are already waiting, or `MAX_WAITERS_PER_KEY` of this key. While no keys
        exist, `key_id` is empty, and only the former applies.
        """
        is_share_used = bool(key_id) and self._waiters[key_id] >= MAX_WAITERS_PER_KEY
        if seconds <= 0 or is_share_used or self._waiters.total() >= MAX_WAITERS or self._closed:
            return
        ended = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(ended)
        self._waiters[key_id] += 1
        self._start_polling()
        try:
            async with asyncio.timeout(seconds):
                await ended.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters[key_id] -= 1
            self._waiters += Counter()  # drops zeros
            waiting = self._waiting.get(job_id, set())
            waiting.discard(ended)
            if not waiting:
                self._waiting.pop(job_id, None)

    def stream(self, job_filter: JobFilter, job_id: str | None = None, key_id: str = "") -> JobStream:
        """Open a stream of one job, or of all that match the filter; raise `BusyError` as `Streams.add` does."""
        stream = self._streams.add(JobStream(job_filter, job_id, key_id))
        self._start_polling()
        return stream

    def close(self) -> None:
        """End every wait and stream now."""
        self._closed = True
        self._streams.close()
        for waiting in self._waiting.values():
            for ended in waiting:
                ended.set()

    def _start_polling(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._poll(), name="poller")

    async def _poll(self) -> None:
        try:
            for number in count():
                if not (self._waiting or self._streams):
                    return
                has_lists = any(stream.job_id is None for stream in self._streams)
                followed = self._waiting.keys() | {stream.job_id for stream in self._streams if stream.job_id}
                reads_lists = has_lists and number % POLLS_PER_LIST == 0
                try:
                    revisions, changed = await self._lane(self._read, followed, reads_lists=reads_lists)
                except UnavailableError:
                    pass
                else:
                    self._keep_published(revisions, changed, keeps_others=has_lists and not reads_lists)
                    self._publish(followed, revisions, changed)
                await asyncio.sleep(POLL_EVERY_S)
        finally:
            self._task = None

    def _read(self, followed: AbstractSet[str], *, reads_lists: bool) -> tuple[dict[str, Revision], dict[str, Job]]:
        """Return revisions and, if any stream is open, snapshots of jobs that changed since the last publication."""
        job_ids = set(followed)
        if reads_lists:  # a running job that is requeued is not among the recent ones
            job_ids |= {job_id for job_id, revision in self._published.items() if revision.status == Status.RUNNING}
        with self._sessions.statement() as session:
            revisions = jobs.revisions(session, job_ids)
            if reads_lists:
                revisions |= jobs.recent_revisions(session, RECENT_S)
            unpublished = (id_ for id_, revision in revisions.items() if self._published.get(id_) != revision)
            changed = list(islice(unpublished, MAX_SNAPSHOTS)) if self._streams else []
            return revisions, jobs.find(session, changed) if changed else {}

    def _keep_published(
        self, revisions: Mapping[str, Revision], changed: Collection[str], *, keeps_others: bool
    ) -> None:
        """Keep only the revisions whose snapshots are published, so that the next poll sees the others as changed."""
        before = self._published
        published = {id_: new for id_, new in revisions.items() if id_ in changed or before.get(id_) == new}
        others = {id_: old for id_, old in before.items() if id_ not in revisions} if keeps_others else {}
        self._published = others | published

    def _publish(
        self, followed: AbstractSet[str], revisions: Mapping[str, Revision], changed: Mapping[str, Job]
    ) -> None:
        """Offer changed jobs to the streams, and end waits and streams of jobs that ended or were deleted."""
        for stream in self._streams:
            for job in changed.values():
                stream.offer(job)
            if stream.job_id in followed and stream.job_id not in revisions:  # retention deleted the job
                stream.end()
        for job_id in followed:
            if job_id not in revisions or revisions[job_id].status.is_final:
                for ended in self._waiting.get(job_id, ()):
                    ended.set()
