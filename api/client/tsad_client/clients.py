"""The two clients. They have the same operations; those of `AsyncClient` are awaited."""

import os
from collections.abc import Mapping
from typing import Any, Self, TypeVar

import httpx

from tsad_client.errors import TsadError
from tsad_client.following import AlertFeed, AsyncAlertFeed, Progress
from tsad_client.operations import Operations
from tsad_client.pushing import Pusher
from tsad_client.running import arun, run
from tsad_client.sending import Patience, Steps

T = TypeVar("T")

URL = "http://127.0.0.1:8000"
TIMEOUT_S = 30


class Client(Operations):
    """A client that blocks. Several threads may share it.

    url: of the service; without it, the environment variable TSAD_URL, else this machine.
    key: an API key; without it, the environment variable TSAD_API_KEY.
    patience: how long an operation waits while the service is busy or cannot be reached.
    options: of `httpx.Client`, such as `verify`.
    """

    def __init__(
        self, url: str | None = None, key: str | None = None, *, patience: Patience | None = None, **options: Any
    ) -> None:
        self.patience = patience or Patience()
        self._http = httpx.Client(**_options(url, key, options))

    def pusher(self, **options: Any) -> Pusher:
        """Return a buffer that pushes points in batches from a thread; `options` are those of `Pusher`."""
        return Pusher(self, **options)

    def follow_alerts(self, *, last_id: str | None = None, **selection: str) -> AlertFeed:
        """Return alerts as they change, as a feed to iterate over: the newest 50, then each that opens or changes.

        last_id: of another feed, which this one continues: it begins with everything that has changed since then.
        selection: series_id, prefix, watch, status, kind, review or began, as for `alerts`.
        The feed connects again after interruptions, within the patience of the client for each.
        """
        return AlertFeed(self._http, Progress(selection, last_id, self.patience))

    def run(self, steps: Steps[T]) -> T:
        """Carry out an operation."""
        return run(self._http, steps)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(Operations):
    """A client for an event loop; its parameters are those of `Client`."""

    def __init__(
        self, url: str | None = None, key: str | None = None, *, patience: Patience | None = None, **options: Any
    ) -> None:
        self.patience = patience or Patience()
        self._http = httpx.AsyncClient(**_options(url, key, options))

    def follow_alerts(self, *, last_id: str | None = None, **selection: str) -> AsyncAlertFeed:
        """Return alerts as they change, as `Client.follow_alerts` does, as a feed for `async for`."""
        return AsyncAlertFeed(self._http, Progress(selection, last_id, self.patience))

    async def arun(self, steps: Steps[T]) -> T:
        """Carry out an operation."""
        return await arun(self._http, steps)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _options(url: str | None, key: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the HTTP client."""
    url, key = url or os.environ.get("TSAD_URL") or URL, (key or os.environ.get("TSAD_API_KEY") or "").strip()
    if not key.isascii() or not key.isprintable():
        raise TsadError("The API key has characters that no key has. Pass key=…, or set TSAD_API_KEY.")
    headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **options.get("headers", {})}
    try:
        base_url = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise TsadError(f"The URL {url} is invalid: {str(error).rstrip('.')}.") from None
    return {"timeout": TIMEOUT_S, **options, "base_url": base_url, "headers": headers}
