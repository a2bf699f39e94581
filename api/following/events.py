"""Server-sent events: snapshots of jobs, one an event, whose id is the revision of the job's row."""

from collections.abc import AsyncIterator, Callable, Iterable

import msgspec
from starlette.responses import StreamingResponse

from api.following.polling import Stream
from api.schemas.jobs import JobAnswer
from shared.domain.jobs import Job

LOOK_EVERY_S = 2.0  # whether the key is still one
COMMENT_EVERY_S = 15.0  # proxies close connections that say nothing
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def respond(stream: Stream, first: Iterable[Job], is_allowed: Callable[[], bool]) -> StreamingResponse:
    """The snapshots there are, then those that follow. A stream of one job ends with the job, any with its key."""
    for job in first:
        stream.offer(job)
    return StreamingResponse(_events(stream, is_allowed), media_type="text/event-stream", headers=_HEADERS)


async def _events(stream: Stream, is_allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    quiet_s, wait_s = 0.0, min(LOOK_EVERY_S, COMMENT_EVERY_S)
    while is_allowed():
        jobs = await stream.next(wait_s)
        for job in jobs:
            yield b"id: %d\nevent: job\ndata: %b\n\n" % (job.revision, msgspec.json.encode(JobAnswer.of(job)))
        if stream.ended or (stream.job_id and any(job.status.is_final for job in jobs)):
            return
        quiet_s = 0.0 if jobs else quiet_s + wait_s
        if quiet_s >= COMMENT_EVERY_S:
            quiet_s = 0.0
            yield b": nothing new\n\n"
