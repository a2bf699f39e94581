"""Fetch the points of sources: history first, then what is new, through the same ingest as pushed points."""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from shared.domain.series import DAY_S, check_series_id
from shared.domain.watching.fetching import MAX_POINTS_PER_SERIES, key_of, older_than, span_of, windows
from shared.domain.watching.labels import id_of
from shared.domain.watching.sources import Query, Source, parse
from shared.errors import TsadError, UnavailableError
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store import fetching, inspection
from shared.store.engine import Sessions
from shared.store.fetching import FIRST, Lease, Progress
from shared.watching.claiming import Claims, LabelSet
from shared.watching.ingesting import Ingest, Taken
from shared.watching.planning import Coming, Push
from worker.outbound.egress import Egress
from worker.outbound.prometheus import FetchError, Prometheus, Result, TooMuchError, connected

logger = logging.getLogger(__name__)

MARGIN_S = 2 * 3_600  # before points would be too old
RETRY_S = 60.0  # after a failure, unless the source is due earlier
FRESH_S = 10.0  # how soon new points follow the first ones, and each other while older ones are fetched
HELD_S = 30.0  # how long the first of them wait for a version, which judges them; no silence opens so soon
SHARED = "{number} series would have the id of another, and are ignored: GET /sources/{source} lists collisions."
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
    clock: inspection.Clock = inspection.clock

    def round(self) -> bool:
        """Fetch one source that is due; return False if none is."""
        with self.sessions.begin() as session:
            lease = fetching.claim(session, self.clock(session))
        if lease is None:
            return False
        progress = Progress()
        are_new = any(key_of(query) not in lease.loaded for query in lease.source.queries)
        errors = self._for_each_query(lease, progress, self._fetch) or self._for_each_query(
            lease, progress, self._fetch_history
        )
        self._finish(lease, progress, errors, is_early=are_new or self._is_early(lease.source))
        return True

    def _for_each_query(
        self, lease: Lease, progress: Progress, fetch: Callable[[Lease, Query, Progress], None]
    ) -> list[str]:
        """Fetch something of each query; return the errors."""
        errors = []
        for query in lease.source.queries:
            try:
                fetch(lease, query, progress)
            except _StoppedError:
                return ["The source was changed or deleted."]
            except (FetchError, UnavailableError) as error:
                errors.append(f"{query.query[:200]}: {error}")
        return errors

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
        """Fetch everything of a query that is new; at first, the newest points."""
        key, now = key_of(query), self._now()
        if key in lease.loaded and self._is_early(lease.source):
            return
        start, end = span_of(lease.source, query, lease.loaded.get(key), now, self._keep_s)
        begun = lease.loaded.get(key + FIRST, None if key in lease.loaded else start)
        oldest, missing_to = older_than(lease.source, query, begun, now, self._keep_s)
        spans = windows(start, end, query.step_s)
        at_last = Coming.OLDER if oldest <= missing_to else Coming.NOTHING
        for first, last in self._stored(lease, query, spans, progress, Coming.NEWER, at_last):
            if key not in lease.loaded:
                lease.loaded[key + FIRST] = first
            lease.loaded[key] = last
            self._step(lease, progress)

    def _fetch_history(self, lease: Lease, query: Query, progress: Progress) -> None:
        """Fetch everything of a query that is older, the newest of it first, and meanwhile what is new."""
        key, fetched_at = key_of(query), self._now()
        missing = older_than(lease.source, query, lease.loaded.get(key + FIRST), fetched_at, self._keep_s)
        spans = windows(*missing, query.step_s, newest_first=True)
        for first, _ in self._stored(lease, query, spans, progress, Coming.OLDER, Coming.NOTHING):
            lease.loaded[key + FIRST] = first
            self._step(lease, progress)
            if self._now() - fetched_at >= min(lease.source.every_s, FRESH_S):
                fetched_at = self._now()
                for each in lease.source.queries:
                    self._fetch(lease, each, progress)

    def _stored(
        self,
        lease: Lease,
        query: Query,
        spans: Generator[tuple[int, int], int | None, None],
        progress: Progress,
        coming: Coming,
        at_last: Coming,
    ) -> Iterator[tuple[int, int]]:
        """Store one window after another, and yield each. coming: after each but the last; at_last: after that."""
        server = connected(lease.source, self.egress, self.variables)
        window = next(spans, None)
        with ThreadPoolExecutor(1) as ahead:  # the next window is on its way while this one is stored

            def ask(span: tuple[int, int]) -> "Future[list[Result]]":
                return ahead.submit(server.query_range, query.query, *span, query.step_s)

            response = ask(window) if window else None
            while window and response:
                results = _arrived(response, window)
                following = _next(spans, None if results is None else len(results))
                response = ask(following) if following else None
                if results is None:
                    self._step(lease, progress)
                else:
                    self._take(lease, query, results, progress, coming if following else at_last)
                    progress.from_ts = min(window[0], progress.from_ts or window[0])
                    progress.to_ts = max(window[1], progress.to_ts or window[1])
                    yield window
                window = following

    @property
    def _keep_s(self) -> float:
        """How old points may be."""
        return self.settings.keep_points_days * DAY_S - MARGIN_S

    def _now(self) -> float:
        with self.sessions.begin() as session:
            return self.clock(session).timestamp()

    def _is_early(self, source: Source) -> bool:
        """Check whether no series has a version, but may soon have one: what is new waits to be judged by it."""
        with self.sessions.begin() as session:
            return fetching.is_early(session, source.name, self.clock(session), HELD_S)

    def _step(self, lease: Lease, progress: Progress) -> None:
        """Store how far the run is, and keep the source; raise `_StoppedError` if the run must stop."""
        with self.sessions.begin() as session:
            if not fetching.step(session, lease, progress, self.clock(session)):
                raise _StoppedError

    def _take(self, lease: Lease, query: Query, results: Sequence[Result], progress: Progress, coming: Coming) -> None:
        """Store the points of one window, and judge those that are new."""
        wanted: dict[LabelSet, str] = {}
        pushes: dict[LabelSet, Push] = {}
        for result in results:
            if not len(result.timestamps):
                continue
            labels = tuple(sorted({**result.labels, QUERY: query.query}.items()))
            series_id = check_series_id(id_of(query.id_template, result.labels))
            wanted[labels] = series_id
            pushes[labels] = Push(series_id, result.timestamps, result.values, coming)
        claimed = self.claims(lease.source.name, wanted)
        for reason in claimed.reported.values():
            progress.detail = progress.detail or reason
        refused = [push for labels, push in pushes.items() if labels not in claimed.granted]
        progress.refused += sum(len(push.timestamps) for push in refused)
        if refused:
            progress.detail = progress.detail or SHARED.format(number=len(refused), source=lease.source.name)
        granted = [push for labels, push in pushes.items() if labels in claimed.granted]
        progress.series[query.query] = max(progress.series.get(query.query, 0), len(granted))
        for push, outcome in zip(granted, self.ingest(granted), strict=True):
            if isinstance(outcome, Taken):
                progress.points += outcome.accepted
            else:
                progress.refused += len(push.timestamps)
                progress.detail = progress.detail or outcome.detail
                self.metrics.refused_points.labels(outcome.code).inc(len(push.timestamps))

    def _finish(self, lease: Lease, progress: Progress, errors: Sequence[str], *, is_early: bool) -> None:
        """End a run. is_early: whether newest points are held back until there is a first version."""
        source = lease.source
        wait_s = float(source.every_s)
        if errors:
            progress.detail = " ".join(errors)
            wait_s = min(wait_s, RETRY_S)
            logger.warning("source %s: %s", source.name, progress.detail)
        elif is_early:
            wait_s = min(wait_s, FRESH_S)
        keys = {key_of(query) for query in source.queries}
        lease.loaded = {key: loaded for key, loaded in lease.loaded.items() if key.removesuffix(FIRST) in keys}
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
        _, end = span_of(source, query, None, self._now(), MAX_POINTS_PER_SERIES)
        results = server.query_range(query.query, end - 4 * query.step_s, end, query.step_s)
        return [result for result in results if len(result.timestamps)]


def _arrived(response: "Future[list[Result]]", window: tuple[int, int]) -> list[Result] | None:
    """Return the points of a window; None if the server cannot answer for so many."""
    try:
        return response.result()
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
