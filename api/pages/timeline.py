"""Comparing versions of a series: what changed from one to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from api.pages import writing
from shared.artifacts import Store
from shared.domain.training_scores import TrainingScores
from shared.domain.versions import Artifact, Version
from shared.errors import TsadError


class Band(NamedTuple):
    """What is normal, as a rule: the medians of a band's edges over the training points; None for an open side."""

    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, scores: TrainingScores) -> "Band | None":
        """None for a detector that has no band."""
        lower, upper = (None if edge is None else float(np.median(edge)) for edge in (scores.lower, scores.upper))
        return None if lower is None and upper is None else cls(lower, upper)

    def __str__(self) -> str:
        """As people would write it."""
        lower, upper = ("" if edge is None else f"{edge:.4g}" for edge in self)
        if lower and upper:
            return f"{lower} to {upper}"
        return f"above {lower}" if lower else f"below {upper}"


class Change(NamedTuple):
    """Something that differs between two versions, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the timeline of its series, beside the one before it."""

    version: Version
    band: Band | None
    older: "Entry | None"

    @property
    def changes(self) -> list[Change]:
        """What differs from the version before, the causes first."""
        if self.older is None:
            return []
        old, new = self.older.version, self.version
        shared = sorted(old.parameters.keys() & new.parameters.keys())  # other ones belong to another detector
        compared = [
            Change("detector", old.detector, new.detector),
            *(Change(name.replace("_", " "), *_written(old.parameters[name], new.parameters[name])) for name in shared),
            Change("points", f"{old.points:,}", f"{new.points:,}"),
            Change("normal band", str(self.older.band or "none"), str(self.band or "none")),
            Change("anomalous", writing.share(old.anomaly_share), writing.share(new.anomaly_share)),
        ]
        return [change for change in compared if change.before != change.after]


def timeline(versions: Sequence[Version], band_of: Callable[[Artifact], Band | None]) -> list[Entry]:
    """The versions, newest first, each beside the one that follows in the list."""
    entries: list[Entry] = []
    for version in reversed(versions):
        entries.insert(0, Entry(version, _band(version, band_of), entries[0] if entries else None))
    return entries


def read_band(states: Store, scores: Artifact) -> Band | None:
    """The band of a version's training scores. They never change, so what is read once may be kept."""
    return Band.of(TrainingScores.decode(states.get(scores)))


def _band(version: Version, band_of: Callable[[Artifact], Band | None]) -> Band | None:
    try:
        return band_of(version.scores)
    except TsadError:  # a page about versions opens also when a file of one is damaged, or the store is away
        return None


def _written(old: Any, new: Any) -> tuple[str, str]:
    return writing.parameter(old), writing.parameter(new)
