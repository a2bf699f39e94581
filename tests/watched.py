"""Pushed points and watches of single series, through the API."""

import time
from typing import Any

import httpx

NOW = int(time.time()) // 60 * 60


def push(api: httpx.Client, series_id: str, values: list[Any], ago: int = 0) -> dict[str, Any]:
    """Push values a minute apart, the last `ago` minutes before `NOW`; return the answer."""
    timestamps = [NOW - 60 * (ago + place) for place in range(len(values))][::-1]
    answer = api.post(f"/series/{series_id}/points", json={"timestamps": timestamps, "values": values})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def put(api: httpx.Client, series_id: str, **document: Any) -> dict[str, Any]:
    """Put a watch of one series, named like it; return the answer."""
    answer = api.put(f"/watches/{series_id}", json={"prefix": series_id, **document})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result
