"""Fixtures for tests of shared code."""

from collections.abc import Iterator

import hypothesis
import pytest
import redis

from tests.gateway import Gateway

# The same examples on every run, also on a slow machine.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=False)
hypothesis.settings.load_profile("repeatable")

REDIS_DATABASE = 10  # no worker of the test session consumes from it


@pytest.fixture
def empty_redis_url(redis_url: str) -> Iterator[str]:
    """An empty Redis database for one test."""
    url = redis_url.rsplit("/", 1)[0] + f"/{REDIS_DATABASE}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def client(empty_redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(empty_redis_url) as client:
        yield client


@pytest.fixture
def gateway(empty_redis_url: str) -> Iterator[Gateway]:
    """A gateway to Redis, initially shut."""
    gateway = Gateway(empty_redis_url)
    yield gateway
    gateway.shut()
