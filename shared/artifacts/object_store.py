"""An artifact store in a bucket of any S3-compatible service, so that machines need no shared file system."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from shared.artifacts.contract import TEMPORARY, described, intact, missing, unavailable
from shared.artifacts.keys import Key, checked
from shared.domain.versions import Artifact
from shared.settings import Settings

PROBE, PROBE_BYTES = f"{TEMPORARY}probe", 4096
# Even a request that is retried twice ends after 40 s, within the default ACCEPT_WINDOW_S.
_CONNECT_TIMEOUT = timedelta(seconds=2)
_REQUEST_TIMEOUT = timedelta(seconds=15)
_RETRY_TIMEOUT = timedelta(seconds=20)


class ObjectStore:
    """Artifacts below `s3://bucket/prefix`.

    A single request sends an artifact with its SHA-256, so the service stores it completely or not at all.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        location = urlsplit(url)
        endpoint = settings.aws_endpoint_url
        options = {
            "endpoint": endpoint,
            "region": settings.aws_region,
            "access_key_id": settings.aws_access_key_id,
            "secret_access_key": settings.aws_secret_access_key,
        }
        self.bucket = S3Store(
            location.netloc,
            prefix=location.path.strip("/") or None,
            config={name: value for name, value in options.items() if value},  # type: ignore[arg-type]
            checksum_algorithm="SHA256",
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": _CONNECT_TIMEOUT,
                "timeout": _REQUEST_TIMEOUT,
            },
            retry_config={"max_retries": 2, "retry_timeout": _RETRY_TIMEOUT},
        )

    def put(self, key: str, content: bytes | memoryview) -> Artifact:
        """Write in a single request: a writer that dies during a multipart upload would leave parts behind."""
        with _translate_outages("stored"):
            obstore.put(self.bucket, checked(key), content, use_multipart=False)
        return described(key, content)

    def get(self, artifact: Artifact) -> bytes:
        """Read the stored bytes; raise `DamagedError` if they are missing or altered."""
        try:
            with _translate_outages("read"):
                content = obstore.get(self.bucket, checked(artifact.key)).bytes().to_bytes()
        except FileNotFoundError:
            raise missing() from None
        return intact(artifact, content)

    def open(self, artifact: Artifact) -> IO[bytes]:
        """Copy the verified bytes to a temporary file, so that a slow reader needs no memory; raises like `get`."""
        content = self.get(artifact)
        file = TemporaryFile()  # noqa: SIM115 - the caller closes it
        file.write(content)
        file.seek(0)
        return file

    def delete(self, key: str) -> None:
        """Delete the artifact; the service accepts a key that does not exist."""
        with _translate_outages("deleted"):
            obstore.delete(self.bucket, checked(key))

    def keys(self) -> Iterator[Key]:
        """Yield the keys of all artifacts below the prefix; the service lists a thousand per request."""
        with _translate_outages("listed"):
            for page in obstore.list(self.bucket):
                for entry in page:
                    if key := Key.parse(entry["path"]):
                        yield key

    def sweep(self, older_than: float) -> None:
        """Do nothing: an interrupted request leaves nothing behind."""

    def free_bytes(self) -> None:
        """Return None: the service has no limit that we can read."""

    def check(self) -> None:
        """Write and delete an object, to verify that the access key may do both.

        It always has the same name: a service that hung may write it after this process gave up, and the next check
        deletes it.
        """
        with _translate_outages("stored"):
            obstore.put(self.bucket, PROBE, bytes(PROBE_BYTES), use_multipart=False)
            obstore.delete(self.bucket, PROBE)


@contextmanager
def _translate_outages(action: str) -> Iterator[None]:
    """Raise `UnavailableError` for an outage, and pass on the `FileNotFoundError` of a missing object."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise unavailable(action, "access is denied") from error
    except BaseError as error:
        raise unavailable(action, "the object store failed or did not answer") from error
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):  # a missing bucket does not mean that the artifact is lost
            raise unavailable(action, "there is no such bucket") from error
        raise
