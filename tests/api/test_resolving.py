"""Which state serves a prediction if the cache is small, rows are deleted or files are damaged."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest
from sqlalchemy import text

from api.predicting import resolving
from api.predicting.resolving import Resolver
from shared.artifacts import LocalFolder
from shared.domain.versions import Artifact, parse_version
from shared.embedded.ports import free_port
from shared.errors import Code, DamagedError, NotFoundError, TsadError, UnavailableError
from shared.judging.states import States
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import versions
from shared.store.engine import Sessions, make_engine
from shared.store.latest import Latest, LatestVersions
from tests.points import ramp

POINT = {"timestamp": 1_800_000_000, "value": 2.5}


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


def test_the_cache_keeps_its_byte_limit_and_evicts_the_least_recently_used(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    for extra in range(3):  # different points give different states
        fitted(series_id, ramp(20 + extra))

    async def scenario() -> None:
        async with resolver_of(settings, cache_bytes=5000) as (
            resolver,
            states,
        ):  # slightly more than two states of 2 kB
            for version, reads in ((1, 1), (2, 2), (1, 2), (3, 3), (1, 3), (2, 4), (2, 4), (3, 5)):
                await resolver.resolve(series_id, version)
                assert states.reads == reads, version

    asyncio.run(scenario())


def test_without_a_cache_every_request_reads_the_state(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)

    async def scenario() -> None:
        async with resolver_of(settings, cache_bytes=0) as (resolver, states):
            for reads in (1, 2, 3):
                await resolver.resolve(series_id, None)
                assert states.reads == reads

    asyncio.run(scenario())


def test_concurrent_requests_for_an_uncached_state_read_it_once(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)

    async def scenario() -> None:
        async with resolver_of(settings) as (resolver, states):
            lookups = [resolver.resolve(series_id, version) for version in (None, 1) for _ in range(50)]
            assert {number for number, _ in await asyncio.gather(*lookups)} == {1}
            assert states.reads == 1

    asyncio.run(scenario())


def test_a_latest_version_deleted_before_it_is_read_is_replaced_by_the_new_latest(
    settings: Settings,
    sessions: Sessions,
    series_id: str,
    fitted: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(3):
        fitted(series_id)
    resolved: list[int | None] = []
    resolve = LatestVersions.resolve

    async def resolve_and_delete(latest: LatestVersions, name: str) -> Latest | None:
        latest_version = await resolve(latest, name)
        assert latest_version
        resolved.append(latest_version.version)
        if latest_version.version in (2, 3):
            with sessions.begin() as session:
                versions.delete_version(session, name, latest_version.version)
        return latest_version

    async def scenario() -> None:
        async with resolver_of(settings, cache_bytes=0) as (resolver, _):
            assert (await resolver.resolve(series_id, None))[0] == 1

    monkeypatch.setattr(LatestVersions, "resolve", resolve_and_delete)
    asyncio.run(scenario())
    assert resolved == [3, 2, 1]


def test_states_read_in_a_group_equal_those_read_one_by_one(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    for _ in range(3):
        fitted(series_id)
    damaged = fitted(f"{series_id}-damaged", ramp(23))
    Path(settings.model_state_folder, f"{series_id}-damaged/{damaged}.1.json").write_bytes(b"{}")
    lookups: list[tuple[str, int | None]] = [
        (series_id, version) for version in (1, None, 2, 3, 4, 2**31, 9_999_999_999)
    ]
    lookups += [
        (f"{series_id}-damaged", None),
        (f"{series_id}-damaged", 2),
        ("never-fitted", 1),
        ("never-fitted", None),
    ]

    async def outcome(resolver: Resolver, series_id: str, version: int | None) -> object:
        try:
            return await resolver.resolve(series_id, version)
        except TsadError as error:
            return error.code

    async def scenario() -> None:
        async with resolver_of(settings) as (concurrent, _), resolver_of(settings) as (sequential, _):
            outcomes = await asyncio.gather(*(outcome(concurrent, *lookup) for lookup in lookups * 2))
            assert outcomes == [await outcome(sequential, *lookup) for lookup in lookups] * 2
            assert len({code for code in outcomes if isinstance(code, Code)}) == 3

    asyncio.run(scenario())


def test_a_canceled_request_does_not_cancel_the_load_for_others(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)

    async def scenario() -> None:
        async with resolver_of(settings) as (resolver, states):
            first = asyncio.create_task(resolver.resolve(series_id, 1))
            second = asyncio.create_task(resolver.resolve(series_id, 1))
            await asyncio.sleep(0)
            first.cancel()
            assert (await second)[0] == 1
            assert states.reads == 1

    asyncio.run(scenario())


def test_a_deleted_version_is_served_only_while_it_is_trusted(
    settings: Settings,
    api: httpx.Client,
    series_id: str,
    fitted: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert resolving.TRUST_NAMED_S <= 5
    for extra in range(2):
        fitted(series_id, ramp(20 + extra))

    def delete(version: int) -> None:
        assert api.delete(f"/series/{series_id}/versions/{version}").status_code == 204

    async def scenario() -> None:
        async with resolver_of(settings) as (resolver, states):
            assert (await resolver.resolve(series_id, 1))[0] == 1
            await asyncio.to_thread(delete, 1)
            monkeypatch.setattr(resolving, "TRUST_NAMED_S", 0)
            for _ in range(2):
                with pytest.raises(NotFoundError) as refused:
                    await resolver.resolve(series_id, 1)
                assert refused.value.code == Code.VERSION_NOT_FOUND
            assert (await resolver.resolve(series_id, None))[0] == 2
            await resolver.resolve(series_id, 2)
            assert states.reads == 2

    asyncio.run(scenario())


class BlockingFolder(LocalFolder):
    """A store whose reads of one series wait."""

    def __init__(self, root: Path, blocked: str) -> None:
        super().__init__(root)
        self.blocked = blocked
        self.go_on = Event()

    def get(self, artifact: Artifact) -> bytes:
        if artifact.key.startswith(f"{self.blocked}/"):
            assert self.go_on.wait(30)
        return super().get(artifact)


def test_a_named_version_in_memory_does_not_wait_for_loads_of_other_states(
    settings: Settings, series_id: str, fitted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted(series_id)
    fitted(f"{series_id}-cold", ramp(27))
    folder = BlockingFolder(Path(settings.model_state_folder), f"{series_id}-cold")

    async def scenario() -> None:
        async with resolver_of(settings, folder=folder) as (resolver, _):
            await resolver.resolve(series_id, 1)
            monkeypatch.setattr(resolving, "TRUST_NAMED_S", 0)  # forces its row to be read again
            loading = asyncio.create_task(resolver.resolve(f"{series_id}-cold", None))
            try:
                async with asyncio.timeout(20):
                    assert (await resolver.resolve(series_id, 1))[0] == 1
                assert not loading.done()
            finally:
                folder.go_on.set()
            assert (await loading)[0] == 1

    asyncio.run(scenario())


def test_each_resolution_counts_as_a_hit_or_a_miss(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)

    async def scenario() -> None:
        async with resolver_of(settings) as (resolver, _):
            for version in (1, 1, None, 1):
                await resolver.resolve(series_id, version)
            assert (lookups(resolver, "miss"), lookups(resolver, "hit")) == (1, 3)

    asyncio.run(scenario())


def lookups(resolver: Resolver, result: str) -> float | None:
    registry = resolver._metrics.registry  # noqa: SLF001
    return registry.get_sample_value("tsad_state_lookups_total", {"result": result})


def test_after_a_restore_no_stale_state_is_served(
    settings: Settings, sessions: Sessions, series_id: str, fitted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restore under running processes, the database reuses a version number for another state."""
    monkeypatch.setattr(resolving, "TRUST_NAMED_S", 0)
    fitted(series_id)
    fitted(series_id, ramp(21))

    async def scenario() -> None:
        async with resolver_of(settings) as (resolver, _):
            before = [await resolver.resolve(series_id, version) for version in (None, 2)]
            await asyncio.to_thread(restore_first_version, sessions, series_id)
            await asyncio.to_thread(fitted, series_id, ramp(22))
            after = [await resolver.resolve(series_id, version) for version in (None, 2)]
        assert [number for number, _ in before + after] == [2] * 4
        assert before[0][1] == before[1][1] != after[0][1] == after[1][1]

    asyncio.run(scenario())


