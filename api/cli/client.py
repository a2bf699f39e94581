"""HTTP client of the API that raises the API's problems as `TsadError`."""

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, NoReturn, Self
from urllib.parse import quote

import httpx
import msgspec

from shared.errors import BusyError, Code, Flaw, InputError, NotFoundError, TsadError, UnavailableError

NOT_THE_API = "{} {} returned status {}, but the response is not from the tsad API. Check the URL."
KEY_NEEDED = "Put a key into the environment variable TSAD_API_KEY, or pass --key. `tsad keys create` creates one."
_ERRORS: dict[int, type[TsadError]] = {
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.TOO_MANY_REQUESTS: BusyError,
    HTTPStatus.BAD_GATEWAY: UnavailableError,
    HTTPStatus.SERVICE_UNAVAILABLE: UnavailableError,
    HTTPStatus.GATEWAY_TIMEOUT: UnavailableError,
}
_LINES = msgspec.json.Decoder(dict[str, Any])
MAX_PAGE_ENTRIES = 200


class Answer(dict[str, Any]):
    """A JSON object of the API; a missing field raises `TsadError`, because the response is from something else."""

    def __missing__(self, name: str) -> NoReturn:
        raise TsadError(Code.INTERNAL_ERROR, f"The response has no {name}: it is not from the tsad API. Check the URL.")


class Client:
    """Client that turns each failed request into a `TsadError` with the code and detail of the API's problem."""

    def __init__(self, address: str, key: str = "") -> None:
        self.address = address
        key = key.strip()  # a key from a file may end with a line break
        if not key.isascii() or not key.isprintable():
            raise InputError(Code.UNAUTHENTICATED, f"The API key has characters that no key has. {KEY_NEEDED}")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._client = httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)
        except httpx.InvalidURL as error:
            raise InputError(Code.INVALID_REQUEST, f"The URL {address} is invalid: {str(error).rstrip('.')}.") from None

    def get(self, path: str, **query: object) -> Answer:
        """Send a GET request and return the decoded response."""
        return _decoded(self.call("GET", path, params=query))

    def post(self, path: str, body: object, **query: object) -> Answer:
        """Send a POST request with a JSON body and return the decoded response."""
        return _decoded(self.call("POST", path, json=body, params=query))

    def post_once(self, path: str, content: bytes, idempotency_key: str) -> Answer:
        """Send a POST request with JSON that the API carries out once per key, and return the decoded response."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        return _decoded(self.call("POST", path, content=content, headers=headers))

    def put(self, path: str, body: object) -> Answer:
        """Send a PUT request with a JSON body and return the decoded response."""
        return _decoded(self.call("PUT", path, json=body))

    def delete(self, path: str) -> Answer:
        """Send a DELETE request and return the decoded response; an empty one has no fields."""
        response = self.call("DELETE", path)
        return _decoded(response) if response.content else Answer()

    def post_lines(self, path: str, lines: Iterable[bytes]) -> list[Answer]:
        """Send a POST request with one JSON object per line and return the decoded result of each line."""
        response = self.call("POST", path, content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
        try:
            return [Answer(line) for line in _LINES.decode_lines(response.content)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _not_the_api(response) from None

    def entries(self, path: str, name: str, limit: int, **filters: object) -> Iterator[Any]:
        """Yield at most `limit` entries from the field `name` of each page; skip filters that are None or empty."""
        page_query = {key: value for key, value in filters.items() if value not in (None, "")}
        while limit > 0:
            page = self.get(path, limit=min(limit, MAX_PAGE_ENTRIES), **page_query)
            yield from page[name]
            limit -= len(page[name])
            if not page["next_cursor"]:
                return
            page_query["cursor"] = page["next_cursor"]

    def text(self, path: str) -> str:
        """Send a GET request and return the response as text."""
        return self.call("GET", path).text

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request once; raise `TsadError` for a failure."""
        try:
            response = self._client.request(method, path, **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            advice = " Does `tsad up` run? --url or TSAD_URL chooses another URL." if _is_refused(error) else ""
            sentence = f"{self.address or 'An empty URL'} cannot be reached: {reason}.{advice}"
            raise UnavailableError(Code.API_UNREACHABLE, sentence) from error
        if response.is_success:
            return response
        raise _problem(response)


def segment(text: str) -> str:
    """Quote user input as one segment of a path."""
    return quote(text, safe="")


def _is_refused(error: Exception) -> bool:
    """Whether the request could not be sent, because nobody listens there, or the URL is no address."""
    return isinstance(error, httpx.ConnectError | httpx.UnsupportedProtocol | httpx.InvalidURL)


def _decoded(response: httpx.Response) -> Answer:
    try:
        decoded = json.loads(response.content, object_hook=Answer)
    except (ValueError, RecursionError):
        raise _not_the_api(response) from None
    if not isinstance(decoded, Answer):
        raise _not_the_api(response)
    return decoded


def _not_the_api(response: httpx.Response) -> TsadError:
    request = response.request
    sentence = NOT_THE_API.format(request.method, request.url, response.status_code)
    error_class = _ERRORS.get(response.status_code, InputError if response.is_client_error else TsadError)
    return error_class(Code.INTERNAL_ERROR, sentence)


def _problem(response: httpx.Response) -> TsadError:
    """Translate a response into an error; a code from a newer API becomes INTERNAL_ERROR and keeps its detail."""
    try:
        problem = response.json()
        detail, code = str(problem["detail"]), problem["code"]
        flaws = [Flaw(tuple(flaw["loc"]), str(flaw["msg"])) for flaw in problem["errors"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _not_the_api(response)
    if code == Code.UNAUTHENTICATED:
        detail = f"{detail} {KEY_NEEDED}"
    error_class = _ERRORS.get(response.status_code, InputError if response.is_client_error else TsadError)
    retry_after = response.headers.get("Retry-After", "")
    return error_class(
        Code(code) if code in list(Code) else Code.INTERNAL_ERROR,
        detail,
        flaws=flaws,
        retry_after_s=int(retry_after) if retry_after.isdecimal() else None,
    )
