"""The API as the command line talks to it."""

from typing import Any

import httpx

from shared.errors import Code, TsadError, UnavailableError


class Client:
    """Calls routes; an answer that is no success is a `TsadError` with the sentence the API gave."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = httpx.Client(base_url=address, timeout=60, trust_env=False)

    def get(self, path: str, **query: object) -> Any:
        """Answer of a GET, decoded."""
        return self._call("GET", path, params=query).json()

    def post(self, path: str, body: object, **query: object) -> Any:
        """Answer of a POST, decoded."""
        return self._call("POST", path, json=body, params=query).json()

    def text(self, path: str) -> str:
        """Answer of a GET, as it is."""
        return self._call("GET", path).text

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise UnavailableError(
                Code.START_FAILED, f"{self.address} does not answer: {type(error).__name__}."
            ) from error
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
            code, detail = Code(problem["code"]), str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            code, detail = Code.INTERNAL_ERROR, f"{method} {path} was answered {answer.status_code}."
        raise TsadError(code, detail)