def restore_first_version(sessions: Sessions, series_id: str) -> None:
    """Restore the rows from when the series had one version."""
    with sessions.begin() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # skips triggers, like a restore
        for statement in (
            "DELETE FROM versions WHERE series_id = :series_id AND version = 2",
            "DELETE FROM fit_jobs WHERE series_id = :series_id AND version = 2",
            "UPDATE series SET last_version = 1 WHERE series_id = :series_id",
        ):
            session.execute(text(statement), {"series_id": series_id})


def test_a_damaged_state_is_an_error_until_the_file_is_restored(
    settings: Settings, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    (state,) = Path(settings.model_state_folder, series_id).glob("*.json")
    content = state.read_bytes()

    async def scenario() -> None:
        async with resolver_of(settings) as (resolver, _):
            for damage in (content[:-1], content[:-1] + b" ", content + b" ", b"", None):
                state.unlink() if damage is None else state.write_bytes(damage)
                with pytest.raises(DamagedError) as refused:
                    await resolver.resolve(series_id, None)
                assert refused.value.code == Code.ARTIFACT_DAMAGED
            state.write_bytes(content)
            assert (await resolver.resolve(series_id, None))[0] == 1

    asyncio.run(scenario())


def test_without_a_database_only_a_named_version_in_memory_is_served(
    settings: Settings, series_id: str, fitted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for extra in range(2):
        fitted(series_id, ramp(20 + extra))
    unreachable = settings.model_copy(update={"database_url": f"postgresql://x@127.0.0.1:{free_port()}/x"})

    async def scenario() -> None:
        async with resolver_of(settings) as (resolver, _), resolver_of(unreachable) as (cut_off, _):
            await resolver.resolve(series_id, 1)
            monkeypatch.setattr(resolver, "_sessions", cut_off._sessions)  # noqa: SLF001
            monkeypatch.setattr(resolver, "_latest", cut_off._latest)  # noqa: SLF001
            monkeypatch.setattr(resolving, "TRUST_NAMED_S", 0)
            assert (await resolver.resolve(series_id, 1))[0] == 1
            for version in (2, None):
                with pytest.raises(UnavailableError):
                    await resolver.resolve(series_id, version)

    asyncio.run(scenario())


@pytest.mark.parametrize("text", ["0", "v0", "V000", "latest", None])
def test_every_notation_of_the_latest_version_is_parsed(text: str | None) -> None:
    assert parse_version(text) is None
