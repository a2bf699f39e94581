import random
import time
from collections.abc import Callable, Iterator
from threading import Thread

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from shared import telemetry
from shared.telemetry import Kind, Latencies, Latency, connect, report_alive, workers_alive
from tests import naive
from tests.gateway import Gateway
from tests.waiting import until

KEEP = 5
OpenLatencies = Callable[..., Latencies]


@pytest.fixture
def latencies() -> Iterator[OpenLatencies]:
    """Return a function that opens latencies at a Redis URL; the fixture closes them after the test."""
    created: list[tuple[Latencies, redis.Redis]] = []

    def make(url: str, keep: int = KEEP) -> Latencies:
        client = connect(url)
        created.append((Latencies(client, keep), client))
        return created[-1][0]

    yield make
    for latency_log, client in created:
        latency_log.close()
        client.close()


def record(latencies: Latencies, *samples: float, kind: Kind = Kind.INFERENCE) -> None:
    for sample in samples:
        latencies.record(kind, sample)


def latency_of(latencies: Latencies, kind: Kind = Kind.INFERENCE) -> Latency:
    read = latencies.read()
    assert read is not None
    return read[kind]


def seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=150))
def test_p95_is_the_nearest_rank(samples: list[float]) -> None:
    summary = Latency.of(samples)
    assert summary.p95 == round(naive.nearest_rank(samples, 95), 3)
    assert summary.avg == pytest.approx(float(naive.mean(samples)), rel=1e-9, abs=0.0006)


def test_p95_of_a_hundred_samples_is_the_ninety_fifth() -> None:
    samples = [float(rank) for rank in range(1, 101)]
    random.Random(1).shuffle(samples)  # noqa: S311 - an order, not a secret
    assert Latency.of(samples) == Latency(50.5, 95.0)


def test_latencies_without_samples_are_zero() -> None:
    assert Latency.of([]) == Latency(0.0, 0.0)


def test_samples_reach_redis_in_the_background_by_kind(empty_redis_url: str, latencies: OpenLatencies) -> None:
    writer, reader = latencies(empty_redis_url), latencies(empty_redis_url)
    record(writer, 1.0, 3.0)
    record(writer, 50.0, kind=Kind.TRAINING)
    until(lambda: latency_of(reader) == Latency(2.0, 3.0))
    assert latency_of(reader, Kind.TRAINING) == Latency(50.0, 50.0)


