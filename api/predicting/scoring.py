"""Scoring in the lane for computations, in slices; single points in the event loop if that is quick.

What is quick depends on detector, state and machine, so it is measured.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from api.computing.content import Content
from api.computing.fairness import FairLane
from api.predicting import answering
from api.schemas.answers import Verdict
from api.schemas.requests import Context
from shared.domain.detectors.contract import Fitted
from shared.errors import InputError

Result = TypeVar("Result")

QUICK_S = 0.001  # of processor time, for all points of a request together
SLICE_S = 0.02  # of one request, before the lane serves another key
_UNKNOWN_S = SLICE_S  # of a verdict that has not been measured yet
_SURPRISE_S = 0.005  # a verdict that takes longer counts at once, not only in the average
_WEIGHT = 0.1  # of the newest measurement in the average
_MEASURED_BYTES = 64 * 1024  # in smaller batches, most time does not depend on the size
_UNKNOWN_S_PER_BYTE = 0.5e-6  # of a batch whose detector and mode have not been measured yet
_READ_S_PER_BYTE = 0.02e-6  # of a body that is only decoded

_Kind = tuple[str | bool, ...]


class Question(NamedTuple):
    """A point to score, and the state that scores it."""

    number: int  # of the version
    fitted: Fitted
    timestamp: int
    value: float
    context: Context | None = None
    with_explanation: bool = False

    @property
    def kind(self) -> _Kind:
        """What the time of the verdict depends on."""
        return self.fitted.detector.name, self.context is not None and len(self.context) > 0, self.with_explanation


class Scorer:
    """Scores points, and measures how long each kind of verdict takes. Belongs to one event loop."""

    def __init__(self, lane: FairLane) -> None:
        self._lane = lane
        self._average_s: dict[_Kind, float] = {}  # of a point, or of a byte of a batch

    async def verdict(self, owner: str, question: Question) -> Verdict:
        """Score one point for the key `owner`.

        Raises `InputError` if the detector needs more context, `BusyError` if too much of this key already waits.
        """
        cost_s = self._expected_s(question)
        if cost_s <= QUICK_S:
            outcome = self._noted(question, *_scored(question))
        else:
            outcome = self._noted(question, *await self._lane(owner, cost_s, _scored, question))
        if isinstance(outcome, InputError):
            raise outcome
        return outcome

    async def verdicts(self, owner: str, questions: Sequence[Question]) -> list[Verdict | InputError]:
        """Score many points; return a verdict or an error for each, in order. Raises `BusyError` like `verdict`."""
        if sum(map(self._expected_s, questions)) <= QUICK_S:
            return [self._noted(question, *_scored(question)) for question in questions]
        outcomes: list[Verdict | InputError] = []
        while len(outcomes) < len(questions):
            cost_s, end = 0.0, len(outcomes)
            while end < len(questions) and cost_s < SLICE_S:
                cost_s += self._expected_s(questions[end])
                end += 1
            part = questions[len(outcomes) : end]
            scored = await self._lane(owner, cost_s, _scored_all, part)
            outcomes += [self._noted(question, *one) for question, one in zip(part, scored, strict=True)]
        return outcomes

    async def batch(
        self, owner: str, number: int, fitted: Fitted, content: Content, max_points: int, mode: str
    ) -> memoryview:
        """Score the points of a body and return the response; raises `InputError`, and `BusyError` like `verdict`."""
        kind = ("batch", fitted.detector.name, mode)
        cost_s = len(content) * self._average_s.get(kind, _UNKNOWN_S_PER_BYTE)
        encoded, seconds = await self._lane(owner, cost_s, _scored_batch, number, fitted, content, max_points, mode)
        if len(content) >= _MEASURED_BYTES:
            self._measure(kind, seconds / len(content))
        return encoded

    async def read(self, owner: str, read: Callable[[bytes], Result], content: Content) -> Result:
        """Decode a body; raises `InputError`, and `BusyError` like `verdict`."""
        return await self._lane(owner, len(content) * _READ_S_PER_BYTE, _read, read, content)

    def _expected_s(self, question: Question) -> float:
        return self._average_s.get(question.kind, _UNKNOWN_S)

    def _noted(self, question: Question, outcome: Verdict | InputError, seconds: float) -> Verdict | InputError:
        """Note how long a verdict took, and return it."""
        if not isinstance(outcome, InputError):
            self._measure(question.kind, seconds)
        return outcome

    def _measure(self, kind: _Kind, seconds: float) -> None:
        average_s = self._average_s.get(kind, seconds)
        self._average_s[kind] = seconds if seconds > _SURPRISE_S else average_s + _WEIGHT * (seconds - average_s)


def _read(read: Callable[[bytes], Result], content: Content) -> Result:
    return read(content.whole())


def _scored(question: Question) -> tuple[Verdict | InputError, float]:
    """Return a verdict or an error, and the seconds of processor time that it took."""
    began = time.thread_time()
    number, fitted, timestamp, value, context, with_explanation = question
    try:
        outcome: Verdict | InputError = answering.verdict(
            number, fitted, timestamp, value, context, with_explanation=with_explanation
        )
    except InputError as error:
        outcome = error.with_traceback(None)
    return outcome, time.thread_time() - began


def _scored_all(questions: Sequence[Question]) -> list[tuple[Verdict | InputError, float]]:
    return [_scored(question) for question in questions]


def _scored_batch(
    number: int, fitted: Fitted, content: Content, max_points: int, mode: str
) -> tuple[memoryview, float]:
    """Return the response to a batch, and the seconds of processor time that it took."""
    began = time.thread_time()
    return memoryview(answering.batch(number, fitted, content.whole(), max_points, mode)), time.thread_time() - began
