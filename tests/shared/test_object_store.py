"""Failures that only buckets have. None of them may look like a lost artifact."""

import base64
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

import obstore
import pytest

from shared.artifacts import ObjectStore, data_key, object_store
from shared.domain.versions import Artifact
from shared.errors import Code, UnavailableError
from tests.processes import make_settings
from tests.stores import ACCESS, BUCKET, names

KEY = data_key("a", "2e6e0eab-0694-448b-8eea-79b35f7a58c1")
STORED = Artifact(KEY, hashlib.sha256(b"").digest(), 0)


def failures(store: ObjectStore) -> list[str]:
    """Call every method, each of which must fail, and return the error messages."""
    attempts: list[Callable[[], object]] = [
        lambda: store.put(KEY, b""),
        lambda: store.get(STORED),
        lambda: store.delete(KEY),
        lambda: list(store.keys()),
        store.check,
    ]
    details = []
    for attempt in attempts:
        with pytest.raises(UnavailableError) as raised:
            attempt()
        assert raised.value.code == Code.STORE_UNAVAILABLE
        assert raised.value.retry_after_s
        details.append(raised.value.detail)
    return details


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port without a listener, bound so that no other process can listen on it."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def test_an_unreachable_service_raises_unavailable_error_without_its_address(closed_port: int) -> None:
    settings = make_settings(aws_endpoint_url=f"http://127.0.0.1:{closed_port}", **ACCESS)
    for sentence in failures(ObjectStore(f"s3://{BUCKET}", settings)):
        assert "127.0.0.1" not in sentence
        assert BUCKET not in sentence


def test_a_service_that_does_not_answer_raises_unavailable_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("_REQUEST_TIMEOUT", "_RETRY_TIMEOUT"):
        monkeypatch.setattr(object_store, limit, timedelta(milliseconds=50))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = make_settings(aws_endpoint_url="http://{}:{}".format(*silent.getsockname()), **ACCESS)
        failures(ObjectStore(f"s3://{BUCKET}", settings))


def test_a_missing_bucket_is_not_reported_as_a_missing_artifact(s3: dict[str, str]) -> None:
    store = ObjectStore("s3://elsewhere/a", make_settings(**s3))
    put, get, *_ = failures(store)
    assert all("no such bucket" in sentence for sentence in (put, get))


def test_a_check_deletes_what_an_earlier_one_wrote_too_late(s3: dict[str, str]) -> None:
    store = ObjectStore(f"s3://{BUCKET}/late", make_settings(**s3))
    obstore.put(store.bucket, object_store.PROBE, b"")
    store.check()
    assert names(store) == set()


def test_an_artifact_is_sent_in_one_request_with_its_checksum() -> None:
    content, sent = b"x" * 6_000_000, []

    class Service(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append((self.path, body, self.headers["x-amz-checksum-sha256"]))
            self.send_response(HTTPStatus.OK)
            self.send_header("ETag", "any")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Service) as service:
        answering = threading.Thread(target=service.handle_request)
        answering.start()
        settings = make_settings(aws_endpoint_url=f"http://127.0.0.1:{service.server_port}", **ACCESS)
        ObjectStore(f"s3://{BUCKET}/pre/fix/", settings).put(KEY, content)
        answering.join()
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert sent == [(f"/{BUCKET}/pre/fix/{KEY}", content, checksum)]
