"""The target of faults, and how lasting faults end."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis
from celery import Celery

from shared.queue import make_celery
from tests.chaos.recoveries import Recoveries
from tests.chaos.stack import Stack


@dataclass(frozen=True)
class Undo:
    """How and when a lasting fault ends."""

    latest: float  # monotonic
    run: Callable[[], None]
    earliest: float = math.inf  # from then on it ends as soon as `early` returns True
    early: Callable[[], bool] = lambda: True


@dataclass
class Field:
    """The target of faults. `tick` keeps the rest of the run going while a fault waits."""

    stack: Stack
    recoveries: Recoveries
    tick: Callable[[], None]
    busy_within_s: float  # for which a fault waits for a worker whose fit is under way
    broker: redis.Redis = field(init=False)
    app: Celery = field(init=False)
    undos: list[Undo] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)  # services that are suspended now
    storms: list[str] = field(default_factory=list)  # sentences about messages that were repeated too often
    freed_at: float | None = None  # when the full disk got space again, until everything works
    hit_apis: list[int | None] = field(default_factory=list)  # since the last fault was reported; None = all

    def __post_init__(self) -> None:
        self.broker = redis.Redis.from_url(self.stack.settings.redis, socket_timeout=2)
        self.app = make_celery(self.stack.settings.redis, consumes=False)

    def close(self) -> None:
        """Undo every remaining fault, and close the connections."""
        for undo in self.undos:
            undo.run()
        self.undos.clear()
        self.broker.close()
        self.app.close()

    def undo_due(self) -> None:
        """Undo the faults that have lasted long enough."""
        now = time.monotonic()
        for undo in [undo for undo in self.undos if undo.latest <= now or (undo.earliest <= now and undo.early())]:
            self.undos.remove(undo)
            undo.run()
