"""The HTTP API of Prometheus, which VictoriaMetrics, Thanos and Mimir have, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import numpy as np

from shared.domain.series import Timestamps, Values
from shared.domain.watching.labels import Labels
from shared.domain.watching.sources import Source
from worker.outbound.egress import Egress, EgressError, EgressTimeoutError

MAX_BYTES = 128 * 1024 * 1024
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class FetchError(Exception):
    """A query failed. The message is for people."""


class TooMuchError(FetchError):
    """The response is too large, or takes too long. For a shorter span, the server may answer."""


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 - as Prometheus writes it
    result: list[_Series] = []


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""
    errorType: str = ""  # noqa: N815


# Errors of Prometheus for queries that take too long or too much memory; Mimir and Thanos have these types, too.
_TOO_MUCH = ("timeout", "execution", "too_many_samples")
_NO_ACCESS = (401, 403, 407)
_ACCESS = (
    "set token_env to a variable with a valid bearer token, or url_env to one with http://user:password@host:port."
)
_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Result:
    """One series of a response."""

    labels: Labels
    timestamps: Timestamps
    values: Values  # NaN for values that are not finite numbers


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server, and how to authenticate there."""

    url: str
    headers: Mapping[str, str]
    egress: Egress

    def query_range(self, query: str, start: int, end: int, step_s: int) -> list[Result]:
        """Return all points of a query from `start` to `end`; raise `FetchError` if it fails.

        Raise `TooMuchError` if it may succeed for a shorter span.
        """
        form = urlencode({"query": query, "start": start, "end": end, "step": step_s}).encode()
        url = f"{self.url.rstrip('/')}/api/v1/query_range"
        try:
            answer = self.egress.request("POST", url, {**_FORM, **self.headers}, form, max_bytes=MAX_BYTES)
        except EgressTimeoutError as error:
            raise TooMuchError(str(error)) from None
        except EgressError as error:
            raise FetchError(str(error)) from None
        if answer.status in _NO_ACCESS:
            raise FetchError(f"The server refuses access ({answer.status}): {_ACCESS}")
        if len(answer.body) >= MAX_BYTES:
            raise TooMuchError(f"The response is larger than {MAX_BYTES:,} bytes: select fewer series.")
        try:
            decoded = _ANSWER.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            hint = " Is this the base URL of Prometheus?" if answer.status in (200, 404, 405) else ""
            raise FetchError(f"The response ({answer.status}) is not one of a Prometheus.{hint}") from None
        if answer.status != 200 or decoded.status != "success" or decoded.data is None:
            kind = TooMuchError if decoded.errorType in _TOO_MUCH else FetchError
            raise kind(f"Prometheus answered {answer.status}: {decoded.error[:300] or 'no reason given'}")
        if decoded.data.resultType != "matrix":
            raise FetchError(f"The query returns {decoded.data.resultType}, not series of numbers.")
        return [_result(series) for series in decoded.data.result]


def connected(source: Source, egress: Egress, variables: Mapping[str, str]) -> Prometheus:
    """Return the server of a source; raise `FetchError` if a variable with a secret is not set."""
    url = source.url or _secret(source.url_env or "", variables)
    headers = {}
    if source.token_env:
        headers["Authorization"] = f"Bearer {_secret(source.token_env, variables)}"
    return Prometheus(url, headers, egress)


def _secret(name: str, variables: Mapping[str, str]) -> str:
    """Return the value of a variable, or the content of the file that NAME_FILE names."""
    value = variables.get(name, "").strip()
    if not value and (path := variables.get(f"{name}_FILE", "")):
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise FetchError(f"The file that {name}_FILE of the outbound process names cannot be read.") from None
    if not value:
        raise FetchError(
            f"The environment variable {name} of the outbound process is not set, and neither {name}_FILE."
        )
    if any(character < " " or character > "~" for character in value):
        raise FetchError(f"The environment variable {name} of the outbound process has characters that cannot be sent.")
    return value


def _result(series: _Series) -> Result:
    timestamps = np.array([int(moment) for moment, _ in series.values], dtype=np.int64)
    values = np.array([float(value) for _, value in series.values], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return Result(series.metric, timestamps, values)
