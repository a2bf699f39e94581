"""Fixtures for ingests: each is what one process would have."""

from collections.abc import Callable

import numpy as np
import pytest

from shared.artifacts import Artifacts
from shared.domain.watching.watches import Watch, parse
from shared.errors import TsadError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import watches
from shared.store.engine import Sessions
from shared.watching.ingesting import Ingest, Taken
from shared.watching.planning import Push

MakeIngest = Callable[..., Ingest]
WatchSeries = Callable[..., Watch]
START = 1_700_000_000


@pytest.fixture
def make_ingest(sessions: Sessions, artifacts: Artifacts, settings: Settings) -> MakeIngest:
    """Return a function that creates the ingest of another process, whose clock stands at the last point sent."""

    def make(now: float = START, **changes: object) -> Ingest:
        changed = settings.model_copy(update=changes)
        states = States(artifacts.states, changed.judge_cache_bytes)
        return Ingest(sessions, states, changed, Metrics(), clock=lambda: now)

    return make


@pytest.fixture
def ingest(make_ingest: MakeIngest) -> Ingest:
    return make_ingest()


@pytest.fixture
def watch(sessions: Sessions, series_id: str) -> WatchSeries:
    """Return a function that creates or changes the watch of the test's series."""

    def put(name: str = series_id, **document: object) -> Watch:
        with sessions.begin() as session:
            watches.put(session, parse(name, {"prefix": name, **document}, max_window_s=35 * 86_400))
            return watches.find(session, name)

    return put


def push(series_id: str, values: list[float | None], first: int = 0) -> Push:
    """Points a minute apart, `first` minutes after the start."""
    timestamps = START + 60 * np.arange(first, first + len(values))
    return Push(series_id, timestamps, np.array(values, dtype=np.float64))


def taken(ingest: Ingest, *pushes: Push) -> Taken:
    """Ingest the pushes, and return what became of the last one; fail for an error."""
    outcome = ingest(pushes)[-1]
    assert not isinstance(outcome, TsadError), outcome
    return outcome
