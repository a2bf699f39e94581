"""Fetch the points of sources: history first, then what is new, through the same ingest as pushed points."""

import logging
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from shared.domain.series import check_series_id
from shared.domain.watching.fetching import MAX_POINTS_PER_SERIES, key_of, span_of, windows
from shared.domain.watching.labels import id_of
from shared.domain.watching.sources import DAY_S, Query, Source, parse
from shared.errors import TsadError, UnavailableError
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import fetching, inspection
from shared.store.engine import Sessions
from shared.store.fetching import Lease, Progress
from shared.watching.claiming import Claims, LabelSet
from shared.watching.ingesting import Ingest, Taken
from shared.watching.planning import Push
from worker.outbound.egress import Egress
from worker.outbound.folding import Clock
from worker.outbound.prometheus import FetchError, Prometheus, Result, TooMuchError, connected

logger = logging.getLogger(__name__)

MARGIN_S = 2 * 3_600  # before points would be too old
RETRY_S = 60.0  # after a failure, unless the source is due earlier
SHOWN = 20  # series of a test
QUERY = "__query__"  # tells series of two queries apart that have the same labels


class _StoppedError(Exception):
    """The source changed, or another process took it over."""


@dataclass
class Pulling:
    """The rounds that fetch sources. Any number of threads and processes may run them."""

    sessions: Sessions
    egress: Egress
    ingest: Ingest
    claims: Claims
    metrics: Metrics
    variables: Mapping[str, str]  # environment variables with secrets
    settings: Settings
    clock: Clock = inspection.clock

    def round(self) -> bool:
        """Fetch one source that is due; return False if none is."""
        with self.sessions.begin() as session:
            lease = fetching.claim(session, self.clock(session))
        if lease is None:
            return False
        progress, errors = Progress(), []
        for query in lease.source.queries:
            try:
                self._fetch(lease, query, progress)
            except _StoppedError:
                errors.append("The source was changed or deleted.")
                break
            except (FetchError, UnavailableError) as error:
                errors.append(f"{query.query[:200]}: {error}")
        self._finish(lease, progress, errors)
        return True

    def try_round(self) -> bool:
        """Try one source that somebody asks about, and store nothing; return False if nobody does."""
        with self.sessions.begin() as session:
            request = fetching.claim_test(session)
        if request is None:
            return False
        test_id, document = request
        source = parse("test", document, max_history_s=10_000 * DAY_S, stored=True)
        result = self._try(source)
        with self.sessions.begin() as session:
            fetching.answer_test(session, test_id, result)
        return True

    def _fetch(self, lease: Lease, query: Query, progress: Progress) -> None:
        """Fetch everything of a query that is new, window by window."""
        with self.sessions.begin() as session:
            now = self.clock(session)
        keep_s = self.settings.keep_points_days * DAY_S - MARGIN_S
        key = key_of(query)
        start, end = span_of(lease.source, query, lease.loaded.get(key), now.timestamp(), keep_s)
        server = connected(lease.source, self.egress, self.variables)
        spans = windows(start, end, query.step_s)
        window = next(spans, None)
        with ThreadPoolExecutor(1) as ahead:  # the next window is on its way while this one is stored

            def ask(span: tuple[int, int]) -> "Future[list[Result]]":
                return ahead.submit(server.query_range, query.query, *span, query.step_s)

            coming = ask(window) if window else None
            while window and coming:
                results = _arrived(coming, window)
                following = _next(spans, None if results is None else len(results))
                coming = ask(following) if following else None
                if results is not None:
                    self._take(lease.source, query, results, progress)
                    lease.loaded[key] = window[1]
                    progress.from_ts = min(window[0], progress.from_ts or window[0])
                    progress.to_ts = max(window[1], progress.to_ts or window[1])
                self._step(lease, progress)
                window = following

    def _step(self, lease: Lease, progress: Progress) -> None:
        """Store how far the run is, and keep the source; raise `_StoppedError` if the run must stop."""
        with self.sessions.begin() as session:
            if not fetching.step(session, lease, progress, self.clock(session)):
                raise _StoppedError

    def _take(self, source: Source, query: Query, results: Sequence[Result], progress: Progress) -> None:
        """Store and judge the points of one window."""
        wanted: dict[LabelSet, str] = {}
        pushes: dict[LabelSet, Push] = {}
        for result in results:
            if not len(result.timestamps):
                continue
            labels = tuple(sorted({**result.labels, QUERY: query.query}.items()))
            series_id = check_series_id(id_of(query.id_template, result.labels))
            wanted[labels] = series_id
            pushes[labels] = Push(series_id, result.timestamps, result.values)
        claimed = self.claims(source.name, wanted)
        for reason in claimed.reported.values():
            progress.detail = progress.detail or reason
        refused = [push for labels, push in pushes.items() if labels not in claimed.granted]
        progress.refused += sum(len(push.timestamps) for push in refused)
        granted = [push for labels, push in pushes.items() if labels in claimed.granted]
        progress.series = max(progress.series, len(granted))
        for push, outcome in zip(granted, self.ingest(granted), strict=True):
            if isinstance(outcome, Taken):
                progress.points += outcome.accepted
            else:
                progress.refused += len(push.timestamps)
                progress.detail = progress.detail or outcome.detail
                self.metrics.refused_points.labels(outcome.code).inc(len(push.timestamps))

    def _finish(self, lease: Lease, progress: Progress, errors: Sequence[str]) -> None:
        source = lease.source
        wait_s = float(source.every_s)
        if errors:
            progress.detail = " ".join(errors)
            wait_s = min(wait_s, RETRY_S)
            logger.warning("source %s: %s", source.name, progress.detail)
        keys = {key_of(query) for query in source.queries}
        lease.loaded = {key: loaded for key, loaded in lease.loaded.items() if key in keys}
        self.metrics.source_runs.labels("failed" if errors else "succeeded").inc()
        with self.sessions.begin() as session:
            fetching.finish(session, lease, progress, self.clock(session), wait_s, failed=bool(errors))

    def _try(self, source: Source) -> dict[str, Any]:
        """Return the first series that a source has now, and how many."""
        shown: list[dict[str, Any]] = []
        series = 0
        try:
            server = connected(source, self.egress, self.variables)
            for query in source.queries:
                results = self._newest(server, source, query)
                series += len(results)
                shown += [_shown(query, result) for result in results[: SHOWN - len(shown)]]
        except (FetchError, TsadError) as error:
            return {"series": series, "first": shown, "error": str(error)}
        return {"series": series, "first": shown, "error": None}

    def _newest(self, server: Prometheus, source: Source, query: Query) -> list[Result]:
        with self.sessions.begin() as session:
            now = self.clock(session).timestamp()
        _, end = span_of(source, query, None, now, MAX_POINTS_PER_SERIES)
        results = server.query_range(query.query, end - 4 * query.step_s, end, query.step_s)
        return [result for result in results if len(result.timestamps)]


def _arrived(coming: "Future[list[Result]]", window: tuple[int, int]) -> list[Result] | None:
    """Return the points of a window; None if the server cannot answer for so many."""
    try:
        return coming.result()
    except TooMuchError:
        if window[0] == window[1]:
            raise
        return None


def _next(spans: Generator[tuple[int, int], int | None, None], series: int | None) -> tuple[int, int] | None:
    """Return the next window; None after the last one. series: how many the last one had; None: too many."""
    try:
        return spans.send(series)
    except StopIteration:
        return None


def _shown(query: Query, result: Result) -> dict[str, Any]:
    last = float(result.values[-1])
    return {
        "series_id": id_of(query.id_template, result.labels),
        "labels": dict(result.labels),
        "timestamp": int(result.timestamps[-1]),
        "value": None if last != last else last,  # noqa: PLR0124 - NaN
    }
