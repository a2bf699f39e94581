import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.series import (
    LAST_TIMESTAMP,
    Series,
    check_series_id,
    check_timestamp,
    timestamp_slices,
    value_slices,
)
from shared.errors import MAX_FLAWS, Code, DamagedError, InputError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TIMESTAMPS = st.sets(st.integers(0, LAST_TIMESTAMP), min_size=1, max_size=30).map(sorted)


def checked(timestamps: Sequence[int], values: Sequence[float], most: int = 1000) -> Series:
    return Series.checked(timestamps, values, max_points=most)


def learnable(values: Sequence[float], min_points: int = 3) -> Series:
    return Series.for_training(range(len(values)), values, min_points=min_points, max_points=1000)


def rejection(timestamps: Sequence[int], values: Sequence[float], **limits: int) -> InputError:
    with pytest.raises(InputError) as caught:
        checked(timestamps, values, **limits)
    return caught.value


def locations(error: InputError) -> list[tuple[str | int, ...]]:
    return [flaw.loc for flaw in error.flaws]


def bits(series: Series) -> tuple[bytes, bytes]:
    return series.timestamps.tobytes(), series.values.tobytes()


def packed(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def sample() -> Series:
    return Series(np.arange(40) * 60, np.sqrt(np.arange(40.0)))


@pytest.mark.parametrize("name", ["a", "A-1_b.c", ".a.", "-", "_", "9", "x" * 128, ".hidden"])
def test_a_valid_series_id_is_accepted(name: str) -> None:
    assert check_series_id(name) == name


@pytest.mark.parametrize("name", [" a", "a ", "\ta\n", "  a  "])
def test_whitespace_around_a_series_id_is_trimmed(name: str) -> None:
    assert check_series_id(name) == "a"


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", " . ", "..", "a..b", "../a", "a/b", "a\\b", "a b", "a\nb", "a\0", "ä", "\u0661", "a%2Fb", "x" * 129],
)
def test_any_other_series_id_is_rejected(name: str) -> None:
    with pytest.raises(InputError) as caught:
        check_series_id(name)
    assert caught.value.code is Code.INVALID_SERIES_ID


def test_a_series_keeps_its_points() -> None:
    series = checked([0, 5, LAST_TIMESTAMP], [1, -2.5, 3e7])
    assert series.timestamps.tolist() == [0, 5, LAST_TIMESTAMP]
    assert series.values.tolist() == [1.0, -2.5, 3e7]
    assert (series.timestamps.dtype, series.values.dtype) == (np.dtype(np.int64), np.dtype(np.float64))
    assert len(series) == 3


def test_columns_of_different_lengths_are_rejected_with_both_lengths() -> None:
    error = rejection([1, 2, 3], [1.0, 2.0])
    assert error.code is Code.LENGTHS_DIFFER
    assert "3 timestamps" in error.detail
    assert "2 values" in error.detail


def test_an_empty_series_is_rejected() -> None:
    assert rejection([], []).code is Code.TOO_FEW_POINTS


def test_only_a_series_above_the_limit_is_rejected() -> None:
    assert len(checked(range(5), [1.0] * 5, most=5)) == 5
    error = rejection(range(6), [1.0] * 6, most=5)
    assert error.code is Code.TOO_MANY_POINTS
    assert "exceed the limit of 5" in error.detail


@pytest.mark.parametrize("wrong", [-1, LAST_TIMESTAMP + 1, 2**63, 2**64, 10**30, -(2**70)])
def test_a_timestamp_out_of_range_is_rejected_with_its_index(wrong: int) -> None:
    error = rejection([1, 2, wrong, 4], [1.0, 2.0, 3.0, 4.0])
    assert error.code is Code.INVALID_TIMESTAMP
    assert locations(error) == [("timestamps", 2)]
    assert "timestamps[2]" in error.detail


