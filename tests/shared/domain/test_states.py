"""States as bytes, and bytes that are none."""

import io
import json
from typing import Any

import numpy as np
import pytest

from shared.domain.detectors import named
from shared.domain.detectors.parameters import complete
from shared.domain.detectors.states import Fitted, decode, encode
from shared.errors import Code, DamagedError
from tests.shared.domain.contract import (
    fit,
    random_walk,
)


def encoded_baseline() -> bytes:
    detector = named("baseline")
    return encode(Fitted(detector, fit(detector, random_walk(9), complete(detector.parameters, {}))))[0]


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"{",
        b"{}",
        b"[1]",
        b'{"format": 3, "detector": "baseline", "state": {}}',
        b'{"format": [2], "detector": "baseline", "state": {}}',
        b'{"format": 2, "detector": "gone", "state": {}}',
        b'{"format": 2, "detector": "baseline", "state": {"mean": 1}}',
        b'{"format": 2, "detector": "baseline", "state": [1]}',
        b'{"format": 2, "detector": ["baseline"], "state": {}}',
        b'{"format": 1, "detector": "gone", "state": {}}',
        b'{"format": 1, "detector": "baseline", "state": {"mean": 1}}',
        b'{"format": 1, "detector": "baseline", "state": [1]}',
        b'{"format": 1, "detector": ["baseline"], "state": {}}',
        b'{"a":' * 100_000,
        b"PK\x03\x04" + bytes(60),
        archive(other=np.arange(3)),
        archive(head=np.array([{}], dtype=object)),
    ],
    ids=[
        "nothing",
        "text",
        "half JSON",
        "empty object",
        "list",
        "another format",
        "format is a list",
        "unknown detector",
        "fields missing",
        "no fields",
        "detector is a list",
        "unknown detector of format 1",
        "fields missing of format 1",
        "no fields of format 1",
        "detector is a list of format 1",
        "deep nesting",
        "broken zip",
        "archive without head",
        "pickled object",
    ],
)
def test_bytes_that_are_no_state_are_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        decode(content)
    assert caught.value.code is Code.ARTIFACT_DAMAGED


def test_every_shortened_state_is_damaged() -> None:
    content = encoded_baseline()
    for length in range(len(content)):
        with pytest.raises(DamagedError):
            decode(content[:length])


def test_a_state_names_its_format_and_its_detector() -> None:
    head = json.loads(encoded_baseline())
    assert (head["format"], head["detector"]) == (2, "baseline")
