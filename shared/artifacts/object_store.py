"""Artifacts in a bucket of any service that speaks S3, so that machines need no file system in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from secrets import token_hex
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from shared.artifacts.contract import TEMPORARY, described, intact, missing, unavailable
from shared.artifacts.keys import Key, checked
from shared.domain.versions import Artifact
from shared.settings import Settings

# Even one that is repeated twice is over after 40 s, before the default ACCEPT_WINDOW_S is.
_CONNECT, _REQUEST, _ALL_TRIES = timedelta(seconds=2), timedelta(seconds=15), timedelta(seconds=20)


class ObjectStore:
    """Artifacts below `s3://bucket/prefix`.

    Each is sent by one request with its SHA-256, so the service stores all of it or nothing.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        place = urlsplit(url)
        endpoint = settings.aws_endpoint_url
        given = {
            "endpoint": endpoint,
            "region": settings.aws_region,
            "access_key_id": settings.aws_access_key_id,
            "secret_access_key": settings.aws_secret_access_key,
        }
        self.bucket = S3Store(
            place.netloc,
            prefix=place.path.strip("/") or None,
            config={name: value for name, value in given.items() if value},  # type: ignore[arg-type]
            checksum_algorithm="SHA256",
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": _CONNECT,
                "timeout": _REQUEST,
            },
            retry_config={"max_retries": 2, "retry_timeout": _ALL_TRIES},
        )

    def put(self, key: str, content: bytes | memoryview) -> Artifact:
        """Write it by one request: parts of larger uploads would stay behind when their writer dies."""
        with _outages("stored"):
            obstore.put(self.bucket, checked(key), content, use_multipart=False)
        return described(key, content)

    def get(self, artifact: Artifact) -> bytes:
        """Read it, or raise `DamagedError` when it is gone or altered."""
        try:
            with _outages("read"):
                content = obstore.get(self.bucket, checked(artifact.key)).bytes().to_bytes()
        except FileNotFoundError:
            raise missing() from None
        return intact(artifact, content)

    def delete(self, key: str) -> None:
        """Remove it; the service does not mind when it is gone."""
        with _outages("deleted"):
            obstore.delete(self.bucket, checked(key))

    def keys(self) -> Iterator[Key]:
        """All artifacts below the prefix, a thousand for each request."""
        with _outages("listed"):
            for found in obstore.list(self.bucket):
                for entry in found:
                    if key := Key.parse(entry["path"]):
                        yield key

    def sweep(self, older_than: float) -> None:
        """Nothing: a request that ended too early has left nothing behind."""

    def check(self) -> None:
        """Write and delete an object, so that a key that may not do either is noticed."""
        probe = f"{TEMPORARY}{token_hex(8)}"
        with _outages("stored"):
            obstore.put(self.bucket, probe, b"", use_multipart=False)
            obstore.delete(self.bucket, probe)


@contextmanager
def _outages(done: str) -> Iterator[None]:
    """Tell an outage from a missing object, which stays a `FileNotFoundError`."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise unavailable(done, "access is denied") from error
    except BaseError as error:
        raise unavailable(done, "the object store does not answer as it should") from error
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):  # which does not mean that the artifact is lost
            raise unavailable(done, "there is no such bucket") from error
        raise
