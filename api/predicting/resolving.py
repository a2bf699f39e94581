"""Which state answers a prediction: the version that is latest now, or the one that was named, from memory if it can.

States never change, and are kept in memory by the SHA-256 of their artifact. Which of them a series' latest version has
is asked anew for every request: a database that was set back to an earlier backup is never answered from memory.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from api.grouping import Grouped
from api.lanes import Lane
from shared.caching import Cache
from shared.domain.detectors.states import Fitted
from shared.domain.versions import series_not_found
from shared.errors import Code, InputError, NotFoundError, TsadError, UnavailableError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.store import versions
from shared.store.engine import Sessions
from shared.store.latest import LatestVersions

TRUST_NAMED_S = 5.0  # how long a named version is served after it was last seen to exist
READ_AT_ONCE = 100  # states; the others wait for the next group
NAMES_KEPT = 50_000  # versions whose state is known by name: some 400 bytes each
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


@dataclass(frozen=True, slots=True)
class _Seen:
    """A version's state, as its row named it."""

    state_sha256: bytes
    at: float  # monotonic


class Resolver:
    """Finds states for predictions. Belongs to one event loop."""

    def __init__(
        self, latest: LatestVersions, sessions: Sessions, states: States, metrics: Metrics, states_lane: Lane
    ) -> None:
        self._latest = latest
        self._sessions = sessions
        self._states = states
        self._metrics = metrics
        self._seen: Cache[_Key, _Seen] = Cache(NAMES_KEPT)
        self._loading: dict[_Key, asyncio.Task[Fitted]] = {}
        self._read_together = Grouped(self._read, READ_AT_ONCE, states_lane)

    async def resolve(self, series_id: str, version: int | None) -> tuple[int, Fitted]:
        """The number and the state; `NotFoundError` when there is none, `UnavailableError` without a database."""
        if version is None:
            return await self._latest_state(series_id)
        return version, await self._named_state(series_id, version)

    async def _latest_state(self, series_id: str) -> tuple[int, Fitted]:
        gone = None
        while (latest := await self._latest.resolve(series_id)) is not None and latest.version != gone:
            if fitted := self._cached(latest.state_sha256):
                return latest.version, fitted
            try:
                return latest.version, await self._load((series_id, latest.version))
            except NotFoundError:  # it was deleted since: another is latest now
                gone = latest.version
        raise series_not_found()

    async def _named_state(self, series_id: str, version: int) -> Fitted:
        key = (series_id, version)
        seen = self._seen.get(key)
        if seen and time.monotonic() - seen.at < TRUST_NAMED_S and (fitted := self._cached(seen.state_sha256)):
            return fitted
        try:
            return await self._load(key)
        except UnavailableError:
            if seen and (fitted := self._cached(seen.state_sha256)):
                return fitted  # the state is right whatever became of its row
            raise
        except NotFoundError:
            self._seen.forget(key)
            raise

    def _cached(self, sha256: bytes) -> Fitted | None:
        fitted = self._states.cached(sha256)
        (self._metrics.hits if fitted else self._metrics.misses).inc()
        return fitted

    async def _load(self, key: _Key) -> Fitted:
        """One load for all that ask meanwhile; it goes on when the first of them goes away."""
        if key not in self._loading:
            self._loading[key] = asyncio.create_task(self._loaded(key))
        return await asyncio.shield(self._loading[key])

    async def _loaded(self, key: _Key) -> Fitted:
        try:
            outcome = await self._read_together(key)
        finally:
            del self._loading[key]
        if isinstance(outcome, TsadError):
            raise outcome
        return outcome

    def _read(self, keys: Sequence[_Key]) -> list[Fitted | TsadError]:
        """One query and one thread for all that are missing at this moment."""
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
                self._seen.put(key, _Seen(artifacts[key].sha256, time.monotonic()), 1)
        return outcomes
