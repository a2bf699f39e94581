"""Answers as documents show them, compared with those a service gives: equal but for what no two runs share."""

import json
import re
from typing import Any

import pytest

VARYING = {  # what a document shows as an example, and everything like it
    "id": re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    "sha256": re.compile(r"\b[0-9a-f]{64}\b"),
    "request id": re.compile(r"(?<=\"request_id\": \")[0-9a-f]{16}(?=\")"),
    "moment": re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"),
    "worker": re.compile(r"\bfit-\d+@[\w.-]+"),
}
NUMBERS_THAT_VARY = {"avg", "p95", "fit_ms"}
AND_SO_ON = "…"


class Names:
    """Gives what varies a name by its turn, so that one id that stands in two places still has to."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def plain(self, text: str) -> str:
        """The text with names in place of what varies."""
        for kind, pattern in VARYING.items():
            text = pattern.sub(lambda match, kind=kind: self._name(kind, match[0]), text)  # type: ignore[misc]
        return text

    def _name(self, kind: str, value: str) -> str:
        if kind != "id":
            return f"<{kind}>"
        return self._given.setdefault(value, f"<{kind} {len(self._given) + 1}>")


def values(text: str) -> list[Any] | None:
    """The JSON values that the text consists of; None when it is no JSON."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError:
            return None
        found.append(value)
        rest = rest[end:].lstrip()
    return found


def check(shown: Any, given: Any, where: str = "answer") -> None:
    """Fail unless the answer is the one shown: same fields in the same order, same values, numbers but for rounding."""
    if isinstance(shown, dict) and isinstance(given, dict):
        assert list(shown) == list(given), where
        for name, value in shown.items():
            if name in NUMBERS_THAT_VARY:
                assert type(given[name]) is type(value) is float, f"{where}.{name}"
                assert given[name] >= 0, f"{where}.{name}"
            else:
                check(value, given[name], f"{where}.{name}")
    elif isinstance(shown, list) and isinstance(given, list):
        if AND_SO_ON in shown:
            shown = shown[: shown.index(AND_SO_ON)]
            assert len(given) > len(shown) > 0, where
            given = given[: len(shown)]
        assert len(shown) == len(given), where
        for place, (one, other) in enumerate(zip(shown, given, strict=True)):
            check(one, other, f"{where}[{place}]")
    elif isinstance(shown, float):
        assert isinstance(given, float), where
        assert given == pytest.approx(shown, rel=1e-9), where
    else:
        assert type(shown) is type(given), where
        assert shown == given, where
