"""Server-sent events: one snapshot per event. Its id says how new the snapshot is."""

from collections.abc import AsyncIterator, Callable, Iterable

from starlette.responses import StreamingResponse

from api.following.streams import Item, Stream

CHECK_EVERY_S = 2.0  # whether the caller is still allowed to follow
COMMENT_EVERY_S = 15.0  # proxies close idle connections
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def respond(
    stream: Stream[Item], current: Iterable[Item], is_allowed: Callable[[], bool], event_of: Callable[[Item], bytes]
) -> StreamingResponse:
    """Return a response that sends the current snapshots, then one for each change.

    It ends with the stream, or when `is_allowed` returns False.
    """
    for item in current:
        stream.offer(item)
    return StreamingResponse(_events(stream, is_allowed, event_of), media_type="text/event-stream", headers=HEADERS)


def event(kind: str, id_: int, body: bytes) -> bytes:
    """Return one event. body: JSON without line ends."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (id_, kind.encode(), body)


async def _events(
    stream: Stream[Item], is_allowed: Callable[[], bool], event_of: Callable[[Item], bytes]
) -> AsyncIterator[bytes]:
    quiet_s, wait_s = 0.0, min(CHECK_EVERY_S, COMMENT_EVERY_S)
    while is_allowed():
        changed = await stream.next(wait_s)
        for item in changed:
            yield event_of(item)
        if stream.ended:
            return
        quiet_s = 0.0 if changed else quiet_s + wait_s
        if quiet_s >= COMMENT_EVERY_S:
            quiet_s = 0.0
            yield b": nothing new\n\n"
