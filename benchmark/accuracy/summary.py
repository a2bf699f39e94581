"""Means over series, by part of a corpus and over all parts."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmark.accuracy.finding import Measurement

ALL = "all"


def means(measurements: Sequence[Measurement]) -> dict[tuple[str, str, str], list[float | None]]:
    """Return by (corpus, part, mode) the mean of each figure over the series that have it, and the series count."""
    groups: dict[tuple[str, str, str], list[list[float | None]]] = defaultdict(list)
    for measurement in measurements:
        for mode, figures in measurement.figures.items():
            groups[measurement.corpus, measurement.part, mode].append(figures)
            groups[measurement.corpus, ALL, mode].append(figures)
    return {group: [*map(_mean, zip(*rows, strict=True)), float(len(rows))] for group, rows in groups.items()}


def _mean(figures: Sequence[float | None]) -> float | None:
    defined = [figure for figure in figures if figure is not None]
    return float(np.mean(defined)) if defined else None


def line(subject: str, names: Sequence[str], figures: Sequence[float | None]) -> str:
    """Format the defined figures of a subject as one line."""
    parts = [f"{name} {figure:.4g}" for name, figure in zip(names, figures, strict=True) if figure is not None]
    return f"{subject}: {', '.join(parts)}"
