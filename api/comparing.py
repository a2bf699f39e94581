"""Comparing versions of a series: what changed from one to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from api.pages import writing
from shared.artifacts import LocalFolder
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


@dataclass(frozen=True, slots=True)
class Change:
    """Something that differs between two versions, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the timeline of its series."""

    version: Version
    band: Band | None
    before: int | None  # the version it is compared with
    changes: list[Change]


def timeline(versions: Sequence[Version], band_of: Callable[[Artifact], Band | None]) -> list[Entry]:
    """The versions, newest first, each compared with the one that follows in the list."""
    bands = [_band(version, band_of) for version in versions]
    older = [*zip(versions[1:], bands[1:], strict=True), None]
    return [
        Entry(version, band, before[0].version, changes(*before, version, band))
        if before
        else Entry(version, band, None, [])
        for version, band, before in zip(versions, bands, older, strict=True)
    ]


def changes(older: Version, older_band: Band | None, newer: Version, newer_band: Band | None) -> list[Change]:
    """What differs, the causes first."""
    compared = [("detector", older.detector, newer.detector)]
    for name in sorted(older.parameters.keys() & newer.parameters.keys()):  # other ones belong to another detector
        before, after = (writing.parameter(one.parameters[name]) for one in (older, newer))
        compared.append((name.replace("_", " "), before, after))
    compared += [
        ("points", f"{older.points:,}", f"{newer.points:,}"),
        ("normal band", str(older_band or "none"), str(newer_band or "none")),
        ("anomalous", writing.share(older.anomaly_share), writing.share(newer.anomaly_share)),
    ]
    return [Change(*one) for one in compared if one[1] != one[2]]


def read_band(states: LocalFolder, scores: Artifact) -> Band | None:
    """The band of a version's training scores. They never change, so what is read once may be kept."""
    return Band.of(TrainingScores.decode(states.get(scores)))


def _band(version: Version, band_of: Callable[[Artifact], Band | None]) -> Band | None:
    try:
        return band_of(version.scores)
    except TsadError:  # a page about versions opens also when a file of one is damaged, or the store is away
        return None
