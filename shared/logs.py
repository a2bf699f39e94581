"""Log lines: one line per event, even if the message contains line breaks, as text or as JSON.

Values bound with `bound_contextvars`, such as the ids of a request and a job, appear in every line of that context.
"""

import json
import logging
import math
import sys
import time
import unicodedata
from datetime import UTC, datetime

import structlog
from structlog.typing import EventDict, WrappedLogger

from shared.settings import Settings

LINES_PER_S = 20
REPORT_EVERY_S = 60.0
SHORTENED = 200

_HEAD = ("time", "level", "logger", "message")
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Unicode categories


class Sparing:
    """Allows a limited number of log lines a second, for events that clients cause as fast as they like."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._second = 0
        self._allowed = 0
        self._reported_at = -math.inf

    def allows(self, logger: logging.Logger) -> bool:
        """Whether to log one more line now. At most once a minute, this logs that lines are missing."""
        now = time.monotonic()
        if int(now) != self._second:
            self._second, self._allowed = int(now), LINES_PER_S
        self._allowed -= 1
        if self._allowed < 0 and now - self._reported_at >= REPORT_EVERY_S:
            self._reported_at = now
            logger.warning("more than %d %s a second: the log omits the others", LINES_PER_S, self._what)
        return self._allowed >= 0


def shortened(text: str) -> str:
    """Return the start of a text from a client, quoted, in at most `SHORTENED` characters."""
    return repr(text[:SHORTENED])[:SHORTENED]


def configure(settings: Settings) -> None:
    """Send all log lines of this process to standard error, in UTC."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.ExtraAdder(allow=["request_id", "job_id"]),
            ],
            processors=[
                _from_record,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _json if settings.log_format == "json" else _text,
            ],
        )
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error"):  # they install their own handlers
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False  # otherwise the server logs a line for each prediction


def _from_record(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    when = datetime.fromtimestamp(record.created, UTC)
    event["time"] = when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"
    event["level"], event["logger"], event["message"] = record.levelname, record.name, event.pop("event")
    return event


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return json.dumps({**{name: event.pop(name) for name in _HEAD}, **event}, default=repr)


def _text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Format the event as text. Bound values follow the message, except those that it already contains."""
    message = str(event["message"])
    head = " ".join(str(event.pop(name)) for name in _HEAD)
    trace = event.pop("exception", "")
    bound = [f"{name}={value}" for name, value in event.items() if str(value) not in message]
    return _on_one_line(" ".join([head, *bound, *([trace] if trace else [])]))


def _on_one_line(text: str) -> str:
    """Escape every character that would end the line or control a terminal."""
    if text.isprintable():
        return text
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) in _UNSAFE else character for character in text
    )
