"""What every detector promises; each test runs over the registry."""

import io
import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import product
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.detectors import DEFAULT, named, registry
from shared.domain.detectors.contract import LARGEST, Detector, Scores
from shared.domain.detectors.parameters import AlarmRate, Choice, Number, Parameter, Windows, complete, schema
from shared.domain.detectors.states import Fitted, decode, encode
from shared.domain.series import Series, Values
from shared.errors import Code, DamagedError, InputError

AnyDetector = Detector[Any]

POINTS = 200
EXTREMES = np.array([0.0, -0.0, 5e-324, -5e-324, 1.0, -1.0, 1e154, -1e154, LARGEST, -LARGEST])


def random_walk(points: int) -> Values:
    return np.random.default_rng(points).normal(size=points).cumsum()


SERIES: dict[str, Values] = {
    "random walk": random_walk(POINTS),
    "noise on a large offset": 1e12 + np.random.default_rng(1).normal(size=POINTS),
    "neighbouring floats": np.where(np.arange(POINTS) % 3, 1e15, math.nextafter(1e15, math.inf)),
    "tiny": 1e-300 * random_walk(POINTS),
    "the smallest floats": np.array([0.0, 5e-324, 1e-323, 1.5e-323])[np.arange(POINTS) % 4],
    "huge": 1e150 * np.tanh(random_walk(POINTS)),
    "two values": (np.arange(POINTS) % 2).astype(np.float64),
    "one outlier": np.where(np.arange(POINTS) == POINTS // 2, 1.0, 0.0),
    "ramp": np.arange(POINTS) / 1.0,
}


def parameter_sets(detector: AnyDetector) -> Iterator[dict[str, Any]]:
    """Every combination of choices and alarm rates with each number at its default, its smallest and its largest."""
    for values in product(*map(alternatives, detector.parameters)):
        yield complete(
            detector.parameters,
            {parameter.name: value for parameter, value in zip(detector.parameters, values, strict=True)},
        )


def alternatives(parameter: Parameter) -> Sequence[Any]:
    if isinstance(parameter, Choice):
        return parameter.options
    if isinstance(parameter, Number):
        return (parameter.default, math.nextafter(parameter.above, math.inf), parameter.most)
    return (parameter.default, "1 in 7", "1 per week") if isinstance(parameter, AlarmRate) else (parameter.default,)


def each(*, parameters: bool = False) -> pytest.MarkDecorator:
    """Run the test for every detector, with its defaults or with all `parameter_sets`."""
    cases = [
        pytest.param(detector, given, id=f"{detector.name}-{'-'.join(map(str, given.values()))}")
        for detector in registry().values()
        for given in (parameter_sets(detector) if parameters else [complete(detector.parameters, {})])
    ]
    return pytest.mark.parametrize(("detector", "chosen"), cases)


STEPS = st.lists(st.integers(-50, 50), min_size=5, max_size=40).filter(lambda steps: len(set(steps)) > 1)


def long_enough(detector: AnyDetector, steps: list[int]) -> Values:
    """Eighths; the steps again and again until the detector has enough of them."""
    return np.resize(np.array(steps), max(len(steps), detector.min_points)) / 8


every_series = pytest.mark.parametrize("values", SERIES.values(), ids=SERIES.keys())


def fit(detector: AnyDetector, values: Values, chosen: dict[str, Any]) -> Any:
    return detector.fit(Series(np.arange(len(values)) * 60, values), chosen, lambda _share: None)


def score(detector: AnyDetector, state: Any, values: Values, context: Values | None = None) -> Scores:
    return detector.score(state, values, np.arange(len(values)) * 60, np.empty(0) if context is None else context)


def bits(state: Any) -> dict[str, Any]:
    """The state's fields, with numbers as bytes: equal only where not a single bit differs."""
    return {field.name: _bits(getattr(state, field.name)) for field in fields(state)}


def _bits(value: Any) -> Any:
    if isinstance(value, Fitted):
        return value.detector.name, bits(value.state)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + value.tobytes()
    return struct.pack("d", value) if isinstance(value, float) else repr(value)


def columns(scores: Scores) -> list[Values]:
    return [column for column in (scores.score, scores.expected, scores.lower, scores.upper) if column is not None]


def around(values: Values) -> Values:
    """Values in, near and far from a series, from low to high."""
    middle, reach = values.mean(), np.ptp(values)
    with np.errstate(over="ignore"):
        wide: Values = np.clip(middle + reach * np.linspace(-9, 9, 181), -LARGEST, LARGEST)
    return wide


@each(parameters=True)
@every_series
def test_the_same_series_gives_the_same_state_and_the_same_scores(
    detector: AnyDetector, chosen: dict[str, Any], values: Values
) -> None:
    first, second = fit(detector, values, chosen), fit(detector, values.copy(), chosen)
    assert bits(first) == bits(second)
    for column, again in zip(
        columns(score(detector, first, values)), columns(score(detector, second, values)), strict=True
    ):
        assert column.tobytes() == again.tobytes()


@each()
def test_fitting_and_scoring_leave_the_points_alone(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    values = random_walk(POINTS)
    values.setflags(write=False)
    state = fit(detector, values, chosen)
    score(detector, state, values)
    assert values.tolist() == random_walk(POINTS).tolist()


@each(parameters=True)
@every_series
def test_a_state_comes_back_from_its_bytes_bit_for_bit(
    detector: AnyDetector, chosen: dict[str, Any], values: Values
) -> None:
    state = fit(detector, values, chosen)
    content, suffix = encode(Fitted(detector, state))
    back = decode(content)
    assert back.detector is detector
    assert bits(back.state) == bits(state)
    assert encode(back) == (content, suffix)
    assert suffix in (".json", ".npz")


@each(parameters=True)
@every_series
def test_every_answer_is_finite_and_no_score_is_negative(
    detector: AnyDetector, chosen: dict[str, Any], values: Values
) -> None:
    state = fit(detector, values, chosen)
    scores = score(detector, state, np.concatenate((EXTREMES, values, around(values))))
    assert (scores.score >= 0).all()
    for column in columns(scores):
        assert column.shape == scores.score.shape
        assert column.dtype == np.float64
        assert np.isfinite(column).all()
    told = detector.learnt(state).values()
    assert all(isinstance(fact, str) or math.isfinite(fact) for fact in told)


@each(parameters=True)
@every_series
def test_an_anomaly_is_what_lies_outside_the_band(
    detector: AnyDetector, chosen: dict[str, Any], values: Values
) -> None:
    """An edge is itself rounded: up to one unit in its last place from it, score and band may see a point differently.

    So may they where the whole band is so narrow that a score's division underflows, which is nearer than that.
    """
    state = fit(detector, values, chosen)
    points = np.concatenate((EXTREMES, values, around(values)))
    scores = score(detector, state, points)
    outside = np.zeros(len(points), dtype=bool)
    at_an_edge = np.zeros(len(points), dtype=bool)
    for edge, side in ((scores.lower, -1), (scores.upper, 1)):
        if edge is not None:
            with np.errstate(over="ignore"):
                outside |= side * points > side * edge
                at_an_edge |= np.abs(points - edge) <= 4 * np.spacing(np.abs(edge))
    if scores.lower is not None or scores.upper is not None:
        assert ((scores.score > 1) == outside)[~at_an_edge].all()
        assert (~at_an_edge).any()


@each(parameters=True)
@every_series
def test_a_point_farther_from_what_is_expected_never_scores_less(
    detector: AnyDetector, chosen: dict[str, Any], values: Values
) -> None:
    state = fit(detector, values, chosen)
    points = np.unique(np.concatenate((EXTREMES, around(values))))
    scores = score(detector, state, points)
    if scores.expected is not None:
        rising = np.diff(scores.score)
        assert (rising[points[:-1] >= scores.expected[:-1]] >= 0).all()
        assert (rising[points[1:] <= scores.expected[1:]] <= 0).all()


@each()
@settings(max_examples=30)
@given(STEPS, st.data())
def test_shifting_a_series_and_its_points_shifts_the_answer_alone(
    detector: AnyDetector, chosen: dict[str, Any], steps: list[int], data: st.DataObject
) -> None:
    """Eighths and whole shifts below 2**40 are added without rounding, so both fits see the very same deviations.

    What differs is the rounding of what is learnt, a few units in the last place of the shift; the smallest possible
    spread, one step of 1/8 in 40 points, is above 1/64, and the score is a distance divided by it.
    """
    values = long_enough(detector, steps)
    shift = float(data.draw(st.integers(-(2**40), 2**40)))
    points = np.linspace(-80, 80, 33)
    plain = score(detector, fit(detector, values, chosen), points)
    shifted = score(detector, fit(detector, values + shift, chosen), points + shift)
    slack = 8 * np.spacing(abs(shift) + 100)
    np.testing.assert_allclose(shifted.score, plain.score, rtol=1e-9 + 64 * slack, atol=64 * slack)
    for column, moved in zip(columns(plain)[1:], columns(shifted)[1:], strict=True):
        np.testing.assert_allclose(moved, column + shift, rtol=1e-9, atol=slack)


@each()
@settings(max_examples=30)
@given(STEPS, st.data())
def test_scaling_a_series_and_its_points_scales_the_band_and_no_score(
    detector: AnyDetector, chosen: dict[str, Any], steps: list[int], data: st.DataObject
) -> None:
    """A power of two scales without rounding; 1e-9 leaves room for another order of the same sums."""
    factor = 2.0 ** data.draw(st.integers(-900, 450))
    values, points = long_enough(detector, steps), np.linspace(-80, 80, 33)
    plain = score(detector, fit(detector, values, chosen), points)
    scaled = score(detector, fit(detector, values * factor, chosen), points * factor)
    np.testing.assert_allclose(scaled.score, plain.score, rtol=1e-9)
    for column, grown in zip(columns(plain)[1:], columns(scaled)[1:], strict=True):
        np.testing.assert_allclose(grown, column * factor, rtol=1e-9, atol=1e-12 * factor)


@each(parameters=True)
def test_the_newest_point_alone_is_judged_as_it_is_in_a_batch(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    values = random_walk(POINTS)
    state = fit(detector, values, chosen)
    batch = score(detector, state, values)
    context = values[:-1][max(POINTS - 1 - detector.context_points, 0) :]
    alone = detector.score(state, values[-1:], np.array([(POINTS - 1) * 60]), context)
    for column, single in zip(columns(batch), columns(alone), strict=True):
        np.testing.assert_allclose(single, column[-1:], rtol=1e-12 if detector.context_points == 0 else 1e-4)


@each()
def test_the_fewest_points_allowed_are_enough(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    values = np.arange(detector.min_points) / 1.0
    assert np.isfinite(score(detector, fit(detector, values, chosen), values).score).all()


@each()
def test_a_fit_tells_how_far_it_is(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    shares: list[float] = []
    detector.fit(Series(np.arange(POINTS), random_walk(POINTS)), chosen, shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] == 1


@each()
def test_a_fit_stops_when_nobody_wants_it_any_more(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    class CancelledError(Exception):
        pass

    def cancel(_share: float) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        detector.fit(Series(np.arange(POINTS), random_walk(POINTS)), chosen, cancel)


@each()
def test_an_unknown_parameter_is_refused_and_the_known_ones_are_named(
    detector: AnyDetector, chosen: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as caught:
        complete(detector.parameters, {"no such thing": 1})
    assert caught.value.code is Code.UNKNOWN_PARAMETER
    assert [flaw.loc for flaw in caught.value.flaws] == [("parameters", "no such thing")]
    assert all(name in caught.value.detail for name in chosen)


@each()
def test_only_twenty_unknown_parameters_are_named_and_no_long_name_in_full(
    detector: AnyDetector, chosen: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as caught:
        complete(detector.parameters, {**chosen, **{f"{place:03}" * 1000: 1 for place in range(100)}})
    assert len(caught.value.flaws) == 20
    assert all(len(str(flaw.loc[-1])) <= 64 for flaw in caught.value.flaws)


@each()
@pytest.mark.parametrize("wrong", [True, False, None, math.nan, math.inf, -math.inf, "3", [3], {}, 10**400, -(10**400)])
def test_a_number_is_a_finite_number_and_nothing_else(
    detector: AnyDetector, chosen: dict[str, Any], wrong: object
) -> None:
    for parameter in detector.parameters:
        if isinstance(parameter, Number):
            with pytest.raises(InputError) as caught:
                complete(detector.parameters, {**chosen, parameter.name: wrong})
            assert caught.value.code is Code.INVALID_PARAMETER
            assert [flaw.loc for flaw in caught.value.flaws] == [("parameters", parameter.name)]


@each()
def test_a_number_stays_within_its_range(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    for parameter in detector.parameters:
        if isinstance(parameter, Number):
            for wrong in (parameter.above, parameter.above - 1, math.nextafter(parameter.most, math.inf)):
                with pytest.raises(InputError):
                    complete(detector.parameters, {**chosen, parameter.name: wrong})
            assert complete(detector.parameters, {parameter.name: parameter.most})[parameter.name] == parameter.most


@each()
@pytest.mark.parametrize("wrong", [True, None, 1, "", "BOTH", "no such choice", ["both"]])
def test_a_choice_is_one_of_its_options(detector: AnyDetector, chosen: dict[str, Any], wrong: object) -> None:
    for parameter in detector.parameters:
        if isinstance(parameter, Choice):
            with pytest.raises(InputError) as caught:
                complete(detector.parameters, {**chosen, parameter.name: wrong})
            assert all(option in caught.value.detail for option in parameter.options)


@each()
def test_every_wrong_parameter_is_named_at_once(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        complete(detector.parameters, dict.fromkeys(chosen, None))
    assert [flaw.loc[-1] for flaw in caught.value.flaws] == list(chosen)


@each()
def test_parameters_left_out_have_their_defaults(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    assert chosen == {parameter.name: parameter.default for parameter in detector.parameters}
    assert complete(detector.parameters, chosen) == chosen


def any_json(detector: AnyDetector) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of known and unknown names with values of every JSON type, many of them on an edge."""
    edges: list[Any] = [10**400, -(10**400), True, False, None, "", "1", [], {}]
    for parameter in detector.parameters:
        if isinstance(parameter, Choice):
            edges += parameter.options
        elif isinstance(parameter, AlarmRate):
            edges += ["off", "1 in 1000", "2 per week", "0 in 10", "1 in 0", "1 in 10 ", " 1 per day", "1 per month"]
        elif isinstance(parameter, Windows):
            edges += [[[1, 2]], [[2, 1], [3.0, 4]], [[1]], [[1, 2, 3]], [[True, 2]], [[-1, 2]], [[0.5, 2]], [1, 2]]
            edges += [[[0, 253_402_300_799]], [[0, 253_402_300_800]], [[1, 2]] * 1000, [[1, 2]] * 1001]
        else:
            for edge in (parameter.above, parameter.most, parameter.default):
                edges += [edge, math.nextafter(edge, math.inf), math.nextafter(edge, -math.inf), int(edge)]
    names = st.sampled_from([*(parameter.name for parameter in detector.parameters), "unknown"])
    finite = st.floats(allow_nan=False, allow_infinity=False)
    return st.dictionaries(names, st.one_of(st.sampled_from(edges), st.integers(), finite))


@each()
@given(data=st.data())
def test_the_published_schema_accepts_exactly_what_the_code_accepts(
    detector: AnyDetector, chosen: dict[str, Any], data: st.DataObject
) -> None:
    published = json.loads(json.dumps(schema(detector.parameters)))
    jsonschema.Draft202012Validator.check_schema(published)
    parameters = data.draw(any_json(detector))
    try:
        assert complete(detector.parameters, parameters) == {**chosen, **parameters}
        accepted = True
    except InputError:
        accepted = False
    assert jsonschema.Draft202012Validator(published).is_valid(parameters) is accepted


@each()
def test_a_detector_says_what_it_is_for(detector: AnyDetector, chosen: dict[str, Any]) -> None:
    assert detector.purpose.endswith(".")
    assert detector.cost.endswith(".")
    assert all(parameter.purpose for parameter in detector.parameters)
    assert named(detector.name) is detector
    assert chosen.keys() == {parameter.name for parameter in detector.parameters}


def test_the_default_detector_exists() -> None:
    assert named(DEFAULT).name == DEFAULT


def test_an_unknown_detector_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InputError) as caught:
        named("no such detector")
    assert caught.value.code is Code.UNKNOWN_DETECTOR
    assert all(name in caught.value.detail for name in registry())


def encoded_baseline() -> bytes:
    detector = named("baseline")
    return encode(Fitted(detector, fit(detector, random_walk(9), complete(detector.parameters, {}))))[0]


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"{",
        b"{}",
        b"[1]",
        b'{"format": 2, "detector": "baseline", "state": {}}',
        b'{"format": 1, "detector": "gone", "state": {}}',
        b'{"format": 1, "detector": "baseline", "state": {"mean": 1}}',
        b'{"format": 1, "detector": "baseline", "state": [1]}',
        b'{"format": 1, "detector": ["baseline"], "state": {}}',
        b'{"a":' * 100_000,
        b"PK\x03\x04" + bytes(60),
        archive(other=np.arange(3)),
        archive(head=np.array([{}], dtype=object)),
    ],
    ids=[
        "nothing",
        "text",
        "half JSON",
        "empty object",
        "list",
        "another format",
        "unknown detector",
        "fields missing",
        "no fields",
        "detector is a list",
        "deep nesting",
        "broken zip",
        "archive without head",
        "pickled object",
    ],
)
def test_bytes_that_are_no_state_are_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        decode(content)
    assert caught.value.code is Code.ARTIFACT_DAMAGED


def test_every_shortened_state_is_damaged() -> None:
    content = encoded_baseline()
    for length in range(len(content)):
        with pytest.raises(DamagedError):
            decode(content[:length])


def test_a_state_names_its_format_and_its_detector() -> None:
    head = json.loads(encoded_baseline())
    assert (head["format"], head["detector"]) == (1, "baseline")
