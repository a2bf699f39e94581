"""Bounds on request bodies: their size, expanded and together, and how slowly they may arrive."""

import asyncio
import time
import zlib

from starlette.types import Message, Receive

from shared.errors import BusyError, Code, InputError

WAIT_FOR_BUDGET_S = 5.0
LONGEST_PAUSE_S = 30.0  # between two parts of a body: who holds memory has to go on
PATIENCE_S = 60.0  # with all of a body, and a second more for every so many bytes of it
SLOWEST_BYTES_PER_S = 4096
MOST_EXPANSION = 200  # times its size: JSON of real points expands 5 to 50 times
EXPANDS_FREELY_BYTES = 1024 * 1024  # short of this, how far it expands costs nobody anything
SMALL_BYTES = 64 * 1024  # not counted, so that a prediction never waits for large uploads
_PIECE_BYTES = 256 * 1024  # expanded at a time
_GZIP = 16 + zlib.MAX_WBITS


class Budget:
    """Bytes that all bodies of this process may hold together.

    A body takes more while it arrives, so that one that is only announced takes nothing. Bodies that have all begun
    could then wait for each other: what the largest may need is kept for one of them at a time, which goes on.
    """

    def __init__(self, most: int, largest: int) -> None:
        self._left = most - largest
        self._taken: dict[object, int] = {}
        self._favoured: object | None = None
        self._freed = asyncio.Event()

    async def take(self, owner: object, size: int) -> None:
        """Take bytes, waiting a while for others to be freed; then `BusyError`."""
        try:
            async with asyncio.timeout(WAIT_FOR_BUDGET_S):
                while not self._grant(owner, size):
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise BusyError(
                Code.OVERLOADED, "Too many large bodies are being received. Try again.", retry_after_s=5
            ) from None

    def free(self, owner: object) -> None:
        """Give back all that the owner took."""
        self._left += self._taken.pop(owner, 0)
        if self._favoured is owner:
            self._favoured = None
        self._freed.set()

    def _grant(self, owner: object, size: int) -> bool:
        if size <= self._left:
            self._left -= size
            self._taken[owner] = self._taken.get(owner, 0) + size
            return True
        if self._favoured is None:
            self._favoured = owner
        return self._favoured is owner


class Gunzip:
    """Expands gzip piece by piece: a few bytes may stand for gigabytes, which never come at once."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._packed = b""
        self.pending = False  # more can be expanded of what was fed

    def feed(self, packed: bytes) -> None:
        """Take the next bytes, everything before being expanded."""
        self._packed = packed
        self.pending = bool(packed)

    def piece(self) -> bytes:
        """The next expanded bytes; `InputError` when they are no gzip."""
        if self._member.eof and self._packed:  # files that were joined are one file to gzip
            self._member = zlib.decompressobj(_GZIP)
        try:
            expanded = self._member.decompress(self._packed, _PIECE_BYTES)
        except zlib.error:
            raise InputError(Code.INVALID_ENCODING, "The body is not what gzip makes.") from None
        self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self.pending = bool(self._packed) or len(expanded) == _PIECE_BYTES
        return expanded

    def check_end(self) -> None:
        """Raise `InputError` unless all of it was there."""
        if not self._member.eof:
            raise InputError(Code.INVALID_ENCODING, "The gzip body ends too early.")


class LimitedBody:
    """One body: counts, expands and bounds what `receive` brings."""

    def __init__(self, receive: Receive, most: int, budget: Budget, *, gzipped: bool) -> None:
        self._receive = receive
        self._most = most
        self._budget = budget
        self._gunzip = Gunzip() if gzipped else None
        self._arriving = True
        self._came = 0  # bytes, as they were sent
        self._waited_s = 0.0  # for them
        self._held = 0
        self._taken = 0

    async def receive(self) -> Message:
        """The next part, expanded; `InputError` once the whole is too large."""
        part = b""
        if self._gunzip is None or not self._gunzip.pending:
            message = await self._arrived()
            if message["type"] != "http.request":
                return message
            part, self._arriving = message.get("body", b""), message.get("more_body", False)
        more = self._arriving
        if self._gunzip:
            if part:
                self._gunzip.feed(part)
            else:
                await asyncio.sleep(0)  # let others have their turn while this one expands
            part = self._gunzip.piece()
            more = more or self._gunzip.pending
            if not more:
                self._gunzip.check_end()
        await self._hold(len(part))
        return {"type": "http.request", "body": part, "more_body": more}

    def close(self) -> None:
        """Free what the body held."""
        if self._taken:
            self._budget.free(self)

    async def _arrived(self) -> Message:
        if not self._arriving:  # only the end of the connection can follow, however late
            return await self._receive()
        left_s = PATIENCE_S + self._came / SLOWEST_BYTES_PER_S - self._waited_s
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(min(left_s, LONGEST_PAUSE_S), 0)):
                message = await self._receive()
        except TimeoutError:
            raise InputError(
                Code.BODY_TOO_SLOW,
                f"The body arrives more slowly than {SLOWEST_BYTES_PER_S:,} bytes a second, so it is given up.",
            ) from None
        self._waited_s += time.monotonic() - began
        self._came += len(message.get("body", b""))
        return message

    async def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._most:
            raise InputError(Code.BODY_TOO_LARGE, f"The body is larger than {self._most:,} bytes.")
        if self._gunzip and self._held > max(EXPANDS_FREELY_BYTES, MOST_EXPANSION * self._came):
            raise InputError(Code.BODY_TOO_LARGE, f"The body expands to more than {MOST_EXPANSION} times its size.")
        wanted = self._held - self._taken - SMALL_BYTES
        if wanted > 0:
            self._taken += wanted
            await self._budget.take(self, wanted)
