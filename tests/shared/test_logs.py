"""Log lines as text and as JSON."""

import json
import logging
import re
import time
from collections.abc import Iterator

import pytest
from structlog.contextvars import bound_contextvars

from shared import logs
from tests.processes import make_settings


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def log_an_exception() -> None:
    try:
        int("no luck")
    except ValueError:
        logging.getLogger("a.b").exception("it %s", "failed")


def test_a_text_line_has_a_utc_time_a_level_and_a_logger(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(make_settings())
    logging.getLogger("a.b").warning("is %d", 7)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING a\.b is 7\n", err)


def test_a_json_line_is_one_object_even_with_a_stack_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(make_settings(log_format="json"))
    logging.getLogger("a.b").info('a "quoted"\nline')
    log_an_exception()
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first.keys() == {"time", "level", "logger", "message"}
    assert (first["level"], first["logger"], first["message"]) == ("INFO", "a.b", 'a "quoted"\nline')
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert second["message"] == "it failed"
    assert "'no luck'" in second["exception"]


def test_lines_below_the_level_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(make_settings(log_level="ERROR"))
    logging.getLogger("a.b").warning("quiet")
    logging.getLogger("a.b").error("loud")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_configuring_twice_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        logs.configure(make_settings())
    logging.getLogger("a.b").warning("once")
    assert capsys.readouterr().err.count("once") == 1


HOSTILE = "a\r\nb\x1b[2J\x00\u2028\u202ec\ud800"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_event_is_one_printable_line_whatever_it_contains(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    logs.configure(make_settings(log_format=log_format))
    with bound_contextvars(request_id=HOSTILE):
        logging.getLogger("a.b").warning("got %s", HOSTILE)
        try:
            int(HOSTILE)
        except ValueError:
            logging.getLogger("a.b").exception("failed")
    err = capsys.readouterr().err
    assert err.count("\n") == 2
    assert not set(err.splitlines()[0]) & set("\r\x1b\x00\u2028\u202e")
    assert len(err.splitlines()) == 2
    assert "ValueError" in err.splitlines()[1]


@pytest.mark.parametrize(
    ("log_format", "expected"),
    [("text", "is 7 request_id=abc job_id=9"), ("json", '"message": "is 7", "request_id": "abc", "job_id": "9"}')],
)
def test_bound_values_appear_in_every_line_of_the_block(
    capsys: pytest.CaptureFixture[str], log_format: str, expected: str
) -> None:
    logs.configure(make_settings(log_format=log_format))
    with bound_contextvars(request_id="abc"):
        logging.getLogger("a.b").warning("is %d", 7, extra={"job_id": "9", "other": "left out"})
    logging.getLogger("a.b").warning("is 8")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(expected)
    assert "abc" not in second


def test_values_in_the_message_are_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(make_settings())
    logging.getLogger("a.b").warning("job %s ends", "j-1", extra={"job_id": "j-1"})
    assert capsys.readouterr().err.endswith("job j-1 ends\n")


def test_the_server_writes_no_access_log() -> None:
    access = logging.getLogger("uvicorn.access")
    access.addHandler(logging.StreamHandler())
    logs.configure(make_settings())
    assert not access.hasHandlers()


def test_events_that_clients_cause_are_logged_a_limited_number_of_times_a_second(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    sparing, logger = logs.Sparing("refused requests"), logging.getLogger("test")
    assert [sparing.allows(logger) for _ in range(1000)].count(True) == logs.LINES_PER_S
    (line,) = caplog.records
    assert line.getMessage() == "more than 20 refused requests a second: the log omits the others"
    now = 101.0
    assert [sparing.allows(logger) for _ in range(1000)].count(True) == logs.LINES_PER_S
    assert len(caplog.records) == 1
    now = 100.0 + logs.REPORT_EVERY_S
    assert [sparing.allows(logger) for _ in range(1000)].count(True) == logs.LINES_PER_S
    assert len(caplog.records) == 2


@pytest.mark.parametrize("text", ["\U0010ffff" * 5000, "\n" * 5000, "/series/" + "a" * 5000, "'\"" * 5000])
def test_a_text_from_a_client_is_short_in_a_log_line(text: str) -> None:
    assert len(logs.shortened(text)) <= logs.SHORTENED
