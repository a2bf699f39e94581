"""What a process needs to store and judge pushed points.

An API process hands large pushes to its children, each of which has this, too. So the API process only passes on the
bytes of such a push, and those of the response.
"""

import atexit
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from shared import logs
from shared.artifacts import Artifacts
from shared.judging.states import States
from shared.metrics import Metrics, Publisher
from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.telemetry import connect
from shared.watching.claiming import Claims
from shared.watching.ingesting import Ingest
from shared.watching.selecting import Selection

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Pushing:
    """Stores and judges points. Thread-safe. Pickled for a child, it becomes the one that this child has."""

    settings: Settings
    sessions: Sessions
    metrics: Metrics
    ingest: Ingest
    claims: Claims
    selection: Selection[tuple[bytes, ...]]

    @classmethod
    def of(cls, settings: Settings, sessions: Sessions, states: States, metrics: Metrics) -> Self:
        """Create everything, without waiting for any server."""
        ingest = Ingest(sessions, states, settings, metrics)
        return cls(settings, sessions, metrics, ingest, Claims(sessions), Selection())

    def __reduce__(self) -> "tuple[Callable[[Settings, int], Pushing], tuple[Settings, int]]":
        return _of_this_process, (self.settings, self.ingest.rulebook.changes)


_own: list[Pushing] = []  # of a child


def _of_this_process(settings: Settings, changes: int) -> Pushing:
    """Return what this child has, created for its first push. changes: of rules, which the parent knows."""
    if not _own:
        logs.configure(settings)
        metrics = Metrics()
        states = States(Artifacts.of(settings).states, settings.judge_cache_bytes // 2)
        _own.append(Pushing.of(settings, Sessions(make_engine(settings, "tsad-api")), states, metrics))
        atexit.register(Publisher(metrics, connect(settings.redis)).close)
    pushing = _own[0]
    pushing.ingest.rulebook.follow(changes)
    return pushing
