"""Limits on request bodies: expanded size, total size within the process, and minimum transfer rate.

Large bodies arrive in turn, a part in each turn of the event loop.
"""

import asyncio
import time
import zlib
from collections import deque

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Message, Receive

from api.chain import snappy
from api.computing.content import Content
from shared.errors import BusyError, Code, InputError

WAIT_FOR_BUDGET_S = 5.0
MAX_PAUSE_S = 30.0  # between two parts of a body: a stalled body holds memory
BODY_WITHIN_S = 60.0  # for a whole body, plus a second for each MIN_BYTES_PER_S bytes of it
MIN_BYTES_PER_S = 4096
MAX_EXPANSION = 200  # times the compressed size; JSON of real points expands 5 to 50 times
EXPANDS_FREELY_BYTES = 1024 * 1024  # up to this size, any expansion is harmless
SMALL_BYTES = 64 * 1024  # the first bytes of each body are free, so predictions never wait for large uploads
_PIECE_BYTES = 256 * 1024  # expanded at a time
_EXPANDED_AT_ONCE_BYTES = 1024 * 1024
CONTENT = "content"  # in the state of a request: its large content, freed at its end
_GZIP = 16 + zlib.MAX_WBITS


class Budget:
    """Bytes that all bodies of this process may hold together.

    A body takes bytes as they arrive, not by its Content-Length. Partly received bodies could thus wait for each
    other forever, so the budget reserves the size of the largest body for one body at a time, which can always finish.
    """

    def __init__(self, max_bytes: int, max_body_bytes: int) -> None:
        self._left = max_bytes - max_body_bytes
        self._taken: dict[object, int] = {}
        self._reserved_for: object | None = None
        self._freed = asyncio.Event()

    async def take(self, owner: object, size: int) -> None:
        """Take bytes; if too few are left, wait up to `WAIT_FOR_BUDGET_S` for more, then raise `BusyError`."""
        try:
            async with asyncio.timeout(WAIT_FOR_BUDGET_S):
                while not self._grant(owner, size):
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise BusyError(
                Code.OVERLOADED,
                "Request bodies in flight reached MAX_BODY_BYTES_IN_FLIGHT. Try again in 5 seconds.",
                retry_after_s=5,
            ) from None

    def free(self, owner: object) -> None:
        """Return all bytes that the owner took."""
        self._left += self._taken.pop(owner, 0)
        if self._reserved_for is owner:
            self._reserved_for = None
        self._freed.set()

    def _grant(self, owner: object, size: int) -> bool:
        if size <= self._left:
            self._left -= size
            self._taken[owner] = self._taken.get(owner, 0) + size
            return True
        if self._reserved_for is None:
            self._reserved_for = owner
        return self._reserved_for is owner


class Pace:
    """Lets bodies go on one after the other, one in each turn of the event loop.

    Each then receives up to 256 KB. If 16 clients sent as much in the same turn, others would wait for all of it.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Wait until the caller may go on."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            self._schedule()
        await turn

    def _schedule(self) -> None:
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        turn = self._waiting.popleft()
        if not turn.done():  # its request was canceled
            turn.set_result(None)
        if self._waiting:
            self._schedule()


class Gunzip:
    """Incremental gzip decoder. A few bytes may expand to gigabytes, so each call returns one piece of bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._compressed = b""
        self.pending = False  # whether `piece` has more to return

    def feed(self, compressed: bytes) -> None:
        """Set the next compressed bytes. All earlier ones must have been expanded."""
        self._compressed = compressed
        self.pending = bool(compressed)

    def piece(self) -> bytes:
        """Return the next expanded bytes; raise `InputError` if the input is not valid gzip."""
        if self._member.eof and self._compressed:  # concatenated gzip files are one valid gzip file
            self._member = zlib.decompressobj(_GZIP)
        try:
            expanded = self._member.decompress(self._compressed, _PIECE_BYTES)
        except zlib.error:
            raise InputError(Code.INVALID_ENCODING, "The body is not valid gzip.") from None
        self._compressed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self.pending = bool(self._compressed) or len(expanded) == _PIECE_BYTES
        return expanded

    def check_end(self) -> None:
        """Raise `InputError` if the input ends before the end of the gzip stream."""
        if not self._member.eof:
            raise InputError(Code.INVALID_ENCODING, "The gzip body is truncated.")


def too_large(limit: int) -> InputError:
    """Create the error for a body of more than `limit` bytes."""
    return InputError(Code.BODY_TOO_LARGE, f"The body is larger than MAX_BODY_BYTES ({limit:,}). Send fewer points.")


