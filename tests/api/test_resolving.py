"""Which state serves a prediction: it is read once, and kept while the cache has room."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from api.predicting import resolving
from api.predicting.resolving import Resolver
from shared.artifacts import LocalFolder
from shared.domain.versions import Artifact, parse_version
from shared.errors import Code, TsadError
from shared.settings import Settings
from tests.api.resolvers import resolver_of
from tests.points import ramp

POINT = {"timestamp": 1_800_000_000, "value": 2.5}


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


@pytest.mark.parametrize("text", ["0", "v0", "V000", "latest", None])
def test_every_notation_of_the_latest_version_is_parsed(text: str | None) -> None:
    assert parse_version(text) is None
