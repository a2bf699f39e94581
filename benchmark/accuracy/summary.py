"""Means over series, by part of a corpus and over all of it."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmark.accuracy.finding import Found

ALL = "all"


def means(all_found: Sequence[Found]) -> dict[tuple[str, str, str], list[float | None]]:
    """By (corpus, part, mode): the means of the figures over the series that have them, and how many series."""
    groups: dict[tuple[str, str, str], list[list[float | None]]] = defaultdict(list)
    for each in all_found:
        for mode, figures in each.figures.items():
            groups[each.corpus, each.part, mode].append(figures)
            groups[each.corpus, ALL, mode].append(figures)
    return {group: [*map(_mean, zip(*rows, strict=True)), float(len(rows))] for group, rows in groups.items()}


def _mean(figures: Sequence[float | None]) -> float | None:
    there = [figure for figure in figures if figure is not None]
    return float(np.mean(there)) if there else None


def line(what: str, names: Sequence[str], figures: Sequence[float | None]) -> str:
    """For people."""
    told = [f"{name} {figure:.4g}" for name, figure in zip(names, figures, strict=True) if figure is not None]
    return f"{what}: {', '.join(told)}"
