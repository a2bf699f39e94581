"""Compare answers in documents with real ones, ignoring what differs from run to run."""

import json
import re
from typing import Any

import pytest

VARYING = {  # values that differ from run to run
    "id": re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    "sha256": re.compile(r"\b[0-9a-f]{64}\b"),
    "request id": re.compile(r"(?<=\"request_id\": \")[0-9a-f]{16}(?=\")"),
    "moment": re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"),
    "worker": re.compile(r"\bfit-\d+@[\w.-]+"),
}
NUMBERS_THAT_VARY = {"avg", "p95", "fit_ms"}
AND_SO_ON = "…"


class Names:
    """Replaces values that vary by names in order of appearance, so that equal ids stay equal."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def normalized(self, text: str) -> str:
        """The text with names in place of values that vary."""
        for kind, pattern in VARYING.items():
            text = pattern.sub(lambda match, kind=kind: self._name(kind, match[0]), text)  # type: ignore[misc]
        return text

    def _name(self, kind: str, value: str) -> str:
        if kind != "id":
            return f"<{kind}>"
        return self._names.setdefault(value, f"<{kind} {len(self._names) + 1}>")


def values(text: str) -> list[Any] | None:
    """The JSON values of the text; None if it is not JSON."""
    decoder, json_values, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError:
            return None
        json_values.append(value)
        rest = rest[end:].lstrip()
    return json_values


def check(shown: Any, actual: Any, location: str = "answer") -> None:
    """Fail unless the answer has the fields of the one shown, in the same order, with equal values up to rounding."""
    if isinstance(shown, dict) and isinstance(actual, dict):
        assert list(shown) == list(actual), location
        for name, value in shown.items():
            if name in NUMBERS_THAT_VARY:
                assert type(actual[name]) is type(value) is float, f"{location}.{name}"
                assert actual[name] >= 0, f"{location}.{name}"
            else:
                check(value, actual[name], f"{location}.{name}")
    elif isinstance(shown, list) and isinstance(actual, list):
        if AND_SO_ON in shown:
            shown = shown[: shown.index(AND_SO_ON)]
            assert len(actual) > len(shown) > 0, location
            actual = actual[: len(shown)]
        assert len(shown) == len(actual), location
        for place, (shown_item, actual_item) in enumerate(zip(shown, actual, strict=True)):
            check(shown_item, actual_item, f"{location}[{place}]")
    elif isinstance(shown, float):
        assert isinstance(actual, float), location
        assert actual == pytest.approx(shown, rel=1e-9), location
    else:
        assert type(shown) is type(actual), location
        assert shown == actual, location
