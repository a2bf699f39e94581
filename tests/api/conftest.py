from collections.abc import Iterator

import httpx
import pytest

from shared.settings import Settings
from tests.api.bodies import MAX_BODY_BYTES, MAX_IN_FLIGHT_BYTES
from tests.processes import serving


@pytest.fixture(scope="session")
def small_api(settings: Settings) -> Iterator[httpx.Client]:
    """An API with a small body limit, and memory for two of the largest bodies at a time."""
    bounds = {"max_body_bytes": MAX_BODY_BYTES, "max_body_bytes_in_flight": MAX_IN_FLIGHT_BYTES}
    with serving(settings.model_copy(update=bounds)) as client:
        yield client
