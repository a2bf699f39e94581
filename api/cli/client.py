"""HTTP client of the API, whose problems become the errors of this project."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from shared.errors import BusyError, Code, Flaw, InputError, NotFoundError, TsadError, UnavailableError

_NOT_THE_API = "{} {} was answered {}, by something that is not this API."
_ERRORS: dict[int, type[TsadError]] = {
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.TOO_MANY_REQUESTS: BusyError,
    HTTPStatus.BAD_GATEWAY: UnavailableError,
    HTTPStatus.SERVICE_UNAVAILABLE: UnavailableError,
    HTTPStatus.GATEWAY_TIMEOUT: UnavailableError,
}
_LINES = msgspec.json.Decoder()
MOST_IN_A_PAGE = 200


class Client:
    """Call routes; raise `TsadError` with the code and detail of the API's problem unless a call succeeds."""

    def __init__(self, address: str, key: str = "") -> None:
        self.address = address
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._client = httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise InputError(Code.INVALID_REQUEST, f"{address} is no address, or the key no key: {error}.") from None

    def get(self, path: str, **query: object) -> Any:
        """GET, and return the decoded answer."""
        return self._call("GET", path, params=query).json()

    def post(self, path: str, body: object, **query: object) -> Any:
        """POST a JSON body, and return the decoded answer."""
        return self._call("POST", path, json=body, params=query).json()

    def put(self, path: str, body: object) -> Any:
        """PUT a JSON body, and return the decoded answer."""
        return self._call("PUT", path, json=body).json()

    def delete(self, path: str) -> Any:
        """DELETE, and return the decoded answer, or None if it is empty."""
        content = self._call("DELETE", path).content
        return msgspec.json.decode(content) if content else None

    def post_lines(self, path: str, lines: Iterable[bytes]) -> list[Any]:
        """POST a JSON object on each line, and return the decoded answer to each line."""
        answer = self._call("POST", path, content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
        return _LINES.decode_lines(answer.content)

    def entries(self, path: str, name: str, limit: int, **filters: object) -> Iterator[Any]:
        """Yield at most `limit` entries of a list, `name` in its pages; filters that are None or empty are left out."""
        page_query = {key: value for key, value in filters.items() if value not in (None, "")}
        while limit > 0:
            page = self.get(path, limit=min(limit, MOST_IN_A_PAGE), **page_query)
            yield from page[name]
            limit -= len(page[name])
            if not page["next_cursor"]:
                return
            page_query["cursor"] = page["next_cursor"]

    def text(self, path: str) -> str:
        """GET, and return the answer as text."""
        return self._call("GET", path).text

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(Code.API_UNREACHABLE, f"{self.address} does not answer: {reason}") from error
        if answer.is_success:
            return answer
        raise _problem(answer, _NOT_THE_API.format(method, path, answer.status_code))


def segment(text: str) -> str:
    """Quote text that a user typed as a single part of a path."""
    return quote(text, safe="")


def _problem(answer: httpx.Response, fallback: str) -> TsadError:
    """Translate an answer into an error; the detail is kept for a code that only a newer API knows."""
    kind = _ERRORS.get(answer.status_code, InputError if answer.is_client_error else TsadError)
    try:
        problem = answer.json()
        detail, code = str(problem["detail"]), problem["code"]
        flaws = [Flaw(tuple(flaw["loc"]), str(flaw["msg"])) for flaw in problem["errors"]]
    except (ValueError, KeyError, TypeError):
        return kind(Code.INTERNAL_ERROR, fallback)
    retry_after = answer.headers.get("Retry-After", "")
    return kind(
        Code(code) if code in list(Code) else Code.INTERNAL_ERROR,
        detail,
        flaws=flaws,
        retry_after_s=int(retry_after) if retry_after.isdecimal() else None,
    )
