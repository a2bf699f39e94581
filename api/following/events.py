"""Server-sent events: one job snapshot per event. The event id is the revision of the job's row."""

from collections.abc import AsyncIterator, Callable, Iterable

import msgspec
from starlette.responses import StreamingResponse

from api.following.polling import Stream
from api.schemas.jobs import JobAnswer
from shared.domain.jobs import Job

CHECK_EVERY_S = 2.0  # whether the key is still valid
COMMENT_EVERY_S = 15.0  # proxies close idle connections
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def respond(stream: Stream, current: Iterable[Job], is_allowed: Callable[[], bool], prefix: str) -> StreamingResponse:
    """Return a response that sends the current snapshots, then one for each change.

    The stream of a single job ends with the job. Every stream ends when `is_allowed` returns False. Links are below a
    proxy's prefix.
    """
    for job in current:
        stream.offer(job)
    return StreamingResponse(_events(stream, is_allowed, prefix), media_type="text/event-stream", headers=HEADERS)


async def _events(stream: Stream, is_allowed: Callable[[], bool], prefix: str) -> AsyncIterator[bytes]:
    quiet_s, wait_s = 0.0, min(CHECK_EVERY_S, COMMENT_EVERY_S)
    while is_allowed():
        jobs = await stream.next(wait_s)
        for job in jobs:
            snapshot = msgspec.json.encode(JobAnswer.of(job, prefix))
            yield b"id: %d\nevent: job\ndata: %b\n\n" % (job.revision, snapshot)
        if stream.ended or (stream.job_id and any(job.status.is_final for job in jobs)):
            return
        quiet_s = 0.0 if jobs else quiet_s + wait_s
        if quiet_s >= COMMENT_EVERY_S:
            quiet_s = 0.0
            yield b": nothing new\n\n"
