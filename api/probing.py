"""Checks of the parts that requests need. A part that hangs holds neither the answer nor more than one thread."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import redis

from api.lanes import Lane
from shared.artifacts import Artifacts
from shared.errors import TsadError
from shared.fitting.recognizing import recognize
from shared.store import schema
from shared.store.engine import Sessions
from shared.telemetry import workers_alive

logger = logging.getLogger(__name__)

ANSWER_S = 3.0
OK = "ok"

_EXPECTED_REVISION = schema.expected_revision()


@dataclass(frozen=True, slots=True)
class States:
    """The state of each part: `ok`, or a sentence. Without the optional ones, the service still answers."""

    required: dict[str, str]
    optional: dict[str, str]


class Probes:
    """One probe for each part. Belongs to one event loop."""

    def __init__(self, sessions: Sessions, artifacts: Artifacts, client: redis.Redis, lane: Lane) -> None:
        self._database = Probe(lambda: _revision(sessions), lane)
        self._store = Probe(lambda: _stores(sessions, artifacts), lane)
        self._redis = Probe(lambda: workers_alive(client), lane)

    async def states(self) -> States:
        """Check all parts at the same time, within `ANSWER_S`."""
        database, store, alive = await asyncio.gather(
            self._database.result(), self._store.result(), self._redis.result()
        )
        redis_answers = isinstance(alive, int)
        return States(
            required={"database": str(database), "artifact store": str(store)},
            optional={
                "redis": OK if redis_answers else "unavailable",
                "workers": OK if redis_answers and alive else "none alive",
            },
        )


class Probe:
    """A check that runs at most once at a time; all callers meanwhile share its result."""

    def __init__(self, check: Callable[[], str | int | None], lane: Lane) -> None:
        self._check = check
        self._lane = lane
        self._running: asyncio.Task[str | int | None] | None = None

    async def result(self) -> str | int | None:
        """Return the result of the check, or a sentence if it fails or takes longer than `ANSWER_S`."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        done, _ = await asyncio.wait([self._running], timeout=ANSWER_S)
        return self._running.result() if done else f"It did not answer within {ANSWER_S:g} s."

    async def _run(self) -> str | int | None:
        try:
            return await self._lane(self._check)
        except TsadError as error:
            return error.detail
        except Exception:
            logger.exception("a check of GET /readyz failed")
            return "The check failed; the log has the cause."


def _revision(sessions: Sessions) -> str:
    revision = schema.current_revision(sessions)
    if revision == _EXPECTED_REVISION:
        return OK
    return f"schema is {revision or 'empty'}, not {_EXPECTED_REVISION}: {schema.HOW_TO_MIGRATE}"


def _stores(sessions: Sessions, artifacts: Artifacts) -> str:
    recognize(sessions, artifacts.data, artifacts.states)
    artifacts.data.check()
    artifacts.states.check()
    return OK
