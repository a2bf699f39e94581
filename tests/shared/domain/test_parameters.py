"""Parameters of every detector: invalid ones are rejected, and missing ones get their defaults."""

import json
import math
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.detectors.parameters import AlarmRate, Choice, Number, TimeZone, Windows, complete, schema
from shared.errors import Code, InputError
from tests.shared.domain.contract import AnyDetector, each


@each()
def test_an_unknown_parameter_is_rejected_with_the_known_names(
    detector: AnyDetector, parameters: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as caught:
        complete(detector.parameters, {"no such thing": 1})
    assert caught.value.code is Code.UNKNOWN_PARAMETER
    assert [flaw.loc for flaw in caught.value.flaws] == [("parameters", "no such thing")]
    assert all(name in caught.value.detail for name in parameters)


@each()
def test_at_most_twenty_unknown_parameters_are_named_and_long_names_are_cut(
    detector: AnyDetector, parameters: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as caught:
        complete(detector.parameters, {**parameters, **{f"{place:03}" * 1000: 1 for place in range(100)}})
    assert len(caught.value.flaws) == 20
    assert all(len(str(flaw.loc[-1])) <= 64 for flaw in caught.value.flaws)


@each()
@pytest.mark.parametrize("wrong", [True, False, None, math.nan, math.inf, -math.inf, "3", [3], {}, 10**400, -(10**400)])
def test_a_number_must_be_a_finite_number(detector: AnyDetector, parameters: dict[str, Any], wrong: object) -> None:
    for parameter in detector.parameters:
        if isinstance(parameter, Number):
            with pytest.raises(InputError) as caught:
                complete(detector.parameters, {**parameters, parameter.name: wrong})
            assert caught.value.code is Code.INVALID_PARAMETER
            assert [flaw.loc for flaw in caught.value.flaws] == [("parameters", parameter.name)]


@each()
def test_a_number_must_be_in_its_range(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    for parameter in detector.parameters:
        if isinstance(parameter, Number):
            for wrong in (parameter.above, parameter.above - 1, math.nextafter(parameter.most, math.inf)):
                with pytest.raises(InputError):
                    complete(detector.parameters, {**parameters, parameter.name: wrong})
            assert complete(detector.parameters, {parameter.name: parameter.most})[parameter.name] == parameter.most


@each()
@pytest.mark.parametrize("wrong", [True, None, 1, "", "BOTH", "no such choice", ["both"]])
def test_a_choice_must_be_one_of_its_options(detector: AnyDetector, parameters: dict[str, Any], wrong: object) -> None:
    for parameter in detector.parameters:
        if isinstance(parameter, Choice):
            with pytest.raises(InputError) as caught:
                complete(detector.parameters, {**parameters, parameter.name: wrong})
            assert all(option in caught.value.detail for option in parameter.options)


@pytest.mark.parametrize("wrong", ["1 in 1000\n", "\n1 in 1000", "1 in 1000 ", "1 per day\n", "off\n"])
def test_an_alarm_rate_has_nothing_around_it(wrong: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        AlarmRate("off").check(wrong)


@each()
def test_all_invalid_parameters_are_named_at_once(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        complete(detector.parameters, dict.fromkeys(parameters, None))
    assert [flaw.loc[-1] for flaw in caught.value.flaws] == list(parameters)


@each()
def test_missing_parameters_get_their_defaults(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    assert parameters == {parameter.name: parameter.default for parameter in detector.parameters}
    assert complete(detector.parameters, parameters) == parameters


def any_json(detector: AnyDetector) -> st.SearchStrategy[dict[str, Any]]:
    """Draw objects of known and unknown names with values of every JSON type, many of them edge cases."""
    edges: list[Any] = [10**400, -(10**400), True, False, None, "", "1", [], {}]
    for parameter in detector.parameters:
        if isinstance(parameter, Choice):
            edges += parameter.options
        elif isinstance(parameter, AlarmRate):
            edges += ["off", "1 in 1000", "2 per week", "0 in 10", "1 in 0", "1 in 10 ", " 1 per day", "1 per month"]
        elif isinstance(parameter, Windows):
            edges += [[[1, 2]], [[2, 1], [3.0, 4]], [[1]], [[1, 2, 3]], [[True, 2]], [[-1, 2]], [[0.5, 2]], [1, 2]]
            edges += [[[0, 253_402_300_799]], [[0, 253_402_300_800]], [[1, 2]] * 1000, [[1, 2]] * 1001]
        elif isinstance(parameter, TimeZone):
            edges += [
                "Europe/Berlin",
                "UTC",
                "europe/berlin",
                "Europe",
                "localtime",
                "UTC ",
                "../UTC",
                "/etc/localtime",
            ]
        else:
            for edge in (parameter.above, parameter.most, parameter.default):
                edges += [edge, math.nextafter(edge, math.inf), math.nextafter(edge, -math.inf), int(edge)]
    names = st.sampled_from([*(parameter.name for parameter in detector.parameters), "unknown"])
    finite = st.floats(allow_nan=False, allow_infinity=False)
    return st.dictionaries(names, st.one_of(st.sampled_from(edges), st.integers(), finite))


@each()
@given(data=st.data())
def test_the_published_schema_accepts_exactly_what_the_code_accepts(
    detector: AnyDetector, parameters: dict[str, Any], data: st.DataObject
) -> None:
    published = json.loads(json.dumps(schema(detector.parameters)))
    jsonschema.Draft202012Validator.check_schema(published)
    given = data.draw(any_json(detector))
    try:
        assert complete(detector.parameters, given) == {**parameters, **given}
        accepted = True
    except InputError:
        accepted = False
    assert jsonschema.Draft202012Validator(published).is_valid(given) is accepted
