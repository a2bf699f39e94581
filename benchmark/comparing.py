"""Figures beside their ceilings: pairs taken in turn, the median of their ratios, its spread, and a verdict."""

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

AT_LEAST, AT_MOST = "≥", "≤"


@dataclass(frozen=True)
class Target:
    """What must be reached, and what would be better still."""

    sense: str
    limit: float
    stretch: float | None = None

    def met(self, value: float, limit: float) -> bool:
        """Whether a value is on the right side of a limit."""
        return value >= limit if self.sense == AT_LEAST else value <= limit


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    work: str
    unit: str  # of ours and theirs
    ours: float
    theirs: float | None
    values: list[float]  # ratios, or the figures themselves where nothing is beside them
    target: Target
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Of the ratios."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or `undecided` where the limit is inside the spread."""
        sides = {self.target.met(value, self.target.limit) for value in self.values}
        if len(sides) > 1:
            return "undecided"
        if not sides.pop():
            return "missed"
        stretch = self.target.stretch
        return "stretch" if stretch is not None and self.target.met(self.median, stretch) else "met"

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self) | {"median": self.median, "verdict": self.verdict}


def paired(
    work: str,
    unit: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    target: Target,
    pairs: int,
    **facts: Any,
) -> Figure:
    """Measure both in turn, so that what the machine does meanwhile meets both."""
    taken: list[tuple[float, float]] = []
    for _ in range(pairs):
        their, our = theirs(), ours()
        taken.append((our, their))
        print(f"  {work}: {our:,.4g} beside {their:,.4g} {unit}, {our / their:.3f}", file=sys.stderr, flush=True)
    return Figure(
        work=work,
        unit=unit,
        ours=statistics.median(our for our, _ in taken),
        theirs=statistics.median(their for _, their in taken),
        values=[our / their for our, their in taken],
        target=target,
        facts=facts,
    )


def single(work: str, unit: str, values: Sequence[float], target: Target, **facts: Any) -> Figure:
    """Figures that are judged by themselves."""
    print(f"  {work}: {', '.join(f'{value:,.4g}' for value in values)} {unit}", file=sys.stderr, flush=True)
    return Figure(work, unit, statistics.median(values), None, list(values), target, facts)
