"""The valid keys as last read by this process, so that checking a key needs no query."""

import asyncio
import hmac
import logging
import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from api.lanes import Lane
from shared.domain.access import ANYBODY, Caller, digest
from shared.errors import TsadError
from shared.store import keys
from shared.store.engine import Sessions, unavailable

logger = logging.getLogger(__name__)

READ_EVERY_S = 2.0  # a revoked key stops working everywhere within 5 s, even if a read is slow
PAUSE_S = 0.1  # between two reads, so that guessed keys cost at most ten queries a second
TRUSTED_S = 60.0  # how long the last read stays valid while the database is unavailable
PRESENTED_S = 60.0  # how long reads include a browser session after it was last presented
_PREFIX_BYTES = 8  # of a digest, to look up an entry; the whole digest is then compared in constant time


class _Entry(NamedTuple):
    digest: bytes
    caller: Caller
    expires_at: float  # monotonic


_Entries = dict[bytes, _Entry]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    any_created: bool  # whether any key was ever created
    keys: _Entries
    browsers: _Entries  # sessions recently presented to this process
    key_ids: frozenset[str]
    read_at: float  # monotonic


class Keyring:
    """Maps tokens to callers. Belongs to one event loop."""

    def __init__(self, sessions: Sessions, lane: Lane, *, off: bool = False) -> None:
        self._sessions = sessions
        self._lane = lane
        self._off = off
        self._snapshot = _Snapshot(any_created=True, keys={}, browsers={}, key_ids=frozenset(), read_at=-math.inf)
        self._presented: dict[bytes, float] = {}  # digests of browser sessions, and when each was last presented
        self._requested = asyncio.Event()
        self._next_read = asyncio.Event()  # set when the next read has finished
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Read the keys every `READ_EVERY_S` from now on. Needs a running event loop."""
        self._task = asyncio.create_task(self._keep_reading(), name="keyring")

    async def close(self) -> None:
        """Stop reading, and release callers that wait for a read."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._next_read.set()

    async def find(self, token: str) -> Caller | None:
        """Return the caller of a key's token; None if it is not valid.

        An unknown token causes another read first, so that a new key works at once. Raises `UnavailableError` if the
        database has been unavailable for `TRUSTED_S`.
        """
        presented = digest(token)
        return await self._find(lambda: self._look_up(self._snapshot.keys, presented))

    async def find_browser(self, token: str) -> Caller | None:
        """Return the caller of a browser session, like `find`. A process reads only sessions presented to it."""
        presented = digest(token)
        self._presented[presented] = time.monotonic()
        return await self._find(lambda: self._look_up(self._snapshot.browsers, presented))

    async def is_open(self) -> bool:
        """Whether no key was ever created; raise `UnavailableError` if the database has been down for `TRUSTED_S`."""
        if not self._is_trusted():
            await self.read_again()
            self._check_trusted()
        return not self._snapshot.any_created

    def is_valid(self, caller: Caller, browser: str | None = None) -> bool:
        """Whether an authenticated caller is still valid, for long-running requests.

        browser: token of the browser session that identified the caller; it must be valid too.
        """
        if self._off:
            return True
        if caller == ANYBODY:
            return not self._snapshot.any_created
        if browser is not None and not self._is_valid_browser(digest(browser)):
            return False
        return caller.key_id in self._snapshot.key_ids

    def _is_valid_browser(self, presented: bytes) -> bool:
        self._presented[presented] = time.monotonic()  # so that the next read includes it
        return self._look_up(self._snapshot.browsers, presented) is not None

    async def read_again(self) -> None:
        """Wait until a read that began after this call has finished."""
        self._requested.set()
        await self._next_read.wait()

    async def _find(self, look_up: Callable[[], Caller | None]) -> Caller | None:
        caller = look_up()
        if caller is None:
            await self.read_again()
            caller = look_up()
            if caller is None:
                self._check_trusted()
        return caller

    def _look_up(self, entries: _Entries, presented: bytes) -> Caller | None:
        entry = entries.get(presented[:_PREFIX_BYTES])
        if entry is None or not hmac.compare_digest(entry.digest, presented):
            return None
        return entry.caller if entry.expires_at > time.monotonic() and self._is_trusted() else None

    def _is_trusted(self) -> bool:
        return time.monotonic() - self._snapshot.read_at < TRUSTED_S

    def _check_trusted(self) -> None:
        if not self._is_trusted():
            raise unavailable()

    async def _keep_reading(self) -> None:
        while True:
            finished, self._next_read = self._next_read, asyncio.Event()
            self._requested.clear()
            presented = [session for session, at in self._presented.items() if at > time.monotonic() - PRESENTED_S]
            try:
                self._snapshot = await self._lane(self._read, presented)
            except TsadError as error:
                logger.warning("cannot read the API keys: %s", error.code)
            except Exception:
                logger.exception("cannot read the API keys")
            self._forget_sessions(presented)
            finished.set()
            await asyncio.sleep(PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_EVERY_S - PAUSE_S):
                    await self._requested.wait()

    def _forget_sessions(self, presented: list[bytes]) -> None:
        """Forget sessions that were read and are not valid, and those not presented for `PRESENTED_S`."""
        valid = {entry.digest for entry in self._snapshot.browsers.values()}
        oldest = time.monotonic() - PRESENTED_S
        unread = self._presented.keys() - presented
        self._presented = {
            session: at
            for session, at in self._presented.items()
            if at > oldest and (session in valid or session in unread)
        }

    def _read(self, presented: list[bytes]) -> _Snapshot:
        began = time.monotonic()
        with self._sessions.begin() as session:
            credentials = keys.read(session, presented)
        key_ids = frozenset(credential.caller.key_id for credential in credentials.valid)
        valid, browsers = _entries(credentials.valid, began), _entries(credentials.browsers, began)
        return _Snapshot(credentials.any_created, valid, browsers, key_ids, began)


def _entries(credentials: Iterable[keys.Credential], began: float) -> _Entries:
    entries = {}
    for credential in credentials:
        expires_at = math.inf if credential.valid_for_s is None else began + credential.valid_for_s
        entries[credential.digest[:_PREFIX_BYTES]] = _Entry(credential.digest, credential.caller, expires_at)
    return entries
