"""Comparison of the versions of a series: the changes from one to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from api.pages import writing
from api.sharing import Turns
from shared.artifacts import Store
from shared.domain.training_scores import TrainingScores
from shared.domain.versions import Artifact, Version
from shared.errors import TsadError, UnavailableError


class Band(NamedTuple):
    """The typical normal band: the medians of its edges over the training points; None for an open side."""

    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, scores: TrainingScores) -> "Band | None":
        """Return the band of a version's training scores; None for a detector without one."""
        lower, upper = (None if edge is None else float(np.median(edge)) for edge in (scores.lower, scores.upper))
        return None if lower is None and upper is None else cls(lower, upper)

    def __str__(self) -> str:
        """Format the band for people, with four digits."""
        lower, upper = ("" if edge is None else f"{edge:.4g}" for edge in self)
        if lower and upper:
            return f"{lower} to {upper}"
        return f"above {lower}" if lower else f"below {upper}"


class Change(NamedTuple):
    """A difference between two versions, as text."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the timeline of its series, linked to the previous one."""

    version: Version
    band: Band | None
    older: "Entry | None"

    @property
    def changes(self) -> list[Change]:
        """The changes from the previous version, causes before effects."""
        if self.older is None:
            return []
        old, new = self.older.version, self.version
        common = sorted(old.parameters.keys() & new.parameters.keys())  # the rest exist in only one of the detectors
        compared = [
            Change("detector", old.detector, new.detector),
            *(
                Change(name.replace("_", " "), *_formatted(old.parameters[name], new.parameters[name]))
                for name in common
            ),
            Change("points", f"{old.points:,}", f"{new.points:,}"),
            Change("normal band", str(self.older.band or "none"), str(self.band or "none")),
            Change("anomalous", writing.share(old.anomaly_share), writing.share(new.anomaly_share)),
        ]
        return [change for change in compared if change.before != change.after]


def timeline(versions: Sequence[Version], band_of: Callable[[Artifact], Band | None]) -> list[Entry]:
    """Return an entry for each version, newest first, linked to the entry of the next older version.

    A damaged file has no band. Neither have the versions that are left once the store does not answer: only the first
    waits for it.
    """
    entries: list[Entry] = []
    is_available = True
    for version in reversed(versions):
        band = None
        try:
            band = band_of(version.scores) if is_available else None
        except UnavailableError:
            is_available = False
        except TsadError:
            pass
        entries.insert(0, Entry(version, band, entries[0] if entries else None))
    return entries


def read_band(states: Store, turns: Turns, scores: Artifact) -> Band | None:
    """Read the band of a version's training scores. Scores never change, so callers may cache it."""
    with turns:
        content = states.get(scores)
    return Band.of(TrainingScores.decode(content))


def _formatted(old: Any, new: Any) -> tuple[str, str]:
    return writing.parameter(old), writing.parameter(new)
