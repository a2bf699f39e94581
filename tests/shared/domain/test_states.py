"""Serialization of states, and rejection of invalid bytes."""

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.domain.archives import unpacked
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


def nested(name: str = "ar") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return head and arrays of a state with nested dataclasses, or another nested detector."""
    detector = named(name)
    content, _ = encode(Fitted(detector, fit(detector, random_walk(40), complete(detector.parameters, {}))))
    arrays = dict(unpacked(content))
    return json.loads(arrays.pop("head").tobytes()), arrays


def nested_former_auto() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return head and arrays of a state of the former `auto`, which chose another detector, in the current format."""
    stored = (Path(__file__).with_name("states_of_format_1") / "auto_of_few_points.npz").read_bytes()
    arrays = dict(unpacked(encode(decode(stored))[0]))
    return json.loads(arrays.pop("head").tobytes()), arrays


def packed(head: Any, arrays: dict[str, Any]) -> bytes:
    return archive(head=np.frombuffer(json.dumps(head).encode(), dtype=np.uint8), **arrays)


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
def test_bytes_that_are_not_a_state_are_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        decode(content)
    assert caught.value.code is Code.ARTIFACT_DAMAGED


def test_a_nested_state_is_an_object_in_the_head_and_a_dotted_name_in_the_archive() -> None:
    head, arrays = nested()
    assert head["state"]["standard"].keys() == {"center", "spread"}
    assert head["state"]["forecast"].keys() == {"lags", "bends"}
    assert arrays.keys() == {"forecast.weights", "end.tail"}
    assert encode(decode(packed(head, arrays))) == encode(decode(packed(*nested())))


NO_VALUE = "nothing at all"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("state", "standard"), NO_VALUE),
        (("state", "standard"), [1.0, 2.0]),
        (("state", "standard"), 1.0),
        (("state", "standard"), None),
        (("state", "standard"), {}),
        (("state", "standard", "middle"), 1.0),
        (("state", "standard.center"), 1.0),
        (("state", "standard", "spread"), NO_VALUE),
        (("state", "standard", "spread"), {"center": 1.0}),
        (("state", "standard", "spread"), "1.0"),
        (("state", "standard", "spread"), True),
        (("state", "standard", "spread"), None),
        (("state", "standard", "spread"), float("nan")),
        (("state", "forecast", "lags"), 5.0),
        (("state", "forecast", "weights"), [1.0, 2.0]),
        (("state", "boundary", "promise"), 7),
        (("state", "boundary"), {"detector": "baseline", "state": {}}),
        (("state", "another"), 1.0),
        (("other",), {}),
    ],
    ids=str,
)
def test_a_changed_nested_head_is_damaged(path: tuple[str, ...], value: Any) -> None:
    head, arrays = nested()
    around = head
    for name in path[:-1]:
        around = around[name]
    if value is NO_VALUE:
        del around[path[-1]]
    else:
        around[path[-1]] = value
    with pytest.raises(DamagedError):
        decode(packed(head, arrays))


@pytest.mark.parametrize("name", ["end.tail", "forecast.weights"])
@pytest.mark.parametrize(
    "renamed", ["", "tail", "weights", "end", "end.tail.", ".end.tail", "end..tail", "end.head", "forecast.end.tail"]
)
def test_missing_or_renamed_arrays_are_damaged(name: str, renamed: str) -> None:
    head, arrays = nested()
    array = arrays.pop(name)
    with pytest.raises(DamagedError):
        decode(packed(head, arrays))
    with pytest.raises(DamagedError):
        decode(packed(head, {**arrays, renamed: array}))
    with pytest.raises(DamagedError):
        decode(packed(head, {**arrays, name: array, renamed: array}))


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.complex128, np.bool_, "S8"])
def test_an_array_of_another_type_is_damaged(kind: Any) -> None:
    head, arrays = nested()
    with pytest.raises(DamagedError):
        decode(packed(head, {**arrays, "end.tail": np.zeros(3).astype(kind)}))


@pytest.mark.parametrize("compared", ["", "msnn ar", [1], [["msnn"]], {"msnn": 1}, None, 5, True], ids=str)
def test_a_tuple_of_strings_is_stored_as_a_list(compared: Any) -> None:
    head, arrays = nested_former_auto()
    assert head["state"]["compared"] == []
    assert decode(packed(head, arrays)).state.compared == ()
    head["state"]["compared"] = compared
    with pytest.raises(DamagedError):
        decode(packed(head, arrays))


@pytest.mark.parametrize("chosen", [None, [], {}, {"detector": "robust"}, {"state": {}}, "robust", 1.0], ids=str)
def test_a_changed_nested_detector_is_damaged(chosen: Any) -> None:
    head, arrays = nested_former_auto()
    assert head["state"]["chosen"].keys() == {"detector", "state"}
    for value in (chosen, {**head["state"]["chosen"], "other": 1}):
        with pytest.raises(DamagedError):
            decode(packed({**head, "state": {**head["state"], "chosen": value}}, arrays))


def test_fields_of_one_format_are_rejected_in_the_other() -> None:
    content = (Path(__file__).with_name("states_of_format_1") / "ar.npz").read_bytes()
    flat = dict(unpacked(content))
    flat_head = json.loads(flat.pop("head").tobytes())
    head, arrays = nested()
    decode(packed(flat_head, flat))
    for content in (packed({**flat_head, "format": 2}, flat), packed({**head, "format": 1}, arrays)):
        with pytest.raises(DamagedError):
            decode(content)


def test_a_dotted_field_name_is_damage_in_format_1() -> None:
    head = json.loads((Path(__file__).with_name("states_of_format_1") / "robust.json").read_bytes())
    decode(json.dumps(head).encode())
    head["state"]["boundary.value"] = head["state"].pop("threshold")
    with pytest.raises(DamagedError):
        decode(json.dumps(head).encode())


def test_an_unknown_format_is_rejected_with_the_supported_formats() -> None:
    with pytest.raises(DamagedError) as caught:
        decode(b'{"format": 3, "detector": "baseline", "state": {}}')
    assert "has format 3; this release reads 1 and 2" in caught.value.detail


def test_a_nested_state_with_a_changed_byte_is_damaged_or_a_valid_state() -> None:
    head, arrays = nested()
    content = packed(head, arrays)
    for index in range(len(content)):
        changed = bytearray(content)
        changed[index] ^= 0x11
        with suppress(DamagedError):
            decode(bytes(changed))


def test_every_truncated_state_is_damaged() -> None:
    content = encoded_baseline()
    for length in range(len(content)):
        with pytest.raises(DamagedError):
            decode(content[:length])


def test_a_state_names_its_format_and_its_detector() -> None:
    head = json.loads(encoded_baseline())
    assert (head["format"], head["detector"]) == (2, "baseline")
