"""The HTTP client of the command line decodes responses and raises problems."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import unquote

import httpx
import pytest

from api.cli.client import Client
from api.cli.patience import PatientClient
from shared.embedded.ports import free_port
from shared.errors import Code, TsadError, UnavailableError
from tests.gateway import Gateway
from tests.points import ramp
from tests.waiting import until


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


def test_a_patient_client_outlives_a_restart_of_the_api_and_reports_it(
    api: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    reported: list[str] = []

    def has_reported(words: str) -> bool:
        reported.append(capsys.readouterr().err)
        return words in "".join(reported)

    gateway = Gateway(str(api.base_url))
    gateway.open()
    with PatientClient(gateway.url, "", patience_s=60) as client, ThreadPoolExecutor(1) as executor:
        client.get("/livez")
        gateway.shut()
        answer = executor.submit(client.get, "/livez")
        until(lambda: has_reported("Trying again for up to 60 s."))
        gateway.open()
        assert answer.result()["status"] == "alive"
        assert has_reported(f"{gateway.url} answers again.")
    gateway.shut()


def test_a_patient_client_gives_up_in_the_end_and_at_once_on_a_wrong_address(api: httpx.Client) -> None:
    gateway = Gateway(str(api.base_url))
    gateway.open()
    with PatientClient(gateway.url, "", patience_s=0.6) as client:
        client.get("/livez")
        gateway.shut()
        with pytest.raises(UnavailableError, match="cannot be reached"):
            client.get("/livez")
    nobody = PatientClient(f"http://127.0.0.1:{free_port()}", "", patience_s=600)
    with nobody, pytest.raises(UnavailableError, match="cannot be reached"):
        nobody.get("/livez")
    gateway.shut()


@pytest.fixture
def foreign() -> Iterator[str]:
    """URL of a web server that is not the API: its path is the body of its response."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, _, body = self.path[1:].partition("/")
            self.send_response(int(status))
            self.end_headers()
            self.wfile.write(unquote(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("answer", ["200/page", "200/[]", "200/{}", "404/{}", "500/page", "200/", "302/"])
def test_a_response_of_another_server_is_reported(foreign: str, answer: str) -> None:
    with Client(foreign) as client, pytest.raises(TsadError, match="not from the tsad API"):
        client.get(f"/{answer}")["jobs"]  # a missing field is noticed when it is read


def test_a_401_says_how_to_send_a_key(foreign: str) -> None:
    problem = '{"detail": "Invalid.", "code": "unauthenticated", "errors": []}'
    with Client(foreign) as client, pytest.raises(TsadError, match="environment variable TSAD_API_KEY") as refused:
        client.get(f"/401/{problem}")
    assert refused.value.code == Code.UNAUTHENTICATED
