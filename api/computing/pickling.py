"""Calls and outcomes as bytes between an API process and its children, which get each state only once."""

import io
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

from shared.caching import Cache
from shared.domain.detectors import named
from shared.domain.detectors.choice import FORMER_AUTO
from shared.domain.detectors.contract import Detector, Fitted

_kept: Cache[int, Fitted] = Cache(0)  # in a child: the states that its parent expects it to keep


def keep(kept_bytes: int) -> None:
    """Let this process, a child, keep states of at most so many bytes."""
    global _kept  # noqa: PLW0603 - of this process, which does nothing else
    _kept = Cache(kept_bytes)


def pickled(call: Callable[[], object], kept: Cache[int, Fitted]) -> memoryview:
    """Return a call for a child that keeps the states in `kept`, and add those that it will keep.

    Parent and child use their caches in the same order and with the same sizes, so both drop the same states.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, kept).dump(call)
    return buffer.getbuffer()


def packed(work: object) -> bytes:
    """Return what a part of a computation has left, for the next part, which another process may compute."""
    return bytes(ForkingPickler.dumps(work))


def unpacked(work: bytes) -> Any:
    """Return what `packed` was given."""
    return ForkingPickler.loads(work)


class _Pickler(ForkingPickler):
    """Pickles a state as its number if the child keeps it, otherwise as a whole."""

    def __init__(self, buffer: io.BytesIO, kept: Cache[int, Fitted]) -> None:
        super().__init__(buffer)
        self._kept = kept
        self.dispatch_table[Fitted] = self._fitted

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


def _reduced_view(view: memoryview) -> tuple[type[memoryview], tuple[bytes]]:
    return memoryview, (view.tobytes(),)


ForkingPickler.register(Detector, _reduced_detector)
ForkingPickler.register(memoryview, _reduced_view)
