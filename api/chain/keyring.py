"""The keys there are, as this process read them last: whoever presents one waits for no database."""

import asyncio
import hmac
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from api.lanes import Lane
from shared.domain.access import ANYBODY, Caller, digest
from shared.errors import TsadError
from shared.store import keys
from shared.store.engine import Sessions, unavailable

logger = logging.getLogger(__name__)

READ_EVERY_S = 2.0  # a key that is revoked ends everywhere within 5 s, a slow read included
PAUSE_S = 0.1  # between two reads: whoever guesses keys costs ten queries a second, and no more
TRUSTED_S = 60.0  # how long what was read counts while the database is away
_SHOWN = 8  # bytes of a digest that find an entry; the rest is compared in constant time


class _Entry(NamedTuple):
    digest: bytes
    caller: Caller
    until: float  # monotonic


@dataclass(frozen=True, slots=True)
class _Known:
    any_made: bool
    entries: dict[bytes, _Entry]
    key_ids: frozenset[str]
    read_at: float  # monotonic


class Keyring:
    """Finds callers by what they present. Belongs to one event loop."""

    def __init__(self, sessions: Sessions, lane: Lane, *, off: bool = False) -> None:
        self._sessions = sessions
        self._lane = lane
        self._off = off
        self._known = _Known(any_made=True, entries={}, key_ids=frozenset(), read_at=-math.inf)
        self._asked = asyncio.Event()
        self._next = asyncio.Event()  # set by the read that begins next
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._keep_reading(), name="keyring")

    async def close(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._next.set()

    async def find(self, token: str) -> Caller | None:
        """Whose token it is, also when it was made a moment ago; `UnavailableError` when nobody can tell."""
        presented = digest(token)
        caller = self._look_up(presented)
        if caller is None:
            await self.read_again()
            caller = self._look_up(presented)
            if caller is None:
                self._check_trusted()
        return caller

    async def is_open(self) -> bool:
        """Whether no key was ever made; `UnavailableError` when nobody can tell."""
        if not self._is_trusted():
            await self.read_again()
            self._check_trusted()
        return not self._known.any_made

    def still_knows(self, caller: Caller) -> bool:
        """Whether a caller who was let in some time ago still would be; for what lasts long."""
        if self._off:
            return True
        if caller == ANYBODY:
            return not self._known.any_made
        return caller.key_id in self._known.key_ids

    async def read_again(self) -> None:
        """Return after a read that began after this call."""
        self._asked.set()
        await self._next.wait()

    def _look_up(self, presented: bytes) -> Caller | None:
        entry = self._known.entries.get(presented[:_SHOWN])
        if entry is None or not hmac.compare_digest(entry.digest, presented):
            return None
        return entry.caller if entry.until > time.monotonic() and self._is_trusted() else None

    def _is_trusted(self) -> bool:
        return time.monotonic() - self._known.read_at < TRUSTED_S

    def _check_trusted(self) -> None:
        if not self._is_trusted():
            raise unavailable()

    async def _keep_reading(self) -> None:
        while True:
            began, self._next = self._next, asyncio.Event()
            self._asked.clear()
            try:
                self._known = await self._lane(self._read)
            except TsadError as error:
                logger.warning("the keys cannot be read: %s", error.code)
            except Exception:
                logger.exception("the keys cannot be read")
            began.set()
            await asyncio.sleep(PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_EVERY_S - PAUSE_S):
                    await self._asked.wait()

    def _read(self) -> _Known:
        began = time.monotonic()
        with self._sessions.begin() as session:
            found = keys.read(session)
        entries = {
            one.digest[:_SHOWN]: _Entry(
                one.digest, one.caller, math.inf if one.valid_for_s is None else began + one.valid_for_s
            )
            for one in found.valid
        }
        return _Known(found.any_made, entries, frozenset(one.caller.key_id for one in found.valid), began)
