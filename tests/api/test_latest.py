"""Lookups of the latest version by many callers over one connection that sometimes breaks."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import text

from shared.embedded.ports import free_port
from shared.errors import Code, UnavailableError
from shared.settings import Settings
from shared.store import latest
from shared.store.engine import Sessions
from shared.store.latest import Latest, LatestVersions
from tests.waiting import until

END_CONNECTIONS = text(
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "  # returns once the backend process has ended
    "WHERE datname = current_database() AND application_name IN ('tsad-latest', 'tsad-api')"
)


class CountingLatestVersions(LatestVersions):
    """A lookup that counts its queries."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.queries = 0
        self.asked_database = asyncio.Event()

    async def _answer(self, connection: object) -> None:
        self.queries += 1
        self.asked_database.set()
        await super()._answer(connection)


@asynccontextmanager
async def serving_latest(settings: Settings) -> AsyncIterator[CountingLatestVersions]:
    latest_versions = CountingLatestVersions(settings)
    latest_versions.start()
    try:
        yield latest_versions
    finally:
        await latest_versions.close()


def version_of(latest_version: Latest | None) -> int | None:
    return latest_version.version if latest_version else None


def end_connections(sessions: Sessions) -> None:
    with sessions.begin() as session:
        assert all(session.execute(END_CONNECTIONS).scalars())


@pytest.fixture
def unreachable(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_url": f"postgresql://x@127.0.0.1:{free_port()}/x"})


@pytest.fixture
def silent(settings: Settings) -> Iterator[Settings]:
    """A database that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"postgresql://x@127.0.0.1:{listening.getsockname()[1]}/x"
        yield settings.model_copy(update={"database_url": url})


def test_a_thousand_concurrent_lookups_are_one_query(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)

    async def scenario() -> None:
        async with serving_latest(settings) as latest_versions:
            await latest_versions.resolve(series_id)
            queries_before = latest_versions.queries
            lookups = [latest_versions.resolve(f"{series_id}-{place}") for place in range(999)] + [
                latest_versions.resolve(series_id)
            ]
            *unknown, latest_version = await asyncio.gather(*lookups)
            assert unknown == [None] * 999
            assert version_of(latest_version) == 1
            assert latest_versions.queries == queries_before + 1

    asyncio.run(scenario())


def test_a_lookup_during_a_query_is_answered_by_the_next_query(settings: Settings, series_id: str) -> None:
    async def scenario() -> None:
        async with serving_latest(settings) as latest_versions:
            first = asyncio.create_task(latest_versions.resolve(series_id))
            await latest_versions.asked_database.wait()
            assert not first.done()
            await asyncio.gather(first, latest_versions.resolve(series_id))
            assert latest_versions.queries == 2

    asyncio.run(scenario())


def test_a_lost_connection_is_replaced_without_an_error(
    settings: Settings, sessions: Sessions, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)

    async def scenario() -> None:
        async with serving_latest(settings) as latest_versions:
            for _ in range(3):
                assert version_of(await latest_versions.resolve(series_id)) == 1
                await asyncio.to_thread(end_connections, sessions)

    asyncio.run(scenario())


def test_connections_closed_by_the_database_cost_clients_at_most_one_retry(
    api: httpx.Client, sessions: Sessions, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    point = {"timestamp": 1, "value": 1}
    for path in (f"/predict/{series_id}", f"/predict/{series_id}/batch"):
        body = point if path.endswith(series_id) else {"timestamps": [1], "values": [1]}
        for _ in range(3):
            end_connections(sessions)
            answer = api.post(path, json=body)
            assert answer.status_code in (200, 503)
            until(lambda path=path, body=body: api.post(path, json=body).status_code == 200)  # type: ignore[misc]
    for _ in range(3):
        end_connections(sessions)
        assert api.get(f"/series/{series_id}").status_code == 200  # pooled connections are checked before use


@pytest.mark.parametrize("kind", ["unreachable", "silent"])
def test_every_lookup_in_an_unresponsive_database_raises_an_error(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(latest, "_ANSWER_WITHIN_S", 0.1)
    settings = request.getfixturevalue(kind)

    async def scenario() -> None:
        async with serving_latest(settings) as latest_versions:
            for _ in range(3):
                with pytest.raises(UnavailableError) as refused:
                    await asyncio.wait_for(latest_versions.resolve("a"), 5)
                assert refused.value.code == Code.DATABASE_UNAVAILABLE
                assert refused.value.retry_after_s

    asyncio.run(scenario())


def test_a_caller_that_waits_when_the_process_stops_gets_an_error(silent: Settings) -> None:
    async def scenario() -> None:
        async with serving_latest(silent) as latest_versions:
            waiting = asyncio.create_task(latest_versions.resolve("a"))
            await asyncio.sleep(0)
        with pytest.raises(UnavailableError):
            await waiting

    asyncio.run(scenario())


def test_a_canceled_caller_does_not_keep_others_from_their_answer(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)

    async def scenario() -> None:
        async with serving_latest(settings) as latest_versions:
            cancelled, waiting = (asyncio.create_task(latest_versions.resolve(series_id)) for _ in range(2))
            await asyncio.sleep(0)
            cancelled.cancel()
            assert version_of(await waiting) == 1
            assert version_of(await latest_versions.resolve(series_id)) == 1

    asyncio.run(scenario())
