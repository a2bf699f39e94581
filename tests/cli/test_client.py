"""The HTTP client of the command line decodes responses and raises problems."""

import httpx
import pytest

from api.cli.client import Client
from shared.embedded.ports import free_port
from shared.errors import Code, TsadError, UnavailableError
from tests.points import ramp


@pytest.fixture
def client(api: httpx.Client) -> Client:
    return Client(str(api.base_url))


def test_responses_are_decoded(client: Client, series_id: str) -> None:
    accepted = client.post(f"/fit/{series_id}", ramp())
    assert client.get(f"/jobs/{accepted['job_id']}", wait=0)["series_id"] == series_id
    assert client.text("/livez").startswith("{")
    client.close()


def test_a_problem_is_raised_with_its_code_and_detail(client: Client) -> None:
    with pytest.raises(TsadError, match="no such job") as refused:
        client.get("/jobs/7")
    assert refused.value.code == Code.JOB_NOT_FOUND
    client.close()


def test_an_unreachable_api_is_reported_with_its_address() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    client = Client(address)
    with pytest.raises(UnavailableError, match=f"{address} cannot be reached"):
        client.get("/livez")
    client.close()