def test_a_reader_includes_its_own_buffered_samples(
    empty_redis_url: str, latencies: OpenLatencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_FLUSH_EVERY_S", 3_600)
    first, second = latencies(empty_redis_url), latencies(empty_redis_url)
    record(first, 1.0, 3.0)
    assert latency_of(second) == Latency(0.0, 0.0)
    assert latency_of(first) == Latency(2.0, 3.0)
    record(first, 5.0)
    assert latency_of(first) == Latency(3.0, 5.0)
    assert latency_of(second) == Latency(3.0, 5.0)


def test_only_the_newest_samples_are_kept(empty_redis_url: str, client: redis.Redis, latencies: OpenLatencies) -> None:
    first, second = latencies(empty_redis_url), latencies(empty_redis_url)
    record(first, *range(100, 120))
    first.close()
    record(second, 1.0, 2.0, 3.0)
    second.close()
    keys = client.keys("tsad:latency:*")
    assert [client.llen(key) for key in keys] == [KEEP]
    assert sorted(map(float, client.lrange(keys[0], 0, -1))) == [1.0, 2.0, 3.0, 118.0, 119.0]
    assert latency_of(first) == Latency(48.6, 119.0)


def test_a_smaller_limit_truncates_a_longer_history(empty_redis_url: str, latencies: OpenLatencies) -> None:
    large, small = latencies(empty_redis_url, 100), latencies(empty_redis_url, 2)
    record(large, *range(50))
    large.close()
    assert latency_of(small) == Latency(48.5, 49.0)


def test_two_processes_share_one_history(empty_redis_url: str, latencies: OpenLatencies) -> None:
    writers = [latencies(empty_redis_url, 100) for _ in range(2)]
    threads = [Thread(target=record, args=(writer, *range(40))) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.close()
    assert latency_of(writers[0]) == Latency(19.5, 37.0)


def test_closing_writes_buffered_samples(empty_redis_url: str, latencies: OpenLatencies) -> None:
    writer, reader = latencies(empty_redis_url), latencies(empty_redis_url)
    record(writer, 7.0)
    writer.close()
    assert latency_of(reader) == Latency(7.0, 7.0)


def test_without_redis_a_read_returns_none_without_blocking(gateway: Gateway, latencies: OpenLatencies) -> None:
    reader = latencies(gateway.url)
    assert seconds(lambda: record(reader, *range(20_000))) < 10  # one wait per sample would take hours
    began = time.monotonic()
    assert reader.read() is None
    assert time.monotonic() - began < 1


def test_a_silent_redis_delays_a_reader_briefly_and_a_writer_not_at_all(
    gateway: Gateway, latencies: OpenLatencies
) -> None:
    gateway.silent()
    reader = latencies(gateway.url)
    record(reader, 1.0)
    until(gateway.has_caller)  # the background thread is stuck now
    assert seconds(lambda: record(reader, *range(20_000))) < 10  # one wait per sample would take hours
    began = time.monotonic()
    assert reader.read() is None
    assert time.monotonic() - began < 1.5
    assert seconds(reader.close) < 3


def test_a_reader_does_not_queue_behind_a_write_that_hangs(
    empty_redis_url: str, latencies: OpenLatencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_REDIS_TIMEOUT_S", 0.01)
    reader = latencies(empty_redis_url)
    with reader._writing:  # noqa: SLF001 - like a write that waits for Redis
        assert reader.read() is None
    until(lambda: reader.read() is not None)  # 10 ms are short for a busy machine


def test_a_redis_that_rejects_writes_can_still_be_read(
    empty_redis_url: str, client: redis.Redis, latencies: OpenLatencies
) -> None:
    client.set("tsad:latency:training", "not a list")
    client.lpush("tsad:latency:inference", 3.0)
    reader = latencies(empty_redis_url)
    record(reader, 1.0, kind=Kind.TRAINING)
    assert reader._flush()  # noqa: SLF001 - rejected, not hanging


def test_writing_resumes_after_a_redis_outage(gateway: Gateway, empty_redis_url: str, latencies: OpenLatencies) -> None:
    writer, reader = latencies(gateway.url), latencies(empty_redis_url)
    record(writer, 1.0)
    gateway.open()
    until(lambda: latency_of(reader).p95 == 2.0, meanwhile=lambda: record(writer, 2.0))
    gateway.shut()
    until(lambda: writer.read() is None)
    gateway.open()
    until(lambda: latency_of(reader).p95 == 3.0, meanwhile=lambda: record(writer, 3.0))


def test_a_foreign_value_under_our_key_reads_as_none(
    empty_redis_url: str, client: redis.Redis, latencies: OpenLatencies
) -> None:
    client.set("tsad:latency:inference", "not a list")
    reader = latencies(empty_redis_url)
    record(reader, 1.0)
    assert reader.read() is None


def test_workers_are_counted_while_they_report(empty_redis_url: str, client: redis.Redis) -> None:
    assert workers_alive(client) == 0
    for worker in ("a", "b", "a"):
        report_alive(client, worker)
    assert workers_alive(client) == 2
    client.zadd("tsad:workers", {"a": time.time() - 11})
    assert workers_alive(client) == 1


def test_a_worker_that_is_silent_for_hours_is_forgotten(client: redis.Redis) -> None:
    client.zadd("tsad:workers", {"old": time.time() - 4000})
    report_alive(client, "new")
    assert client.zcard("tsad:workers") == 1


def test_workers_alive_is_none_without_redis(gateway: Gateway) -> None:
    with connect(gateway.url) as client_of_gateway:
        report_alive(client_of_gateway, "a")
        assert workers_alive(client_of_gateway) is None
        gateway.silent()
        began = time.monotonic()
        report_alive(client_of_gateway, "a")
        assert workers_alive(client_of_gateway) is None
        assert time.monotonic() - began < 2
