"""Calls and outcomes as bytes between an API process and its children, which get each state only once.

Large contents, arrays and views follow the pickle, straight from their memory and into new memory. Pickling them, too,
would copy them while Python holds its global lock.
"""

import io
import pickle
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from api.computing.content import Content, new_memory
from shared.caching import Cache
from shared.domain.detectors import named
from shared.domain.detectors.choice import FORMER_AUTO
from shared.domain.detectors.contract import Detector, Fitted

APART_BYTES = 64 * 1024  # smaller ones are pickled
_SENT_AT_ONCE = 512  # parts; Linux takes 1,024
_NUMBER = struct.Struct("<Q")

Bytes = bytes | memoryview

_kept: Cache[int, Fitted] = Cache(0)  # in a child: the states that its parent expects it to keep


def keep(kept_bytes: int) -> None:
    """Let this process, a child, keep states of at most so many bytes."""
    global _kept  # noqa: PLW0603 - of this process, which does nothing else
    _kept = Cache(kept_bytes)


class Message(NamedTuple):
    """A pickle, and what follows it."""

    pickled: memoryview  # ends with the size of each buffer, and their number
    buffers: list[list[Bytes]]  # in parts

    def send(self, connection: Connection) -> None:
        """Send everything; raise `OSError` if the other end is gone."""
        connection.send_bytes(self.pickled)
        parts = [part for buffer in self.buffers for part in buffer]
        if not parts:
            return
        with _socket_of(connection) as end:
            for start in range(0, len(parts), _SENT_AT_ONCE):
                _send_all(end, parts[start : start + _SENT_AT_ONCE])


def message_of(item: object, kept: Cache[int, Fitted] | None = None) -> Message:
    """Pickle an item, which a child unpickles that keeps the states in `kept`, and add those that it will keep.

    Parent and child use their caches in the same order and with the same sizes, so both drop the same states.
    """
    stream = io.BytesIO()
    contents: dict[int, tuple[pickle.PickleBuffer, Content]] = {}  # by the id of what stands for them
    buffers: list[list[Bytes]] = []

    def is_pickled(buffer: pickle.PickleBuffer) -> bool:
        if found := contents.get(id(buffer)):
            buffers.append(list(found[1].parts))
            return False
        raw = buffer.raw()
        if raw.nbytes >= APART_BYTES:
            buffers.append([raw])
        return raw.nbytes < APART_BYTES

    pickler = _Pickler(stream, contents, kept or Cache(0), is_pickled)
    pickler.dump(item)
    del pickler.dispatch_table  # its methods refer to the pickler, which would keep all that it pickled in memory
    sizes = [sum(map(len, buffer)) for buffer in buffers]
    stream.write(b"".join(map(_NUMBER.pack, [*sizes, len(sizes)])))
    return Message(stream.getbuffer(), buffers)


def receive(connection: Connection) -> Any:
    """Return the next item; raise `OSError` or `EOFError` if the other end is gone."""
    pickled = connection.recv_bytes()
    (number,) = _NUMBER.unpack_from(pickled, len(pickled) - _NUMBER.size)
    sizes = struct.unpack_from(f"<{number}Q", pickled, len(pickled) - (number + 1) * _NUMBER.size)
    buffers = []
    if sizes:
        with _socket_of(connection) as end:
            buffers = [_received(end, size) for size in sizes]
    return pickle.loads(pickled, buffers=buffers)  # noqa: S301 - only a parent and its child hold the connection


@contextmanager
def _socket_of(connection: Connection) -> Iterator[socket.socket]:
    end = socket.socket(fileno=connection.fileno())
    try:
        yield end
    finally:
        end.detach()


def _send_all(end: socket.socket, parts: Sequence[Bytes]) -> None:
    sent = end.sendmsg(parts)
    if sent < sum(map(len, parts)):  # a signal came
        end.sendall(b"".join(parts)[sent:])


def _received(end: socket.socket, size: int) -> memoryview:
    buffer = new_memory(size)
    received = 0
    while received < size:
        count = end.recv_into(buffer[received:], 0, socket.MSG_WAITALL)
        if not count:
            raise EOFError
        received += count
    return buffer


def packed(work: object) -> bytes:
    """Return what a part of a computation has left, for the next part, which another process may compute."""
    return bytes(ForkingPickler.dumps(work))


def unpacked(work: bytes) -> Any:
    """Return what `packed` was given."""
    return ForkingPickler.loads(work)


class _Pickler(ForkingPickler):
    """Pickles a state as its number if the child keeps it, otherwise as a whole."""

    def __init__(
        self,
        stream: io.BytesIO,
        contents: dict[int, tuple[pickle.PickleBuffer, Content]],
        kept: Cache[int, Fitted],
        is_pickled: Callable[[pickle.PickleBuffer], bool],
    ) -> None:
        super().__init__(stream, 5, True, is_pickled)  # noqa: FBT003 - takes them by position only
        self._contents = contents
        self._kept = kept
        self.dispatch_table[Fitted] = self._fitted
        self.dispatch_table[Content] = self._content
        self.dispatch_table[memoryview] = _reduced_view

    def _content(self, content: Content) -> tuple[type[Content], tuple[list[bytes | pickle.PickleBuffer]]]:
        if len(content) < APART_BYTES:
            return Content, ([content.whole()],)
        stand_in = pickle.PickleBuffer(b"")
        self._contents[id(stand_in)] = stand_in, content
        return Content, ([stand_in],)

    def _fitted(self, fitted: Fitted) -> tuple[Callable[..., Fitted], tuple[Any, ...]]:
        if self._kept.get(id(fitted)) is fitted:
            return _kept_state, (id(fitted),)
        content = ForkingPickler.dumps((fitted.detector, fitted.state))
        self._kept.put(id(fitted), fitted, len(content))
        return _keep_state, (id(fitted), bytes(content))


def _keep_state(number: int, content: bytes) -> Fitted:
    fitted = Fitted(*ForkingPickler.loads(content))
    _kept.put(number, fitted, len(content))
    return fitted


def _kept_state(number: int) -> Fitted:
    fitted = _kept.get(number)
    assert fitted  # noqa: S101
    return fitted


def _reduced_detector(detector: Detector[Any]) -> tuple[Callable[..., Detector[Any]], tuple[Any, ...]]:
    return _detector, (detector.name, detector is FORMER_AUTO)


def _detector(name: str, is_former: bool) -> Detector[Any]:  # noqa: FBT001 - unpickled by position
    return FORMER_AUTO if is_former else named(name)


def _reduced_view(view: memoryview) -> tuple[type[memoryview], tuple[pickle.PickleBuffer]]:
    return memoryview, (pickle.PickleBuffer(view),)


ForkingPickler.register(Detector, _reduced_detector)
