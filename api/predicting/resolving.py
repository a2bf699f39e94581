"""The state that judges a prediction: that of the latest version or of a named one, from memory if possible.

States never change, and are cached by the SHA-256 of their artifact. The digest of the latest version is read from the
database for every request, so after a restore from an earlier backup no stale state is served.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from api.grouping import Grouped
from api.lanes import Lane
from shared.caching import Cache
from shared.domain.detectors.states import Fitted
from shared.domain.versions import series_not_found
from shared.errors import NotFoundError, TsadError, UnavailableError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.store import versions
from shared.store.engine import Sessions
from shared.store.latest import LatestVersions

TRUST_NAMED_S = 5.0  # how long a named version is served after its row was last read
READ_AT_ONCE = 100  # states; the others wait for the next group
NAMES_KEPT = 50_000  # cached rows of versions: some 400 bytes each

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
        self._rows: Cache[_Key, _Row] = Cache(NAMES_KEPT)
        self._loading: dict[_Key, asyncio.Task[Fitted]] = {}
        self._read_in_group = Grouped(self._read, READ_AT_ONCE, states_lane)

    async def resolve(self, series_id: str, version: int | None) -> tuple[int, Fitted]:
        """Return number and state of a version, the latest for None.

        Raises `NotFoundError` if there is no such version, and `UnavailableError` if a server that is needed is away.
        """
        if version is None:
            return await self._latest_state(series_id)
        return version, await self._named_state(series_id, version)

    async def _latest_state(self, series_id: str) -> tuple[int, Fitted]:
        deleted = None
        while (latest := await self._latest.resolve(series_id)) is not None and latest.version != deleted:
            if fitted := self._cached(latest.state_sha256):
                return latest.version, fitted
            try:
                return latest.version, await self._load((series_id, latest.version))
            except NotFoundError:  # deleted in the meantime, so another version is the latest now
                deleted = latest.version
        raise series_not_found()

    async def _named_state(self, series_id: str, version: int) -> Fitted:
        key = (series_id, version)
        row = self._rows.get(key)
        if row and time.monotonic() - row.read_at < TRUST_NAMED_S and (fitted := self._cached(row.state_sha256)):
            return fitted
        try:
            return await self._load(key)
        except UnavailableError:
            if row and (fitted := self._cached(row.state_sha256)):
                return fitted  # a version's state never changes, at most the version was deleted
            raise
        except NotFoundError:
            self._rows.forget(key)
            raise

    def _cached(self, sha256: bytes) -> Fitted | None:
        fitted = self._states.cached(sha256)
        (self._metrics.hits if fitted else self._metrics.misses).inc()
        return fitted

    async def _load(self, key: _Key) -> Fitted:
        """Load a state once for all concurrent requests. The load continues if the request that started it ends."""
        if key not in self._loading:
            self._loading[key] = asyncio.create_task(self._load_in_group(key))
        return await asyncio.shield(self._loading[key])

    async def _load_in_group(self, key: _Key) -> Fitted:
        try:
            outcome = await self._read_in_group(key)
        finally:
            del self._loading[key]
        if isinstance(outcome, TsadError):
            raise outcome
        return outcome

    def _read(self, keys: Sequence[_Key]) -> list[Fitted | TsadError]:
        """Read a group of states with one query in one thread; return a state or an error for each, in order."""
        with self._sessions.statement() as session:
            artifacts = versions.states(session, keys)
            missing = {key: versions.missing(session, *key) for key in keys if key not in artifacts}
        outcomes: list[Fitted | TsadError] = []
        for key in keys:
            if key in missing:
                outcomes.append(missing[key])
                continue
            try:
                outcomes.append(self._states.load(artifacts[key]))
            except TsadError as error:
                outcomes.append(error)
            else:
                self._rows.put(key, _Row(artifacts[key].sha256, time.monotonic()), 1)
        return outcomes