async def read(request: Request, max_bytes: int) -> Content:
    """Return the body; raise `InputError` as soon as it is larger than the largest valid body of its route."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            sentence = f"The body is larger than this route allows ({max_bytes:,} bytes). Send fewer points."
            raise InputError(Code.BODY_TOO_LARGE, sentence)
        parts.append(part)
    content = Content(parts)
    if size > SMALL_BYTES:
        request.scope["state"][CONTENT] = content
    return content


class LimitedBody:
    """One request body: counts, expands and limits the bytes that `receive` returns."""

    def __init__(self, receive: Receive, max_bytes: int, budget: Budget, pace: Pace, encoding: bytes) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._budget = budget
        self._pace = pace
        self._gunzip = Gunzip() if encoding == b"gzip" else None
        self._is_snappy = encoding == b"snappy"
        self._block = memoryview(b"")  # expanded, and not yet returned
        self._arriving = True
        self._received_bytes = 0  # as sent
        self._waited_s = 0.0  # for these bytes
        self._expanded_bytes = 0
        self._budgeted_bytes = 0  # taken from the budget

    async def receive(self) -> Message:
        """Return the next part, expanded.

        Raises `InputError` if the body is too large, too slow, or not valid gzip or snappy, and `BusyError` without
        budget.
        """
        if self._is_snappy and (self._arriving or self._block):
            return await self._receive_block()
        part = b""
        if self._gunzip is None or not self._gunzip.pending:
            message = await self._receive_in_time()
            if message["type"] != "http.request":
                return message
            part, self._arriving = message.get("body", b""), message.get("more_body", False)
        more = self._arriving
        if self._gunzip:
            if part:
                self._gunzip.feed(part)
            await self._pace.turn()
            part = self._gunzip.piece()
            more = more or self._gunzip.pending
            if not more:
                self._gunzip.check_end()
        await self._count(len(part))
        return {"type": "http.request", "body": part, "more_body": more}

    def close(self) -> None:
        """Return the body's bytes to the budget."""
        if self._budgeted_bytes:
            self._budget.free(self)

    async def _receive_block(self) -> Message:
        """Return the next piece of a snappy block, which cannot be expanded in parts."""
        if self._arriving:
            parts = []
            while self._arriving:
                message = await self._receive_in_time()
                if message["type"] != "http.request":
                    return message
                parts.append(message.get("body", b""))
                self._arriving = message.get("more_body", False)
                await self._count(len(parts[-1]))
            self._block = await self._expanded(Content(parts))
        piece, self._block = self._block[:_PIECE_BYTES], self._block[_PIECE_BYTES:]
        if self._block:
            await self._pace.turn()
        return {"type": "http.request", "body": bytes(piece), "more_body": len(self._block) > 0}

    async def _expanded(self, block: Content) -> memoryview:
        size = snappy.size_of(block.start(snappy.HEAD_BYTES), len(block))
        self._expanded_bytes = 0
        await self._count(size, held=len(block))
        if size > _EXPANDED_AT_ONCE_BYTES:
            return await run_in_threadpool(snappy.expanded, block, size)
        return snappy.expanded(block, size)

    async def _receive_in_time(self) -> Message:
        if not self._arriving:  # only a disconnect can follow, and it has no deadline
            return await self._receive()
        if self._received_bytes > SMALL_BYTES:
            await self._pace.turn()
        left_s = BODY_WITHIN_S + self._received_bytes / MIN_BYTES_PER_S - self._waited_s
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(min(left_s, MAX_PAUSE_S), 0)):
                message = await self._receive()
        except TimeoutError:
            raise InputError(
                Code.BODY_TOO_SLOW,
                f"The body stopped arriving, or is slower than {MIN_BYTES_PER_S:,} bytes a second. Send it again.",
            ) from None
        self._waited_s += time.monotonic() - began
        self._received_bytes += len(message.get("body", b""))
        return message

    async def _count(self, size: int, held: int = 0) -> None:
        """Add expanded bytes, and take them from the budget. held: compressed bytes that are in memory, too."""
        self._expanded_bytes += size
        if self._expanded_bytes > self._max_bytes:
            raise too_large(self._max_bytes)
        if self._gunzip and self._expanded_bytes > max(EXPANDS_FREELY_BYTES, MAX_EXPANSION * self._received_bytes):
            sentence = f"The gzip body expands to more than {MAX_EXPANSION} times its size. Send it uncompressed."
            raise InputError(Code.BODY_TOO_LARGE, sentence)
        missing = self._expanded_bytes + held - self._budgeted_bytes - SMALL_BYTES
        if missing > 0:
            self._budgeted_bytes += missing
            await self._budget.take(self, missing)
