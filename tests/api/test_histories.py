import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from api.charts.histories import SCALES, Excerpt, History
from shared.domain.series import LAST_TIMESTAMP, Series
from shared.domain.training_scores import TrainingScores

SCORES = st.lists(st.integers(0, 5).map(lambda fifths: fifths / 4), min_size=1, max_size=400)


def history_of(score: list[float], block: int = 1, **columns: list[float]) -> History:
    """Points a minute apart; only the highest score of each block is stored."""
    points = len(score)
    values = np.random.default_rng(points).normal(size=points)
    stored = [
        max(range(start, min(start + block, points)), key=lambda place: score[place])
        for start in range(0, points, block)
    ]
    stored_columns = {name: np.array(column)[stored] for name, column in columns.items()}
    return History(
        Series(60 * np.arange(points), values),
        TrainingScores(
            np.array(stored, dtype=np.int32),
            np.array(score, dtype=np.float32)[stored],
            *(stored_columns.get(name) for name in ("expected", "lower", "upper")),
        ),
    )


def places(excerpt: Excerpt) -> list[int]:
    return [int(timestamp) // 60 for timestamp in excerpt.timestamps]


@given(SCORES, st.integers(1, 7), st.integers(16, 80), st.data())
def test_an_excerpt_contains_extremes_peaks_and_anomalies_of_its_span(
    score: list[float], block: int, max_points: int, data: st.DataObject
) -> None:
    history = history_of(score, block)
    first, last = sorted(data.draw(st.integers(-1, len(score))) for _ in range(2))
    excerpt = history.excerpt(60 * first, 60 * last, max_points)
    span = [place for place in range(len(score)) if first <= place <= last]
    stored = set(history.scores.index.tolist())
    assert excerpt.points == len(span)
    assert excerpt.anomalies == sum(score[place] > 1 for place in span if place in stored)
    assert len(places(excerpt)) <= max(max_points, 0)
    assert places(excerpt) == sorted(set(places(excerpt)))
    if len(span) <= max_points:
        assert places(excerpt) == span
    else:
        values = history.series.values.tolist()
        assert {span[0], span[-1], min(span, key=values.__getitem__), max(span, key=values.__getitem__)} <= set(
            places(excerpt)
        )
        above = {place for place in span if place in stored and score[place] > 1}
        assert len(above) > max_points // 4 or above <= set(places(excerpt))
        highest = max((score[place] for place in span if place in stored), default=0.0)
        assert max(excerpt.score[~np.isnan(excerpt.score)], default=0.0) == np.float32(highest)
    for place, shown_score in zip(places(excerpt), excerpt.score.tolist(), strict=True):
        assert np.isnan(shown_score) if place not in stored else shown_score == np.float32(score[place])


def test_with_too_many_anomalies_each_slice_still_shows_one() -> None:
    score = [0.5] * 10_000
    score[100:5_000] = [2.0] * 4_900
    score[9_000] = 1.5  # isolated, and the lowest anomaly
    assert 9_000 in places(history_of(score).excerpt(0, LAST_TIMESTAMP, 400))


def test_columns_match_their_points_and_missing_scores_are_not_invented() -> None:
    lower = [float(place) for place in range(10)]
    excerpt = history_of([0.0, 0.5] * 5, 2, lower=lower).excerpt(0, LAST_TIMESTAMP, 100)
    nan = np.nan
    np.testing.assert_array_equal(excerpt.lower, [nan, 1, nan, 3, nan, 5, nan, 7, nan, 9])
    assert np.isnan(excerpt.upper).all()


@given(SCORES)
def test_anomalies_at_another_threshold_are_counted_exactly(score: list[float]) -> None:
    firing = history_of(score).firing
    assert firing == [sum(np.float32(value) > scale for value in score) for scale in SCALES]
    assert SCALES[len(SCALES) // 2] == 1.0
