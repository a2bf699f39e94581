"""What tests of shared code need."""

from collections.abc import Iterator

import hypothesis
import pytest
import redis

from tests.gateway import Gateway

# The same examples on every run, however slow the machine is.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=False)
hypothesis.settings.load_profile("repeatable")

OWN_DATABASE = 10  # no worker of this session listens there


@pytest.fixture
def redis_of_ours(redis_url: str) -> Iterator[str]:
    """An empty database of Redis that nobody else uses."""
    url = redis_url.rsplit("/", 1)[0] + f"/{OWN_DATABASE}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def client(redis_of_ours: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_of_ours) as made:
        yield made


@pytest.fixture
def gateway(redis_of_ours: str) -> Iterator[Gateway]:
    """Shut at first."""
    made = Gateway(redis_of_ours)
    yield made
    made.shut()
