"""Measures of how well scores find labeled events; they depend only on ranks, not on a threshold."""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]

THRESHOLDS = 250


def vus_pr(labels: Labels, scores: Scores, widest: int) -> float:
    """Return the volume under the precision-recall surface [Paparrizos et al. 2022; Boniol et al. 2025].

    The surface spans buffers 0 … `widest`. A buffer of w points adds w // 2 points on each side of an event, with
    weight sqrt(1 - distance / w). Recall counts them half, times the share of events with any point
    found.
    """
    ranked = -np.sort(-scores)
    thresholds = ranked[np.linspace(0, len(scores) - 1, THRESHOLDS).astype(np.int64)]
    first_at = np.searchsorted(-thresholds, -scores, side="left")  # first threshold that a point reaches
    predicted = np.searchsorted(-ranked, -thresholds, side="right").astype(np.float64)
    starts, ends = events(labels)
    true_inside = np.cumsum(_counted(first_at[labels]))
    areas = []
    for buffer in range(widest + 1):
        half = buffer // 2
        weights = _edge_weights(labels, starts, ends, buffer)
        near = np.flatnonzero(weights)
        extra = np.cumsum(_counted(first_at[near], weights[near]))
        true = true_inside + extra
        merged = _merged(starts - half, ends + half, len(labels))
        earliest = [first_at[low:high].min() for low, high in merged]
        exist = np.cumsum(_counted(np.array(earliest))) / len(merged)
        recall = np.minimum(true / (labels.sum() + extra / 2), 1.0) * exist
        areas.append(float(np.dot(np.diff(recall, prepend=0.0), true / predicted)))
    return float(np.mean(areas))


def auc_pr(labels: Labels, scores: Scores) -> tuple[float, float]:
    """Return the average precision and the best F1 over all thresholds; equal scores share a threshold."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(labels[order])[last]
    precision, recall = true / (last + 1), true / true[-1]
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(np.dot(np.diff(recall, prepend=0.0), precision)), float(f1.max())


def events(labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last index of each run of labeled points."""
    steps = np.diff(labels.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1


def _counted(places: NDArray[np.int64], weights: Scores | None = None) -> Scores:
    counts: Scores = np.bincount(places, weights, minlength=THRESHOLDS + 1)[:THRESHOLDS].astype(np.float64)
    return counts


def _edge_weights(labels: Labels, starts: NDArray[np.int64], ends: NDArray[np.int64], buffer: int) -> Scores:
    """Return weights (n,) of unlabeled points near events; weights of adjacent events add up to at most 1."""
    weights = np.zeros(len(labels))
    for distance in range(1, buffer // 2 + 1):
        for places in (starts - distance, ends + distance):
            inside = places[(places >= 0) & (places < len(labels))]
            np.add.at(weights, inside, np.sqrt(1 - distance / buffer))
    weights[labels] = 0
    return np.minimum(weights, 1.0)


def _merged(lows: NDArray[np.int64], highs: NDArray[np.int64], length: int) -> list[tuple[int, int]]:
    """Return half-open spans, with overlapping ones joined."""
    spans: list[tuple[int, int]] = []
    for low, high in zip(lows.tolist(), highs.tolist(), strict=True):
        if spans and low <= spans[-1][1] - 1:
            spans[-1] = spans[-1][0], min(high + 1, length)
        else:
            spans.append((max(low, 0), min(high + 1, length)))
    return spans
