"""Decoding of JSON bodies to the types of `api.schemas.requests`, with errors that name reason and location."""

import re
from typing import TypeVar

import msgspec

from shared.errors import Code, Flaw, InputError

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_AT = re.compile(r" - at `(?P<path>\$[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, *parents: str | int) -> T:
    """Decode JSON; raise `InputError` with reason and location.

    `parents` are the keys and indices that lead to `body` if it is part of a larger document.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message = str(error)
        location = _AT.search(message)
        reason = message[: location.start()] if location else message
        loc = (*parents, *(_steps(location["path"]) if location else ()))
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".")
        sentence = f"{_plain(reason)} {f'at {where}' if where else 'in the body'}."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(loc, _plain(reason))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = (
            str(error).removeprefix("JSON is malformed: ") if isinstance(error, msgspec.DecodeError) else "not UTF-8"
        )
        hint = " JSON has no NaN and no Infinity." if "invalid character" in reason else ""
        raise InputError(Code.INVALID_JSON, f"The body is not valid JSON: {reason}.{hint}") from None
    except RecursionError:
        raise InputError(Code.INVALID_JSON, "The body is nested too deeply.") from None


def _steps(path: str) -> tuple[str | int, ...]:
    return tuple(int(step["index"]) if step["index"] else step["name"] or "…" for step in _STEP.finditer(path))


def _plain(reason: str) -> str:
    """Return msgspec's reason without backquotes, and name an unknown field only if it could be a misspelling."""
    if reason.startswith("Object contains unknown field"):
        name = reason.split("`")[1]
        return f"Unknown field: {name}" if _NAME.fullmatch(name) else "Unknown field"
    return reason.replace("`", "")
