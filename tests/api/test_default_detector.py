"""The detector of fits that name none."""

import pytest

from api.fitting.decoding import read
from shared.fitting.checking import Origin
from shared.settings import Settings


@pytest.mark.parametrize(
    ("setting", "body", "detector"),
    [
        ("baseline", b"", "baseline"),
        ("auto", b"", "auto"),
        ("auto", b', "detector": "robust"', "robust"),
    ],
)
def test_a_fit_that_names_no_detector_gets_the_one_of_the_setting(setting: str, body: bytes, detector: str) -> None:
    content = b'{"timestamps": [60, 120, 180, 240], "values": [1, 2, 4, 3]' + body + b"}"
    fit = read("boiler", content, Settings(default_detector=setting), Origin("request", "key"))
    assert fit.detector == detector
