"""Artifact stores for tests, and an S3 service: `python -m tests.stores PORT`."""

import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from moto.server import ThreadedMotoServer

from shared.artifacts import LocalFolder, ObjectStore, Store
from shared.artifacts.local_folder import MARK

BUCKET = "tsad"
ACCESS = {"aws_region": "us-east-1", "aws_access_key_id": "key", "aws_secret_access_key": "secret"}


def root(store: Store) -> Path:
    """Return the folder of a local store."""
    assert isinstance(store, LocalFolder)
    return store.root


def names(store: Store) -> set[str]:
    """Return the names of everything in the store except its mark: keys of artifacts, paths of other files."""
    if isinstance(store, ObjectStore):
        return {entry["path"] for page in obstore.list(store.bucket) for entry in page}
    folder = root(store)
    return {str(file.relative_to(folder)) for file in files_below(folder) if file.name != MARK}


def files_below(folder: Path) -> Iterator[Path]:
    """Return the files below a folder whose files and folders another process may delete meanwhile."""
    return (Path(parent, name) for parent, _, files in os.walk(folder) for name in files)


def s3_settings(endpoint: str) -> dict[str, str]:
    """Return the settings for the S3 service at this URL."""
    return {"aws_endpoint_url": endpoint, **ACCESS}


@contextmanager
def serving_s3(port: int = 0) -> Iterator[dict[str, str]]:
    """Run an S3 service with an empty bucket in threads of this process, and yield the settings for it."""
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        make_bucket = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")  # noqa: S310 - our own address
        with urllib.request.urlopen(make_bucket, timeout=10):  # noqa: S310 - our own address
            yield s3_settings(endpoint)
    finally:
        server.stop()


if __name__ == "__main__":
    with serving_s3(int(sys.argv[1])):
        signal.pause()
