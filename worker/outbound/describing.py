"""What a message says about an alert beside its sentence: how rare, what contributed most, last week, and a link."""

import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace

import numpy as np

from shared.domain.detectors.contract import Fitted
from shared.domain.series import WEEK_S
from shared.domain.versions import Artifact
from shared.domain.watching.folding import Change
from shared.domain.watching.messages import Facts
from shared.errors import TsadError
from shared.judging.context import context_in_stream
from shared.judging.states import States
from shared.store import points, versions
from shared.store.engine import Session

logger = logging.getLogger(__name__)

WITHIN_S = 2.0  # for loading states: a message does not wait for an artifact store that is away


@dataclass
class Describer:
    """Describes alerts. public_url: of this service, without a slash at its end; empty: messages have no links."""

    public_url: str = ""
    states: States | None = None  # None: nothing is said about how rare a score is, and what contributed to it
    _loading: "Future[list[Fitted]] | None" = None
    _lane: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "describing"))

    def describe(self, session: Session, changes: Iterable[Change]) -> tuple[dict[str, Facts], dict[str, str]]:
        """Return what is known of alerts, and the links to their pages, by alert id."""
        listed = list(changes)
        weeks = points.near(session, {no: peak - WEEK_S for no, peak in _peaks(listed).items()})
        explained = self._explained(session, listed)
        facts = {
            change.alert.id: replace(
                explained.get(change.alert.id, Facts()),
                week_before=None if change.series_no is None else weeks.get(change.series_no),
            )
            for change in listed
        }
        links = {change.alert.id: self._link_of(change) for change in listed} if self.public_url else {}
        return facts, links

    def _link_of(self, change: Change) -> str:
        return f"{self.public_url}/ui/alerts/{change.alert.id}"

    def _explained(self, session: Session, changes: list[Change]) -> dict[str, Facts]:
        """Return how rare the worst points of alerts are and what contributed most, if that takes no long time."""
        if self.states is None or (self._loading is not None and not self._loading.done()):
            return {}
        judged = {
            (change.series_id, change.alert.version): change
            for change in changes
            if change.series_id is not None and change.alert.version is not None and change.alert.peak
        }
        artifacts = versions.states(session, judged)
        self._loading = self._lane.submit(_load, self.states, list(artifacts.values()))
        try:
            loaded = self._loading.result(WITHIN_S)
        except (FutureTimeoutError, TsadError):
            logger.warning("messages lack explanations, because a state cannot be loaded in time")
            return {}
        pairs = zip(artifacts, loaded, strict=True)
        return {judged[pair].alert.id: _explain(session, judged[pair], fitted) for pair, fitted in pairs}


def _load(states: States, artifacts: list[Artifact]) -> list[Fitted]:
    return [states.load(artifact) for artifact in artifacts]


def _explain(session: Session, change: Change, fitted: Fitted) -> Facts:
    """Explain the worst point of an alert by the values before it."""
    peak, no = change.alert.peak, change.series_no
    assert peak is not None  # noqa: S101 - only these are explained
    assert no is not None  # noqa: S101
    need = fitted.needs()
    tail = points.tail_before(session, no, peak.timestamp, need.points)
    try:
        context = context_in_stream(need, peak.timestamp, *tail)
        why = fitted.explain(np.array([peak.value]), np.array([peak.timestamp]), context.values)
    except Exception:
        logger.exception("an alert of %s is not explained: the detector failed", change.series_id)
        return Facts()
    return Facts(why.once_in_s, why.component)


def _peaks(changes: Iterable[Change]) -> dict[int, int]:
    """Return the timestamp of the worst point of each stream, by the stream's number."""
    return {
        change.series_no: change.alert.peak.timestamp
        for change in changes
        if change.series_no is not None and change.alert.peak
    }
