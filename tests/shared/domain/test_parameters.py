"""Parameters of every detector: what is refused, and what is left out."""

import json
import math
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.detectors.parameters import AlarmRate, Choice, Number, Windows, complete, schema
from shared.errors import Code, InputError
from tests.shared.domain.contract import AnyDetector, each


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
