"""Request bodies: bounded while they arrive, then decoded with the rules of the API and errors that say where."""

import asyncio
import re
import zlib
from typing import TypeVar

import msgspec
from starlette.types import Message, Receive

from shared.errors import BusyError, Code, Flaw, InputError

T = TypeVar("T")

WAIT_FOR_BUDGET_S = 5.0
_AT = re.compile(r" - at `(?P<path>\$[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")
_GZIP = 16 + zlib.MAX_WBITS


class Budget:
    """Bytes that all bodies of this process may hold together."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._freed = asyncio.Event()

    async def take(self, size: int) -> None:
        """Take bytes, waiting a while for others to be freed; then `BusyError`."""
        try:
            async with asyncio.timeout(WAIT_FOR_BUDGET_S):
                while size > self._left:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise BusyError(
                Code.OVERLOADED, "Too many large bodies are being received. Try again.", retry_after_s=5
            ) from None
        self._left -= size

    def free(self, size: int) -> None:
        """Give bytes back."""
        self._left += size
        self._freed.set()


class LimitedBody:
    """One body: counts, expands and bounds what `receive` brings."""

    def __init__(self, receive: Receive, most: int, budget: Budget, *, gzipped: bool) -> None:
        self._receive = receive
        self._most = most
        self._budget = budget
        self._expander = zlib.decompressobj(_GZIP) if gzipped else None
        self._held = 0

    async def receive(self) -> Message:
        """The next part, expanded; `InputError` once the whole is too large."""
        message = await self._receive()
        if message["type"] == "http.request":
            part = message.get("body", b"")
            if self._expander:
                part = self._expanded(part, last=not message.get("more_body", False))
                message = {**message, "body": part}
            await self._hold(len(part))
        return message

    def close(self) -> None:
        """Free what the body held."""
        if self._held:
            self._budget.free(self._held)
            self._held = 0

    async def _hold(self, size: int) -> None:
        if self._held + size > self._most:
            raise InputError(Code.BODY_TOO_LARGE, f"The body is larger than {self._most:,} bytes.")
        if size:
            await self._budget.take(size)
            self._held += size

    def _expanded(self, part: bytes, *, last: bool) -> bytes:
        assert self._expander  # noqa: S101
        try:
            expanded = self._expander.decompress(part, self._most - self._held + 1)
        except zlib.error:
            raise InputError(Code.INVALID_ENCODING, "The body is not what gzip makes.") from None
        if last and not self._expander.eof and len(expanded) + self._held <= self._most:
            raise InputError(Code.INVALID_ENCODING, "The gzip body ends too early.")
        return expanded


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, *under: str | int) -> T:
    """Decode JSON, or raise `InputError` that says what is wrong and where; `under` is where `body` itself stands."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message = str(error)
        at = _AT.search(message)
        reason = message[: at.start()] if at else message
        loc = (*under, *(_steps(at["path"]) if at else ()))
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".") or "the body"
        raise InputError(
            Code.INVALID_REQUEST, f"{_plain(reason)} at {where}.", flaws=[Flaw(loc, _plain(reason))]
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = (
            str(error).removeprefix("JSON is malformed: ") if isinstance(error, msgspec.DecodeError) else "not UTF-8"
        )
        hint = " NaN and Infinity are no JSON numbers." if "invalid character" in reason else ""
        raise InputError(Code.INVALID_JSON, f"The body is not valid JSON: {reason}.{hint}") from None
    except RecursionError:
        raise InputError(Code.INVALID_JSON, "The body is nested too deeply.") from None


def _steps(path: str) -> tuple[str | int, ...]:
    return tuple(int(step["index"]) if step["index"] else step["name"] or "…" for step in _STEP.finditer(path))


def _plain(reason: str) -> str:
    """Msgspec's reasons without its quotes; unknown names are cut, since they are the caller's own text."""
    if reason.startswith("Object contains unknown field"):
        return "Unknown field: " + reason.split("`")[1][:64]
    return reason.replace("`", "")
