"""Figures and their ceilings: alternating pairs, the median and spread of their ratios, and a verdict."""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

AT_LEAST, AT_MOST = "≥", "≤"


@dataclass(frozen=True)
class Target:
    """The limit that a figure must meet, and an optional stretch limit."""

    sense: str
    limit: float
    stretch: float | None = None

    def met(self, value: float, limit: float) -> bool:
        """Check whether a value meets a limit."""
        return value >= limit if self.sense == AT_LEAST else value <= limit


@dataclass(frozen=True)
class Figure:
    """One row of the table: our figure, its ceiling, and the target."""

    work: str
    unit: str  # of ours and theirs
    ours: float
    theirs: float | None
    values: list[float]  # ratios, or the figures themselves if there is no ceiling
    target: Target
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """`stretch`, `met`, `missed`, or `undecided` if the limit lies within the spread."""
        outcomes = {self.target.met(value, self.target.limit) for value in self.values}
        if len(outcomes) > 1:
            return "undecided"
        if not outcomes.pop():
            return "missed"
        stretch = self.target.stretch
        return "stretch" if stretch is not None and self.target.met(self.median, stretch) else "met"

    def as_json(self) -> dict[str, Any]:
        """Return all fields, with median and verdict, for JSON."""
        return asdict(self) | {"median": self.median, "verdict": self.verdict}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Figure":
        """Return the figure of a JSON document."""
        names = {name: document[name] for name in ("work", "unit", "ours", "theirs", "values", "facts")}
        return cls(**names, target=Target(**document["target"]))


def paired(
    work: str,
    unit: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    target: Target,
    pairs: int,
    **facts: Any,
) -> Figure:
    """Measure both alternately, so that other load on the machine affects both."""
    measured: list[tuple[float, float]] = []
    for _ in range(pairs):
        ceiling = theirs()
        figure = ours()
        measured.append((figure, ceiling))
        print(
            f"  {work}: {figure:,.4g} versus {ceiling:,.4g} {unit}, {figure / ceiling:.3f}", file=sys.stderr, flush=True
        )
    return Figure(
        work=work,
        unit=unit,
        ours=statistics.median(figure for figure, _ in measured),
        theirs=statistics.median(ceiling for _, ceiling in measured),
        values=[figure / ceiling for figure, ceiling in measured],
        target=target,
        facts=facts,
    )


def single(work: str, unit: str, values: Sequence[float], target: Target, **facts: Any) -> Figure:
    """Make a figure from values without a ceiling."""
    print(f"  {work}: {', '.join(f'{value:,.4g}' for value in values)} {unit}", file=sys.stderr, flush=True)
    return Figure(
        work=work,
        unit=unit,
        ours=statistics.median(values),
        theirs=None,
        values=list(values),
        target=target,
        facts=facts,
    )