@pytest.mark.parametrize(("wrong", "hinted"), [(1_700_000_000_000, True), (10**20, True), (-5, False)])
def test_only_a_timestamp_that_is_too_large_looks_like_milliseconds(wrong: int, *, hinted: bool) -> None:
    error = rejection([wrong], [1.0])
    assert ("milliseconds" in error.detail) is hinted
    assert ("milliseconds" in error.flaws[0].msg) is hinted


@pytest.mark.parametrize("wrong", [-1, LAST_TIMESTAMP + 1, 2**64])
def test_a_single_timestamp_follows_the_same_rule(wrong: int) -> None:
    assert check_timestamp(0) == 0
    assert check_timestamp(LAST_TIMESTAMP) == LAST_TIMESTAMP
    with pytest.raises(InputError) as caught:
        check_timestamp(wrong)
    assert caught.value.code is Code.INVALID_TIMESTAMP


def test_timestamps_that_do_not_increase_are_rejected_with_their_indices() -> None:
    error = rejection([10, 20, 20, 30, 29, 40], [0.0] * 6)
    assert error.code is Code.TIMESTAMPS_NOT_INCREASING
    assert locations(error) == [("timestamps", 2), ("timestamps", 4)]
    assert "Violations: 2, first at timestamps[2]" in error.detail


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_rejected_with_its_index(wrong: float) -> None:
    error = rejection([1, 2, 3], [1.0, wrong, 2.0])
    assert error.code is Code.NOT_FINITE
    assert locations(error) == [("values", 1)]


@pytest.mark.parametrize(
    ("timestamps", "values"),
    [([1] * 100, [0.0] * 100), ([-1] * 100, [0.0] * 100), ([10**30] * 100, [0.0] * 100), (range(100), [np.nan] * 100)],
    ids=["backwards", "negative", "beyond 64 bits", "not finite"],
)
def test_at_most_twenty_flaws_are_named(timestamps: Sequence[int], values: list[float]) -> None:
    error = rejection(timestamps, values)
    first = 1 if error.code is Code.TIMESTAMPS_NOT_INCREASING else 0
    assert len(error.flaws) == MAX_FLAWS == 20
    assert [loc[1] for loc in locations(error)] == list(range(first, first + 20))
    assert f"Violations: {100 - first}," in error.detail


def test_a_series_too_short_to_learn_from_is_rejected() -> None:
    assert len(learnable([1.0, 2.0, 3.0], min_points=3)) == 3
    with pytest.raises(InputError) as caught:
        learnable([1.0, 2.0], min_points=3)
    assert caught.value.code is Code.TOO_FEW_POINTS
    assert "at least 3" in caught.value.detail


@pytest.mark.parametrize("value", [0.0, -7.5, 1e300, 5e-324])
def test_a_constant_series_is_rejected(value: float) -> None:
    with pytest.raises(InputError) as caught:
        learnable([value] * 5)
    assert caught.value.code is Code.CONSTANT_SERIES


def test_minus_zero_and_zero_are_the_same_value() -> None:
    with pytest.raises(InputError) as caught:
        learnable([0.0, -0.0, 0.0])
    assert caught.value.code is Code.CONSTANT_SERIES


@pytest.mark.parametrize(
    "values",
    [[1e300, -1e300, 1.0], [1.7e308, 1.7e308, 1.6e308], [1e200, 0.0, 0.0]],
    ids=["spread", "mean", "variance"],
)
def test_values_whose_mean_or_spread_overflows_are_rejected(values: list[float]) -> None:
    with pytest.raises(InputError) as caught:
        learnable(values)
    assert caught.value.code is Code.VALUES_TOO_LARGE


@pytest.mark.parametrize(
    "values",
    [[1e12 + noise for noise in (0.1, -0.3, 0.2, 0.0)], [1e150, -1e150, 0.0], [1e-300, 2e-300, 3e-300], [0, 5e-324, 0]],
    ids=["noise on a large offset", "large", "tiny", "the smallest float"],
)
def test_values_of_any_other_magnitude_are_accepted(values: list[float]) -> None:
    assert learnable(values).values.tolist() == values


