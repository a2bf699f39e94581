"""States from before format 2 nested their fields: `states_of_format_1` has one for every detector.

The release that used that format wrote the files, with its detectors' output for 24 points after the training values.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.domain.archives import unpacked
from shared.domain.detectors.states import Fitted, decode, encode
from shared.domain.series import Values
from tests.shared.domain.contract import bits

FOLDER = Path(__file__).with_name("states_of_format_1")
FILES = sorted(file for file in FOLDER.iterdir() if file.name != "recorded.json")
ROUNDING = 1e-6  # other processors may add single-precision numbers in another order

each_file = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])


@cache
def recorded() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((FOLDER / "recorded.json").read_text())
    return content


def points() -> tuple[Values, Any, Values]:
    values, context = (np.array(recorded()[name]) for name in ("values", "context"))
    return values, np.array(recorded()["timestamps"]), context


def test_a_state_is_recorded_of_every_detector_of_that_time() -> None:
    recorded_detectors = {decode(file.read_bytes()).detector.name for file in FILES}
    assert recorded_detectors == {
        *("ar", "auto", "baseline", "ensemble", "msnn", "robust", "seasonal", "spectral_residual")
    }
    assert {file.stem for file in FILES} == set(recorded()["states"])


@each_file
def test_scores_and_bands_are_as_recorded(file: Path) -> None:
    fitted, expected = decode(file.read_bytes()), recorded()["states"][file.stem]
    scores = fitted.detector.score(fitted.state, *points())
    for name in ("score", "expected", "lower", "upper"):
        column = getattr(scores, name)
        if expected[name] is None:
            assert column is None
        else:
            np.testing.assert_allclose(column, expected[name], rtol=ROUNDING)
    values, timestamps, _ = points()
    assert fitted.detector.modes.keys() == expected["modes"].keys()
    for mode, judge in fitted.detector.modes.items():
        np.testing.assert_allclose(
            judge(fitted.state, values, timestamps).score, expected["modes"][mode], rtol=ROUNDING
        )


@each_file
def test_learnt_figures_and_explanations_are_as_recorded(file: Path) -> None:
    fitted, expected = decode(file.read_bytes()), recorded()["states"][file.stem]
    assert fitted.detector.learnt(fitted.state) == expected["learnt"]
    values, timestamps, context = points()
    why = fitted.detector.explain(fitted.state, values[-1:], timestamps[-1:], np.concatenate((context, values[:-1])))
    for name, number in expected["explanation"].items():
        assert getattr(why, name) == (None if number is None else pytest.approx(number, rel=ROUNDING))


@each_file
def test_no_number_string_or_array_is_lost(file: Path) -> None:
    """Format 2 adds only derived values: the lengths of arrays, and features that `ar` does not use."""
    content, arrays = file.read_bytes(), {}
    if file.suffix == ".npz":
        arrays = unpacked(content)
        content = arrays.pop("head").tobytes()
    before = Counter([*leaves(json.loads(content)["state"]), *map(shown, arrays.values())])
    del before[""]  # the empty list of compared detectors
    assert not before - Counter(leaves(decode(file.read_bytes()).state))


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for nested in value.values():
            yield from leaves(nested)
    elif isinstance(value, tuple):
        yield " ".join(value)
    elif isinstance(value, Fitted):
        yield value.detector.name
        yield from leaves(value.state)
    elif is_dataclass(value):
        for field in fields(value):
            yield from leaves(getattr(value, field.name))
    else:
        yield shown(value)


def shown(value: Any) -> str:
    return f"{value.dtype} {value.tolist()}" if isinstance(value, np.ndarray) else str(value)


@each_file
def test_a_state_is_rewritten_in_the_current_format(file: Path) -> None:
    fitted = decode(file.read_bytes())
    content, suffix = encode(fitted)
    assert suffix == file.suffix
    assert all_bits(decode(content)) == all_bits(fitted)


def all_bits(fitted: Fitted) -> tuple[str, dict[str, Any]]:
    return fitted.detector.name, bits(fitted.state)
