"""Log lines: one line per event, even if the message contains line breaks, as text or as JSON.

Values bound with `bound_contextvars`, such as the ids of a request and a job, appear in every line of that context.
"""

import json
import logging
import sys
import unicodedata
from datetime import UTC, datetime

import structlog
from structlog.typing import EventDict, WrappedLogger

from shared.settings import Settings

_HEAD = ("time", "level", "logger", "message")
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Unicode categories


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
    time = datetime.fromtimestamp(record.created, UTC)
    event["time"] = time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"
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
