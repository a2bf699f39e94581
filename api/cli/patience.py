"""A client that outlives a restart of the API."""

import time
from typing import Any

import httpx

from api.cli.client import Client
from api.cli.output import note
from shared.errors import BusyError, TsadError, UnavailableError

FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 10.0


class PatientClient(Client):
    """Client that retries with backoff while the API is away or too busy, for up to `patience_s` seconds at a time.

    It reports the first failed attempt, and that the API answers again. A request that cannot be sent fails at once as
    long as the API has not answered any: the URL may be wrong. Send only requests that are safe to repeat.
    """

    def __init__(self, address: str, key: str, patience_s: float) -> None:
        super().__init__(address, key)
        self._patience_s = patience_s
        self._has_answered = False

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request until the API carries it out or rejects it; raise `TsadError` for a failure."""
        began_s = time.monotonic()
        pause_s = FIRST_PAUSE_S
        failed = False
        while True:
            try:
                response = super().call(method, path, **arguments)
            except (BusyError, UnavailableError) as error:
                if not failed and self._is_worth_waiting(error):
                    note(f"{error.detail} Trying again for up to {self._patience_s:g} s.")
                    failed = True
                wait_s = max(pause_s, min(error.retry_after_s or 0, MAX_PAUSE_S))
                if not failed or time.monotonic() + wait_s > began_s + self._patience_s:
                    raise
                time.sleep(wait_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
            except TsadError:
                self._has_answered = True
                raise
            else:
                self._has_answered = True
                if failed:
                    note(f"{self.address} answers again.")
                return response

    def _is_worth_waiting(self, error: TsadError) -> bool:
        return self._has_answered or not isinstance(error.__cause__, httpx.ConnectError | httpx.UnsupportedProtocol)
