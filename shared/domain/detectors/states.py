"""States as bytes: JSON where a state is numbers and words, npz where it holds arrays. Never pickle."""

import io
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.domain.archives import unpacked
from shared.domain.detectors import named
from shared.domain.detectors.contract import Fitted
from shared.errors import Code, DamagedError, TsadError

__all__ = ["Fitted", "decode", "encode"]

FORMAT = 1

Arrays = dict[str, NDArray[Any]]


def encode(fitted: Fitted) -> tuple[bytes, str]:
    """The artifact's bytes and the suffix of its name, `.json` or `.npz`. The same state gives the same bytes."""
    arrays: Arrays = {}
    head = json.dumps({"format": FORMAT, **_taken_apart(fitted, "", arrays)}, allow_nan=False).encode()
    if not arrays:
        return head, ".json"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, head=np.frombuffer(head, dtype=np.uint8), **arrays)
    return buffer.getvalue(), ".npz"


def decode(content: bytes) -> Fitted:
    """Read what `encode` wrote; raise `DamagedError` for anything else."""
    try:
        arrays: Arrays = {}
        if not content.startswith(b"{"):
            arrays = unpacked(content)
            content = arrays.pop("head").tobytes()
        head = json.loads(content)
        if head["format"] != FORMAT:
            raise DamagedError(
                Code.ARTIFACT_DAMAGED, f"The state has format {head['format']}, this release reads {FORMAT}."
            )
        return _put_together(head, "", arrays)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, TsadError) as error:
        raise DamagedError(Code.ARTIFACT_DAMAGED, f"The version's state cannot be read: {error}") from error


def _taken_apart(fitted: Fitted, prefix: str, arrays: Arrays) -> dict[str, Any]:
    """The detector's name and the state's plain fields; arrays go to `arrays`, named by the fields that lead there."""
    plain: dict[str, Any] = {}
    for field in fields(fitted.state):
        value = getattr(fitted.state, field.name)
        if isinstance(value, np.ndarray):
            arrays[prefix + field.name] = value
        elif isinstance(value, Fitted):
            plain[field.name] = _taken_apart(value, f"{prefix}{field.name}.", arrays)
        else:
            plain[field.name] = value
    return {"detector": fitted.detector.name, "state": plain}


def _put_together(head: Mapping[str, Any], prefix: str, arrays: Arrays) -> Fitted:
    detector = named(head["detector"])
    content: dict[str, Any] = {
        name: _put_together(value, f"{prefix}{name}.", arrays) if isinstance(value, dict) else value
        for name, value in head["state"].items()
    }
    own = (name for name in arrays if name.startswith(prefix) and "." not in name[len(prefix) :])
    content |= {name[len(prefix) :]: arrays[name] for name in own}
    return Fitted(detector, detector.state(**content))
