"""Log lines, for people and for machines."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from shared import logs
from tests.processes import make_settings


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, converter = root.handlers[:], root.level, logging.Formatter.converter
    yield
    root.handlers[:], logging.Formatter.converter = handlers, converter
    root.setLevel(level)


def failed() -> None:
    try:
        int("no luck")
    except ValueError:
        logging.getLogger("a.b").exception("it %s", "failed")


def test_a_line_for_people_has_a_time_in_utc_a_level_and_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(make_settings())
    logging.getLogger("a.b").warning("is %d", 7)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING a\.b is 7\n", err)


def test_a_line_for_machines_is_one_object_even_with_a_stack_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(make_settings(log_format="json"))
    logging.getLogger("a.b").info('a "quoted"\nline')
    failed()
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first.keys() == {"time", "level", "logger", "message"}
    assert (first["level"], first["logger"], first["message"]) == ("INFO", "a.b", 'a "quoted"\nline')
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert second["message"] == "it failed"
    assert "'no luck'" in second["exception"]


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(make_settings(log_level="ERROR"))
    logging.getLogger("a.b").warning("quiet")
    logging.getLogger("a.b").error("loud")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_configuring_twice_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        logs.configure(make_settings())
    logging.getLogger("a.b").warning("once")
    assert capsys.readouterr().err.count("once") == 1
