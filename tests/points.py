"""Bodies for fits."""

from typing import Any


def ramp(points: int = 20, **fields: Any) -> dict[str, Any]:
    """A small body for a fit."""
    return {
        "timestamps": [1_700_000_000 + 60 * place for place in range(points)],
        "values": [float(place % 5) for place in range(points)],
        **fields,
    }
