"""Bodies for fits."""

from typing import Any


def ramp(points: int = 20, **fields: Any) -> dict[str, Any]:
    """Return a small body of a fit."""
    return {
        "timestamps": [1_700_000_000 + 60 * place for place in range(points)],
        "values": [float(place % 5) for place in range(points)],
        **fields,
    }
