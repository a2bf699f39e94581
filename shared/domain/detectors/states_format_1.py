"""State format 1, which stored all fields of a detector's state at one level.

Only this module knows this format. Once no version uses it, delete the module and its call in `states`.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

FORMAT = 1

Arrays = dict[str, NDArray[Any]]

STANDARD = {"centre": "standard.center", "spread": "standard.spread"}
END = {"tail": "end.tail", "last_timestamp": "end.last_timestamp", "interval_s": "end.interval_s"}
THRESHOLD = {"threshold": "boundary.value", "promise": "boundary.promise"}

# new paths of the fields that format 2 moved, by detector
MOVED: Mapping[str, Mapping[str, str]] = {
    "ar": {**STANDARD, "lags": "forecast.lags", "weights": "forecast.weights", **THRESHOLD, **END},
    "robust": THRESHOLD,
    "seasonal": {
        "seconds": "cycle.seconds",
        "start": "cycle.start",
        "level": "profile.level",
        "spread": "profile.spread",
        **THRESHOLD,
    },
    "msnn": {
        **STANDARD,
        "scales": "windows.lengths",
        "counts": "windows.counts",
        "vectors": "windows.vectors",
        "times": "windows.times",
        "lasts": "windows.last_values",
        "usual": "windows.usual_distances",
        "lags": "forecast.forecast.lags",
        "bends": "forecast.forecast.bends",
        "weights": "forecast.forecast.weights",
        "usual_error": "forecast.usual_error",
        "trust": "forecast.trust",
        "rhythm_period": "rhythm.period",
        "rhythm_levels": "rhythm.levels",
        "usual_rhythm_error": "rhythm.usual_error",
        "rhythm_trust": "rhythm.trust",
        "boundary": "boundary.value",
        "promise": "boundary.promise",
        **END,
    },
    "spectral_residual": {**STANDARD, "boundary": "boundary.value", "promise": "boundary.promise", **END},
}


def upgraded(head: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Convert head and arrays to format 2. Unknown arrays stay, so that `decode` rejects them."""
    remaining = dict(arrays)
    moved: Arrays = {}
    return _fitted(head, "", remaining, moved), {**remaining, **moved}


def _fitted(head: Mapping[str, Any], path: str, arrays: Arrays, moved: Arrays) -> dict[str, Any]:
    """Convert the head to format 2; move the arrays below `path` from `arrays` to `moved`."""
    detector = head["detector"]
    if any("." in field for field in head["state"]):
        raise ValueError("field names of format 1 have no dots")
    new_paths = MOVED.get(detector, {})
    state: dict[str, Any] = {}
    for name in [name for name in arrays if name.startswith(path) and "." not in name[len(path) :]]:
        field = name[len(path) :]
        new_path = new_paths.get(field, field)
        _parent(state, new_path)
        moved[path + new_path] = arrays.pop(name)
    for field, value in {**head["state"], **_added(detector, path, moved)}.items():
        new_path = new_paths.get(field, field)
        content = value
        if isinstance(value, dict):
            content = _fitted(value, f"{path}{field}.", arrays, moved)
        elif (detector, field) == ("auto", "compared"):
            content = value.split()
        _parent(state, new_path)[new_path.rpartition(".")[2]] = content
    return {**head, "state": state}


def _parent(state: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the object that holds the field at a dotted path; create it if it is missing."""
    for name in path.split(".")[:-1]:
        state = state.setdefault(name, {})
    return state


def _added(detector: str, path: str, moved: Arrays) -> dict[str, Any]:
    """Return the fields that format 1 lacks."""
    if detector == "ar":
        return {"forecast.bends": 0}
    if detector == "seasonal":
        return {"cycle.bins": len(moved[f"{path}profile.level"])}
    return {}
