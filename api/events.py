"""Server-sent events: snapshots of jobs, one an event, whose id is the revision of the job's row."""

from collections.abc import AsyncIterator, Iterable

import msgspec
from starlette.responses import StreamingResponse

from api.job_answers import JobAnswer
from api.watching import Stream
from shared.domain.jobs import Job

COMMENT_EVERY_S = 15.0  # proxies close connections that say nothing
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def respond(stream: Stream, first: Iterable[Job]) -> StreamingResponse:
    """The snapshots there are, then those that follow. A stream of one job ends with the job."""
    for job in first:
        stream.offer(job)
    return StreamingResponse(_events(stream), media_type="text/event-stream", headers=_HEADERS)


async def _events(stream: Stream) -> AsyncIterator[bytes]:
    while True:
        jobs = await stream.next(COMMENT_EVERY_S)
        for job in jobs:
            yield b"id: %d\nevent: job\ndata: %b\n\n" % (job.revision, msgspec.json.encode(JobAnswer.of(job)))
        if stream.ended or (stream.job_id and any(job.status.is_final for job in jobs)):
            return
        if not jobs:
            yield b": nothing new\n\n"
