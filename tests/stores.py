"""Stores as tests need them: the folder behind one, and a service that speaks S3: `python -m tests.stores PORT`."""

import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from moto.server import ThreadedMotoServer

from shared.artifacts import LocalFolder, ObjectStore, Store

BUCKET = "tsad"
ACCESS = {"aws_region": "us-east-1", "aws_access_key_id": "key", "aws_secret_access_key": "secret"}


def root(store: Store) -> Path:
    """The folder of a store that is one."""
    assert isinstance(store, LocalFolder)
    return store.root


def names(store: Store) -> set[str]:
    """Whatever is in the store: artifacts by key, and anything else by its path."""
    if isinstance(store, ObjectStore):
        return {entry["path"] for found in obstore.list(store.bucket) for entry in found}
    folder = root(store)
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def s3_settings(endpoint: str) -> dict[str, str]:
    """What leads to the service at this address."""
    return {"aws_endpoint_url": endpoint, **ACCESS}


@contextmanager
def serving_s3(port: int = 0) -> Iterator[dict[str, str]]:
    """A service with an empty bucket, in threads of this process; the settings that lead to it."""
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        make_bucket = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")  # noqa: S310 - our own address
        with urllib.request.urlopen(make_bucket, timeout=10):  # noqa: S310 - likewise
            yield s3_settings(endpoint)
    finally:
        server.stop()


if __name__ == "__main__":
    with serving_s3(int(sys.argv[1])):
        signal.pause()
