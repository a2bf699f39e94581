import httpx
import pytest

from tests.points import ramp


@pytest.fixture
def job_id(api: httpx.Client, series_id: str) -> str:
    """Id of a queued job."""
    return str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"])
