"""Which state answers a prediction: the version that is latest now, or the one that was named, from memory if it can.

States never change, so they are cached by series and version, bounded by bytes. Only what "latest" means is asked anew
for every request.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from api.grouping import Grouped
from shared.artifacts import Artifacts
from shared.caching import Cache
from shared.domain.detectors.states import Fitted, decode
from shared.domain.versions import Artifact, Version, series_not_found
from shared.errors import Code, InputError, NotFoundError, TsadError, UnavailableError
from shared.metrics import Metrics
from shared.store import versions
from shared.store.engine import Sessions
from shared.store.latest import LatestVersions

TRUST_NAMED_S = 5.0  # how long a named version is served after it was last seen to exist
READ_AT_ONCE = 100  # states; the others wait for the next group
_OVERHEAD_BYTES = 2_000  # a small state as Python objects
_VERSION = re.compile(r"[vV]?([0-9]{1,10})")

_Key = tuple[str, int]  # series id and version


def parse_version(text: str | None) -> int | None:
    """Read `3`, `v3`, `V3`; nothing, `0` and `latest` are None, the latest. `InputError` for anything else."""
    if text is None or text == "latest":
        return None
    match = _VERSION.fullmatch(text)
    if not match:
        raise InputError(
            Code.INVALID_VERSION, "A version is a number as in 3 or v3; 0, latest or nothing is the latest."
        )
    return int(match[1]) or None


@dataclass(slots=True)
class _Cached:
    fitted: Fitted
    size: int
    seen_at: float  # monotonic: when its row was last seen


class Resolver:
    """Finds states for predictions. Belongs to one event loop."""

    def __init__(
        self, latest: LatestVersions, sessions: Sessions, artifacts: Artifacts, cache_bytes: int, metrics: Metrics
    ) -> None:
        self._latest = latest
        self._sessions = sessions
        self._artifacts = artifacts
        self._cache: Cache[_Key, _Cached] = Cache(cache_bytes)
        self._metrics = metrics
        self._loading: dict[_Key, asyncio.Task[_Cached]] = {}
        self._read_together = Grouped(self._read, READ_AT_ONCE)

    async def resolve(self, series_id: str, version: int | None) -> tuple[int, Fitted]:
        """The number and the state; `NotFoundError` when there is none, `UnavailableError` without a database."""
        if version is None:
            return await self._latest_state(series_id)
        return version, (await self._named(series_id, version)).fitted

    async def _latest_state(self, series_id: str) -> tuple[int, Fitted]:
        gone = None
        while (number := await self._latest.resolve(series_id)) is not None and number != gone:
            try:
                return number, (await self._state(series_id, number)).fitted
            except NotFoundError:  # it was deleted since: another is latest now
                gone = number
        raise series_not_found()

    async def _named(self, series_id: str, version: int) -> _Cached:
        cached = self._cache.get((series_id, version))
        if cached is None or time.monotonic() - cached.seen_at < TRUST_NAMED_S:
            return await self._state(series_id, version)
        try:
            await asyncio.to_thread(self._find, series_id, version)  # not behind routes that wait for the database
        except UnavailableError:
            return cached  # the state is right whatever became of its row
        except NotFoundError:
            self._cache.forget((series_id, version))
            raise
        cached.seen_at = time.monotonic()
        return cached

    async def _state(self, series_id: str, version: int) -> _Cached:
        key = (series_id, version)
        if cached := self._cache.get(key):
            self._metrics.hits.inc()
            return cached
        self._metrics.misses.inc()
        if key not in self._loading:
            self._loading[key] = asyncio.create_task(self._load(key))
        return await asyncio.shield(self._loading[key])

    async def _load(self, key: _Key) -> _Cached:
        try:
            cached = await self._read_together(key)
        finally:
            del self._loading[key]
        if isinstance(cached, TsadError):
            raise cached
        self._cache.put(key, cached, cached.size)
        return cached

    def _read(self, keys: Sequence[_Key]) -> list[_Cached | TsadError]:
        """One query and one thread for all that are missing at this moment."""
        with self._sessions.statement() as session:
            states = versions.states(session, keys)
        return [self._decoded(key, states.get(key)) for key in keys]

    def _decoded(self, key: _Key, state: Artifact | None) -> _Cached | TsadError:
        try:
            content = self._artifacts.states.get(state or self._find(*key).state)
            return _Cached(decode(content), len(content) + _OVERHEAD_BYTES, time.monotonic())
        except TsadError as error:
            return error

    def _find(self, series_id: str, version: int) -> Version:
        with self._sessions.begin() as session:
            return versions.get(session, series_id, version)
