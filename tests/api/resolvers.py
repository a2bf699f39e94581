"""A resolver of states whose reads are counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from api.predicting.resolving import Resolver
from shared.artifacts import LocalFolder
from shared.domain.versions import Artifact
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.latest import LatestVersions


class CountingFolder(LocalFolder):
    """A store that counts its reads."""

    reads = 0

    def get(self, artifact: Artifact) -> bytes:
        self.reads += 1
        return super().get(artifact)


@asynccontextmanager
async def resolver_of(
    settings: Settings, cache_bytes: int = 10**6, folder: LocalFolder | None = None
) -> AsyncIterator[tuple[Resolver, CountingFolder]]:
    latest = LatestVersions(settings)
    latest.start()
    sessions = Sessions(make_engine(settings, "tsad-tests"))
    counting = CountingFolder(Path(settings.model_state_folder))
    try:
        states = States(folder or counting, cache_bytes)
        yield Resolver(latest, sessions, states, Metrics(), asyncio.to_thread), counting
    finally:
        await latest.close()
        sessions.engine.dispose()