@given(TIMESTAMPS, st.data(), st.booleans(), st.sampled_from([None, 0, 2, 6]))
def test_a_series_round_trips_bit_for_bit(
    timestamps: list[int],
    data: st.DataObject,
    compact: bool,  # noqa: FBT001
    decimals: int | None,
) -> None:
    values = data.draw(st.lists(FINITE, min_size=len(timestamps), max_size=len(timestamps)))
    series = checked(timestamps, values if decimals is None else [round(value, decimals) for value in values])
    content = bytes(series.encode(compact=compact))
    if compact:  # negative zeros lose their sign
        series = Series(series.timestamps, series.values + 0.0)
    assert bits(Series.decode(content)) == bits(series)
    assert bytes(Series.decode(content).encode(compact=compact)) == content
    for slices, column in ((timestamp_slices, series.timestamps), (value_slices, series.values)):
        assert np.concatenate(list(slices(io.BytesIO(content), 3))).tobytes() == column.tobytes()


def test_minutes_with_few_decimals_take_little_space() -> None:
    timestamps = np.arange(10_000) * 60
    values = np.round(np.sin(timestamps / 14_000) + np.sin(timestamps * timestamps) / 5, 2)
    series = Series(timestamps, values)
    assert len(series.encode(compact=True)) < len(series.encode()) / 10


@pytest.mark.parametrize("compact", [False, True])
def test_every_truncated_artifact_is_damaged(compact: bool) -> None:  # noqa: FBT001
    content = bytes(sample().encode(compact=compact))
    for length in range(len(content)):
        with pytest.raises(DamagedError):
            Series.decode(content[:length])


@pytest.mark.parametrize("compact", [False, True])
def test_no_changed_byte_can_change_a_point(compact: bool) -> None:  # noqa: FBT001
    content, expected = bytes(sample().encode(compact=compact)), bits(sample())
    damaged = 0
    for index in range(len(content)):
        altered = bytearray(content)
        altered[index] ^= 0x5A
        try:
            assert bits(Series.decode(bytes(altered))) == expected
        except DamagedError:
            damaged += 1
    assert compact or damaged > sample().timestamps.nbytes + sample().values.nbytes


def array_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3.0))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"PK\x03\x04" + bytes(60),
        b'{"format": 1}',
        array_file(),
        packed(timestamps=np.arange(3)),
        packed(timestamps=np.arange(3), values=np.arange(4.0)),
        packed(timestamps=np.arange(4).reshape(2, 2), values=np.arange(4.0).reshape(2, 2)),
        packed(timestamps=np.arange(3), values=np.array(["1", "2", "3"])),
        packed(timestamps=np.arange(3.0), values=np.arange(3.0)),
        packed(timestamps=np.arange(3), values=np.arange(3.0, dtype=np.float32)),
    ],
    ids=[
        "nothing",
        "text",
        "broken zip",
        "JSON",
        "one bare array",
        "a column missing",
        "lengths differ",
        "two dimensions",
        "words",
        "timestamps as floats",
        "halved precision",
    ],
)
def test_bytes_that_are_not_a_series_are_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        Series.decode(content)
    assert caught.value.code is Code.ARTIFACT_DAMAGED


class Trap:
    """Unpickling this creates the file `trace`."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_an_artifact_is_never_unpickled(tmp_path: Path) -> None:
    trace = tmp_path / "unpickled"
    content = packed(timestamps=np.arange(1), values=np.array([Trap(trace)], dtype=object))
    with pytest.raises(DamagedError):
        Series.decode(content)
    assert not trace.exists()
    with np.load(io.BytesIO(content), allow_pickle=True) as archive:  # shows that the trap works
        _ = archive["values"]
    assert trace.exists()
