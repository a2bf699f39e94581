"""Which state serves a prediction after rows were deleted or restored, files damaged, or the database lost."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from api.predicting import resolving
from shared.embedded.ports import free_port
from shared.errors import Code, DamagedError, NotFoundError, UnavailableError
from shared.settings import Settings
from shared.store import versions
from shared.store.engine import Sessions
from shared.store.latest import Latest, LatestVersions
from tests.api.resolvers import resolver_of
from tests.points import ramp


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
