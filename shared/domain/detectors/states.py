"""States as bytes: JSON where a state is numbers and words, npz where it holds arrays. Never pickle."""

import io
import json
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from shared.domain.archives import unpacked
from shared.domain.detectors import named
from shared.domain.detectors.contract import Detector
from shared.errors import Code, DamagedError, TsadError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Fitted:
    """A detector together with what it learnt."""

    detector: Detector[Any]
    state: Any


def encode(fitted: Fitted) -> tuple[bytes, str]:
    """The artifact's bytes and the suffix of its name, `.json` or `.npz`. The same state gives the same bytes."""
    content = {field.name: getattr(fitted.state, field.name) for field in fields(fitted.state)}
    arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in content.items() if name not in arrays}
    head = json.dumps({"format": FORMAT, "detector": fitted.detector.name, "state": plain}, allow_nan=False).encode()
    if not arrays:
        return head, ".json"
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, head=np.frombuffer(head, dtype=np.uint8), **arrays)
    return buffer.getvalue(), ".npz"


def decode(content: bytes) -> Fitted:
    """Read what `encode` wrote; raise `DamagedError` for anything else."""
    try:
        arrays: dict[str, Any] = {}
        if not content.startswith(b"{"):
            arrays = unpacked(content)
            content = arrays.pop("head").tobytes()
        head = json.loads(content)
        if head["format"] != FORMAT:
            raise DamagedError(
                Code.ARTIFACT_DAMAGED, f"The state has format {head['format']}, this release reads {FORMAT}."
            )
        detector = named(head["detector"])
        return Fitted(detector, detector.state(**head["state"], **arrays))
    except (ValueError, KeyError, TypeError, RecursionError, TsadError) as error:
        raise DamagedError(Code.ARTIFACT_DAMAGED, f"The version's state cannot be read: {error}") from error
