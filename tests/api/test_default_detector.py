"""The detector of fits that name none."""

import sys

import pytest

from api.__main__ import main
from api.fitting.decoding import decode_body, method_of
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
    method = method_of(decode_body(content), Settings(default_detector=setting))
    assert method.detector.name == detector


def test_the_api_does_not_start_with_an_unknown_default_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["api"])
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/tsad")
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    monkeypatch.setenv("DEFAULT_DETECTOR", "autto")
    with pytest.raises(SystemExit, match=r"DEFAULT_DETECTOR is autto: .*\bauto\b"):
        main()
