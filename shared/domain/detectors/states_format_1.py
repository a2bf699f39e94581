"""States of format 1, which kept all fields of a detector's state side by side.

Nothing else knows this format: when no version of it is left, delete this module and its call in `states`.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

FORMAT = 1

Arrays = dict[str, NDArray[Any]]

STANDARD = {"centre": "standard.center", "spread": "standard.spread"}
END = {"tail": "end.tail", "last_timestamp": "end.last_timestamp", "interval_s": "end.interval_s"}
THRESHOLD = {"threshold": "boundary.value", "promise": "boundary.promise"}

# where format 2 keeps the fields that it does not keep where they were, by detector
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
    """Head and arrays of the same state in format 2; what does not belong to it stays, to be refused there."""
    rest = dict(arrays)
    moved: Arrays = {}
    return _fitted(head, "", rest, moved), {**rest, **moved}


def _fitted(head: Mapping[str, Any], path: str, arrays: Arrays, moved: Arrays) -> dict[str, Any]:
    """The head in format 2; takes the arrays below `path` out of `arrays`, and gives them to `moved`."""
    detector = head["detector"]
    if any("." in field for field in head["state"]):
        raise ValueError("format 1 has no dots in the names of fields")
    places = MOVED.get(detector, {})
    state: dict[str, Any] = {}
    for name in [name for name in arrays if name.startswith(path) and "." not in name[len(path) :]]:
        field = name[len(path) :]
        place = places.get(field, field)
        _parent(state, place)
        moved[path + place] = arrays.pop(name)
    for field, value in {**head["state"], **_added(detector, path, moved)}.items():
        place = places.get(field, field)
        content = value
        if isinstance(value, dict):
            content = _fitted(value, f"{path}{field}.", arrays, moved)
        elif (detector, field) == ("auto", "compared"):
            content = value.split()
        _parent(state, place)[place.rpartition(".")[2]] = content
    return {**head, "state": state}


def _parent(state: dict[str, Any], place: str) -> dict[str, Any]:
    """The object that holds the field at a dotted place, made where there is none yet."""
    for name in place.split(".")[:-1]:
        state = state.setdefault(name, {})
    return state


def _added(detector: str, path: str, moved: Arrays) -> dict[str, Any]:
    """Fields that format 1 did not have."""
    if detector == "ar":
        return {"forecast.bends": 0}
    if detector == "seasonal":
        return {"cycle.bins": len(moved[f"{path}profile.level"])}
    return {}
