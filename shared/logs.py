"""Log lines: one per event, whatever is in it, for people or for machines.

What is bound with `bound_contextvars` (a request's id, a job's) stands in every line that follows from it.
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
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # categories of characters


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
    for name in ("uvicorn", "uvicorn.error"):  # which bring handlers of their own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False  # or the server writes a line for each prediction


def _from_record(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    moment = datetime.fromtimestamp(record.created, UTC)
    event["time"] = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    event["level"], event["logger"], event["message"] = record.levelname, record.name, event.pop("event")
    return event


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return json.dumps({**{name: event.pop(name) for name in _HEAD}, **event}, default=repr)


def _text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """What is bound follows the message, unless it stands there."""
    message = str(event["message"])
    head = " ".join(str(event.pop(name)) for name in _HEAD)
    trace = event.pop("exception", "")
    bound = [f"{name}={value}" for name, value in event.items() if str(value) not in message]
    return _on_one_line(" ".join([head, *bound, *([trace] if trace else [])]))


def _on_one_line(text: str) -> str:
    """The text with everything that would end the line, or steer a terminal, written out."""
    if text.isprintable():
        return text
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) in _UNSAFE else character for character in text
    )
