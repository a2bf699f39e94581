"""Serialization of states: JSON for numbers and strings, npz if there are arrays. Never pickle.

A state is a frozen dataclass of numbers, strings, tuples of strings, arrays, nested dataclasses of the same kind, and
`Fitted` states of other detectors. A nested dataclass with a default may be missing: the state is older than the field.
The head is a JSON object with the same nesting. Each array is a member of the archive, named by its field path:
`forecast.weights`.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from shared.domain.archives import unpacked
from shared.domain.detectors import named, states_format_1
from shared.domain.detectors.choice import FORMER_AUTO
from shared.domain.detectors.contract import Detector, Fitted
from shared.errors import Code, DamagedError, TsadError

__all__ = ["Fitted", "decode", "encode"]

FORMAT = 2

Arrays = dict[str, NDArray[Any]]


def encode(fitted: Fitted) -> tuple[bytes, str]:
    """Return the artifact's bytes and its suffix, `.json` or `.npz`. Equal states give equal bytes."""
    arrays: Arrays = {}
    head = json.dumps({"format": FORMAT, **_head_of(fitted, "", arrays)}, allow_nan=False).encode()
    if not arrays:
        return head, ".json"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, head=np.frombuffer(head, dtype=np.uint8), **arrays)
    return buffer.getvalue(), ".npz"


def decode(content: bytes) -> Fitted:
    """Read what `encode` wrote, in this format or format 1; raise `DamagedError` for anything else."""
    try:
        arrays: Arrays = {}
        if not content.startswith(b"{"):
            arrays = unpacked(content)
            content = arrays.pop("head").tobytes()
        head = json.loads(content, parse_constant=_refuse_constant)
        state_format = head.pop("format")
        if state_format == states_format_1.FORMAT:
            head, arrays = states_format_1.upgraded(head, arrays)
        elif state_format != FORMAT:
            raise DamagedError(
                Code.ARTIFACT_DAMAGED,
                f"The state has format {state_format}; this release reads {states_format_1.FORMAT} and {FORMAT}.",
            )
        fitted = _fitted(head, "", arrays)
        _refuse_unknown(arrays, "arrays")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, TsadError) as error:
        raise DamagedError(Code.ARTIFACT_DAMAGED, f"The version's state cannot be read: {error}") from error
    return fitted


def _head_of(fitted: Fitted, path: str, arrays: Arrays) -> dict[str, Any]:
    return {"detector": fitted.detector.name, "state": _plain_fields(fitted.state, path, arrays)}


def _plain_fields(state: Any, path: str, arrays: Arrays) -> dict[str, Any]:
    """Return the fields that JSON can hold; add the others to `arrays`, with `path` before their names."""
    plain: dict[str, Any] = {}
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, np.ndarray):
            arrays[path + field.name] = value
        elif isinstance(value, Fitted):
            plain[field.name] = _head_of(value, f"{path}{field.name}.", arrays)
        elif is_dataclass(value):
            plain[field.name] = _plain_fields(value, f"{path}{field.name}.", arrays)
        else:
            plain[field.name] = value
    return plain


def _fitted(head: Any, path: str, arrays: Arrays) -> Fitted:
    """Rebuild a detector and its state; remove the arrays that it uses from `arrays`."""
    remaining = _copied_fields(head, path)
    detector = _detector(remaining.pop("detector"), remaining["state"])
    state = _state(detector.state, remaining.pop("state"), path, arrays)
    _refuse_unknown(remaining, f"fields next to the state {path!r}")
    return Fitted(detector, state)


def _detector(name: str, state: Any) -> Detector[Any]:
    """Return the detector of that name; the former one for a state of the `auto` that chose among others."""
    is_former = name == FORMER_AUTO.name and isinstance(state, dict) and "chosen" in state
    return FORMER_AUTO if is_former else named(name)


def _state(kind: type, plain: Any, path: str, arrays: Arrays) -> Any:
    remaining = _copied_fields(plain, path)
    content: dict[str, Any] = {}
    optional = {field.name for field in fields(kind) if field.default_factory is not MISSING}
    for name, annotation in _annotations(kind).items():
        if get_origin(annotation) is np.ndarray:
            content[name] = _checked_array(annotation, arrays.pop(path + name), path + name)
        elif annotation is Fitted:
            content[name] = _fitted(remaining.pop(name), f"{path}{name}.", arrays)
        elif name in optional and name not in remaining:
            continue  # the state is older than the field
        elif isinstance(annotation, type) and is_dataclass(annotation):
            content[name] = _state(annotation, remaining.pop(name), f"{path}{name}.", arrays)
        elif isinstance(annotation, UnionType):  # another state, or None
            nested, part = get_args(annotation)[0], remaining.pop(name)
            content[name] = None if part is None else _state(nested, part, f"{path}{name}.", arrays)
        else:
            content[name] = _checked_plain(annotation, remaining.pop(name), path + name)
    _refuse_unknown(remaining, f"fields of the state {path!r}")
    return kind(**content)


@cache
def _annotations(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _copied_fields(plain: Any, path: str) -> dict[str, Any]:
    """Return a copy to pop the known fields from: those that remain are unknown."""
    if not isinstance(plain, dict):
        raise ValueError(f"the value of {path!r} is not an object")  # noqa: TRY004 - damaged data, not a programming error
    return dict(plain)


def _checked_array(annotation: Any, array: NDArray[Any], path: str) -> NDArray[Any]:
    (scalar,) = get_args(get_args(annotation)[1])
    if array.dtype != np.dtype(scalar):
        raise ValueError(f"the array {path!r} has the type {array.dtype}, not {np.dtype(scalar)}")
    return array


def _checked_plain(annotation: Any, value: Any, path: str) -> Any:
    if get_origin(annotation) is tuple:
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return tuple(value)
    elif isinstance(value, bool):
        if annotation is bool:
            return value
    elif isinstance(value, (float, int) if annotation is float else annotation):
        return value
    raise ValueError(f"the value of {path!r} has the wrong type")


def _refuse_unknown(remaining: Mapping[str, Any], kind: str) -> None:
    if remaining:
        raise ValueError(f"unknown {kind}: {', '.join(sorted(remaining))[:200]}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")
