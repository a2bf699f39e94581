"""Resolution of the latest or a given version to the state that scores points, from memory if possible.

States never change, and are cached by the SHA-256 of their artifact. Every request reads the digest of the latest
version from the database, so no stale state is served after a restore from an earlier backup.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from api.grouping import Grouped
from api.lanes import Lane
from shared.caching import Cache
from shared.domain.detectors.states import Fitted
from shared.domain.versions import Artifact, series_not_found
from shared.errors import NotFoundError, TsadError, UnavailableError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.store import versions
from shared.store.engine import Sessions
from shared.store.latest import LatestVersions

TRUST_NAMED_S = 5.0  # how long a named version is served without reading its row again
NAMED_ANSWER_S = 0.5  # how long a cached named version waits for the database before it is served
MAX_ROWS_PER_GROUP, MAX_STATES_PER_GROUP = 1_000, 100  # the others wait for the next group
MAX_CACHED_ROWS = 50_000  # of versions, about 400 bytes each

_Key = tuple[str, int]  # series id and version


@dataclass(frozen=True, slots=True)
class _Row:
    """The part of a version's row that identifies its state, and when it was read."""

    state_sha256: bytes
    read_at: float  # monotonic


class Resolver:
    """Resolves versions to fitted states. Belongs to one event loop."""

    def __init__(
        self, latest: LatestVersions, sessions: Sessions, states: States, metrics: Metrics, states_lane: Lane
    ) -> None:
        self._latest = latest
        self._sessions = sessions
        self._states = states
        self._metrics = metrics
        self._rows: Cache[_Key, _Row] = Cache(MAX_CACHED_ROWS)
        self._loading: dict[bytes, asyncio.Task[Fitted]] = {}  # by digest
        self._find_in_group = Grouped(self._find, MAX_ROWS_PER_GROUP, states_lane)  # one query for concurrent requests
        self._load_in_group = Grouped(self._load, MAX_STATES_PER_GROUP, states_lane)

    async def resolve(self, series_id: str, version: int | None) -> tuple[int, Fitted]:
        """Return number and state of a version, the latest for None.

        Raises `NotFoundError` if there is no such version, and `UnavailableError` if a required server is unavailable.
        """
        if version is None:
            return await self._latest_state(series_id)
        return version, await self._named_state(series_id, version)

    async def _latest_state(self, series_id: str) -> tuple[int, Fitted]:
        deleted = None
        while (latest := await self._latest.resolve(series_id)) is not None and latest.version != deleted:
            if fitted := self._states.cached(latest.state_sha256):
                self._metrics.hits.inc()
                return latest.version, fitted
            try:
                return latest.version, await self._state(await self._find_in_group((series_id, latest.version)))
            except NotFoundError:  # deleted in the meantime, so another version is now the latest
                deleted = latest.version
        raise series_not_found()

    async def _named_state(self, series_id: str, version: int) -> Fitted:
        key = (series_id, version)
        row = self._rows.get(key)
        fitted = self._states.cached(row.state_sha256) if row else None
        if row and fitted and time.monotonic() - row.read_at < TRUST_NAMED_S:
            self._metrics.hits.inc()
            return fitted
        try:
            # Without a cached state, wait for as long as the database may take.
            artifact = await asyncio.wait_for(self._find_in_group(key), NAMED_ANSWER_S if fitted else None)
        except (UnavailableError, TimeoutError):
            if fitted:
                return fitted  # a version's state never changes; at worst the version was deleted
            raise
        except NotFoundError:
            self._rows.forget(key)
            raise
        return await self._state(artifact)

    async def _state(self, artifact: Artifact) -> Fitted:
        """Return the state from memory, or load it once for all concurrent requests.

        A load continues if the request that started it ends.
        """
        if fitted := self._states.cached(artifact.sha256):
            self._metrics.hits.inc()
            return fitted
        self._metrics.misses.inc()
        if artifact.sha256 not in self._loading:
            self._loading[artifact.sha256] = asyncio.create_task(self._load_once(artifact))
        return await asyncio.shield(self._loading[artifact.sha256])

    async def _load_once(self, artifact: Artifact) -> Fitted:
        try:
            return await self._load_in_group(artifact)
        finally:
            del self._loading[artifact.sha256]

    def _find(self, keys: Sequence[_Key]) -> list[Artifact | TsadError]:
        """Return the state's artifact of each version, or the error for a missing one, in order."""
        with self._sessions.statement() as session:
            artifacts = versions.states(session, keys)
            missing = {key: versions.missing(session, *key) for key in keys if key not in artifacts}
        now = time.monotonic()
        for key, artifact in artifacts.items():
            self._rows.put(key, _Row(artifact.sha256, now), 1)
        return [artifacts.get(key) or missing[key] for key in keys]

    def _load(self, artifacts: Sequence[Artifact]) -> list[Fitted | TsadError]:
        """Load states in one thread; return a state or an error for each, in order."""
        outcomes: list[Fitted | TsadError] = []
        for artifact in artifacts:
            try:
                outcomes.append(self._states.load(artifact))
            except TsadError as error:
                outcomes.append(error)
        return outcomes
