import math

import numpy as np
import pytest

from benchmark.accuracy import measures


def example(seed: int) -> tuple[measures.Labels, measures.Scores]:
    random = np.random.default_rng(seed)
    labels = np.zeros(260, dtype=np.bool_)
    for start in random.integers(0, 240, 4):
        labels[start : start + random.integers(1, 15)] = True
    labels[:2] = labels[-2:] = seed % 2 == 1
    return labels, np.round(random.normal(size=260) + labels, 2)  # rounded, so that some are equal


def slow_vus_pr(labels: list[bool], scores: list[float], widest: int) -> float:
    """Apply the definition: count for every buffer and threshold."""
    areas = []
    ranked = sorted(scores, reverse=True)
    for buffer in range(widest + 1):
        weights = [slow_weight(labels, place, buffer) for place in range(len(labels))]
        spans = slow_spans(labels, buffer // 2)
        area = previous_recall = 0.0
        for step in np.linspace(0, len(scores) - 1, 250).astype(int):
            flagged = [score >= ranked[step] for score in scores]
            true = math.fsum(weight for weight, flag in zip(weights, flagged, strict=True) if flag)
            extra = math.fsum(w for w, f, label in zip(weights, flagged, labels, strict=True) if f and not label)
            existence = sum(any(flagged[low : high + 1]) for low, high in spans) / len(spans)
            recall = min(true / (sum(labels) + extra / 2), 1.0) * existence
            area += (recall - previous_recall) * true / sum(flagged)
            previous_recall = recall
        areas.append(area)
    return math.fsum(areas) / len(areas)


def slow_weight(labels: list[bool], place: int, buffer: int) -> float:
    if labels[place]:
        return 1.0
    weight = 0.0
    for distance in range(1, buffer // 2 + 1):
        left, right = place - distance, place + distance
        for other, beyond in ((left, left + 1), (right, right - 1)):
            if 0 <= other < len(labels) and labels[other] and not labels[beyond]:
                weight += math.sqrt(1 - distance / buffer)
    return min(weight, 1.0)


def slow_spans(labels: list[bool], half_buffer: int) -> list[list[int]]:
    spans: list[list[int]] = []
    for place, labeled in enumerate(labels):
        if (labeled and place and labels[place - 1]) or (labeled and spans and place - half_buffer <= spans[-1][1]):
            spans[-1][1] = min(place + half_buffer, len(labels) - 1)
        elif labeled:
            spans.append([max(place - half_buffer, 0), min(place + half_buffer, len(labels) - 1)])
    return spans


@pytest.mark.parametrize("seed", range(4))
def test_vus_pr_matches_the_definition(seed: int) -> None:
    labels, scores = example(seed)
    assert measures.vus_pr(labels, scores, 12) == pytest.approx(slow_vus_pr(labels.tolist(), scores.tolist(), 12))


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_and_f1_match_the_definition(seed: int) -> None:
    labels, scores = example(seed)
    area = previous_recall = best = 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        true = int(labels[scores >= threshold].sum())
        precision, recall = true / int((scores >= threshold).sum()), true / int(labels.sum())
        area += (recall - previous_recall) * precision
        best = max(best, 2 * precision * recall / (precision + recall) if true else 0.0)
        previous_recall = recall
    assert list(measures.auc_pr(labels, scores)) == pytest.approx([area, best])


def test_the_labels_themselves_are_perfect_scores() -> None:
    labels, _ = example(0)
    assert list(measures.auc_pr(labels, labels.astype(np.float64))) == pytest.approx([1.0, 1.0])
