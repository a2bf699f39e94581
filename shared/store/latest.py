"""The latest versions of many series, resolved over one connection that the event loop drives.

One query resolves all waiting series ids, and each caller gets the result of a query that began after its call. So a
client that has seen a job succeed finds its version on every process, without a query per request.
Each lookup costs throughput; in a thread, it would cost 1.5 times as much.
"""

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy.engine import make_url

from shared.domain.versions import LARGEST_VERSION
from shared.settings import Settings
from shared.store.engine import unavailable

logger = logging.getLogger(__name__)


def latest_rows(columns: str = "*") -> str:
    """Return the SQL definition of latest: a FROM item that joins each series `s` to the row `v` of its latest version.

    This is the pinned version, else the highest existing one. A foreign key prevents the deletion of the pinned
    version, so the highest version up to the pinned number is the pinned one. One descent of the primary key finds the
    row. Finding the highest number first and then its row takes twice as long. Naming the columns of `v` makes planning
    a tenth faster.
    """
    return f"""series s CROSS JOIN LATERAL (
         SELECT {columns} FROM versions o
          WHERE o.series_id = s.series_id AND o.version <= coalesce(s.pinned_version, {LARGEST_VERSION})
          ORDER BY o.version DESC LIMIT 1) v
"""


# In the driver's parameter style, because it runs without SQLAlchemy. It also returns the digest, which is the key of
# cached states: version numbers can recur after a database is restored from an older backup.
BY_SERIES = f"""
SELECT s.series_id, v.version, v.state_sha256 FROM {latest_rows("o.version, o.state_sha256")}
 WHERE s.series_id = ANY (%s)
"""
_ANSWER_WITHIN_S = 5.0
_FIRST_BACKOFF_S, _MAX_BACKOFF_S = 0.05, 2.0


@dataclass(frozen=True, slots=True)
class Latest:
    """Number and state digest of the latest version of a series."""

    version: int
    state_sha256: bytes


Waiting = dict[str, list["asyncio.Future[Latest | None]"]]


class LatestVersions:
    """Resolves series ids to latest versions. Belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        url = make_url(settings.database)
        milliseconds = int(settings.database_statement_timeout_s * 1000)
        self._arguments: dict[str, Any] = {
            **url.translate_connect_args(username="user", database="dbname"),
            **url.query,
            "connect_timeout": settings.database_connect_timeout_s,
            "application_name": "tsad-latest",
            "options": f"-c statement_timeout={milliseconds}",
        }
        self._waiting: Waiting = {}
        self._has_waiting = asyncio.Event()
        self._reachable = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task that connects and resolves ids."""
        self._task = asyncio.get_running_loop().create_task(self._serve(), name="latest-versions")

    async def close(self) -> None:
        """Stop the task; waiting callers get `UnavailableError`."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        _reject(self._take())

    async def resolve(self, series_id: str) -> Latest | None:
        """Return the latest version of the series, None if it has none; raise `UnavailableError` without a database."""
        if not self._reachable:
            raise unavailable()
        answer = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(series_id, []).append(answer)
        self._has_waiting.set()
        return await answer  # type: ignore[no-any-return]

    async def _serve(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            connection = None
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    connection = psycopg2.connect(**await _resolved(self._arguments), async_=1)
                    await _ready(connection)
                self._reachable = True
                while True:
                    await self._has_waiting.wait()
                    async with asyncio.timeout(_ANSWER_WITHIN_S):
                        await self._answer(connection)
                    backoff_s = _FIRST_BACKOFF_S
            except (psycopg2.Error, OSError, TimeoutError) as error:
                logger.warning("lost the connection that resolves latest versions: %s", type(error).__name__)
                # Callers wait for one quick reconnect; not for more, and not for a server that does not answer.
                if backoff_s > _FIRST_BACKOFF_S or isinstance(error, TimeoutError):
                    self._reachable = False
                    _reject(self._take())
            finally:
                if connection is not None:
                    connection.close()
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _MAX_BACKOFF_S)

    def _take(self) -> Waiting:
        waiting, self._waiting = self._waiting, {}
        self._has_waiting.clear()
        return waiting

    async def _answer(self, connection: Any) -> None:
        waiting = self._take()
        try:
            with connection.cursor() as cursor:
                cursor.execute(BY_SERIES, (list(waiting),))
                await _ready(connection)
                latest = {series_id: Latest(version, bytes(sha256)) for series_id, version, sha256 in cursor}
        except BaseException:
            for series_id, answers in waiting.items():  # the next connection resolves them
                self._waiting.setdefault(series_id, []).extend(answers)
            self._has_waiting.set()
            raise
        for series_id, answers in waiting.items():
            for answer in answers:
                if not answer.done():  # the client may have disconnected
                    answer.set_result(latest.get(series_id))


async def _resolved(arguments: dict[str, Any]) -> dict[str, Any]:
    """Add the addresses of the host. The driver would look them up in the event loop, and DNS can take seconds.

    Several hosts, which are rare, and the path of a socket are left to the driver.
    """
    host = arguments.get("host", "")
    if not host or "hostaddr" in arguments or "," in host or host[0] in "/@":
        return arguments
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    return arguments | {"host": ",".join([host] * len(addresses)), "hostaddr": ",".join(addresses)}


async def _ready(connection: Any) -> None:
    """Wait until the connection has finished its current operation."""
    loop = asyncio.get_running_loop()
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reading = state == psycopg2.extensions.POLL_READ
        io_ready = loop.create_future()
        descriptor = connection.fileno()
        (loop.add_reader if reading else loop.add_writer)(descriptor, _wake, io_ready)
        try:
            await io_ready
        finally:
            (loop.remove_reader if reading else loop.remove_writer)(descriptor)


def _wake(io_ready: "asyncio.Future[None]") -> None:
    if not io_ready.done():
        io_ready.set_result(None)


def _reject(waiting: Waiting) -> None:
    error = unavailable()
    for answers in waiting.values():
        for answer in answers:
            if not answer.done():
                answer.set_exception(error)
