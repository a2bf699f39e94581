"""Ways to break the store: remove a rule from a statement or a constraint from the database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import pytest
from sqlalchemy import text

from shared.store import admissions, attempts, garbage, reconciliation, versions
from shared.store.engine import Sessions
from shared.store.locks import lock_series, try_series
from tests.protocol import histories
from tests.protocol.machine import ProtocolMachine

_FENCE = " AND attempt = :attempt AND (status = 'running') IS TRUE"


@dataclass(frozen=True)
class Cut:
    """A part of a statement, and its replacement."""

    module: ModuleType
    statement: str
    rule: str
    instead: str = ""


@dataclass(frozen=True)
class Sabotage:
    """A broken rule, and the first characters of the resulting violation."""

    name: str
    expected: str
    history: Callable[[ProtocolMachine], None]  # that shows the violation
    cuts: tuple[Cut, ...] = ()
    ddl: tuple[tuple[str, str], ...] = ()  # to undo a rule, and to restore it

    @contextmanager
    def applied(self, sessions: Sessions) -> Iterator[None]:
        """Break the rule in the statements and the database, and restore it afterwards."""
        with pytest.MonkeyPatch.context() as patch:
            for cut in self.cuts:
                statement = getattr(cut.module, cut.statement).text
                assert cut.rule in statement, f"{cut.statement} no longer contains {cut.rule!r}"
                patch.setattr(cut.module, cut.statement, text(statement.replace(cut.rule, cut.instead)))
            self._execute(sessions, [undo for undo, _ in self.ddl])
            try:
                yield
            finally:
                self._execute(sessions, ["TRUNCATE fit_jobs, series, versions, garbage"])
                self._execute(sessions, [redo for _, redo in self.ddl])

    @staticmethod
    def _execute(sessions: Sessions, statements: list[str]) -> None:
        with sessions.begin() as session:
            for statement in statements:
                session.execute(text(statement))


def _trigger(name: str, table: str) -> tuple[str, str]:
    return f"ALTER TABLE {table} DISABLE TRIGGER {name}", f"ALTER TABLE {table} ENABLE TRIGGER {name}"


def _is_garbage(*references: str) -> str:
    conditions = " AND ".join(f"NOT EXISTS (SELECT 1 FROM {reference})" for reference in references)
    return (
        "CREATE OR REPLACE FUNCTION is_garbage(key text, job_id uuid) RETURNS boolean LANGUAGE sql STABLE AS "
        f"$$ SELECT {conditions} $$"
    )


_JOB_DATA = "fit_jobs j WHERE j.data_key = $1"
_VERSION_DATA = "versions v WHERE v.data_key = $1"
_STATE = "versions v WHERE v.state_key = $1"
_SCORES = "versions v WHERE v.scores_key = $1"
_OPEN = "fit_jobs j WHERE j.id = $2 AND j.status IN ('queued', 'running')"
_WHOLE = _is_garbage(_JOB_DATA, _VERSION_DATA, _STATE, _SCORES, _OPEN)
_NOT_FENCED = (Cut(versions, "_PUBLISH", _FENCE),)
# A succeeded job no longer holds its data key, so the statement would copy NULL.
_NOT_FENCED_NOR_HELD = (
    *_NOT_FENCED,
    Cut(
        versions,
        "_PUBLISH",
        "data_key, data_sha256, data_size, :state_key",
        "coalesce(data_key, series_id || '/' || id || '.npz'), data_sha256, data_size, :state_key",
    ),
)
_NOT_UNIQUE = (
    "ALTER TABLE versions DROP CONSTRAINT versions_job_id_key",
    "ALTER TABLE versions ADD CONSTRAINT versions_job_id_key UNIQUE (job_id)",
)
_NOT_GUARDED = (_trigger("fit_jobs_guard_update", "fit_jobs"), _trigger("versions_guard_insert", "versions"))
_LOCK = lock_series("series_id")
_IN_TIME = "ELSE locked_at < admitted_at + make_interval(secs => :window_s)"
_GRACE = "noted_at < statement_timestamp() - make_interval(secs => :grace_s)"
_IN_FLIGHT = try_series("g.series_id")
_FIRST = """AND NOT EXISTS (SELECT 1 FROM fit_jobs o
                    WHERE o.series_id = j.series_id AND o.status IN ('queued', 'running') AND o.seq < j.seq OFFSET 0)"""
_HIGHEST = "(SELECT coalesce(max(version), 0) + 1 FROM versions v WHERE v.series_id = s.series_id)"

SABOTAGES = [
    # accept
    Sabotage(
        "accept without a deadline",
        "S1",
        histories.an_api_sleeps_past_the_grace,
        (Cut(admissions, "_ACCEPT", _IN_TIME, "ELSE :window_s > 0"),),
    ),
    Sabotage(
        "accept without the lock of its series",
        "S6",
        histories.a_later_accept_overtakes_one_in_flight,
        (Cut(admissions, "_ACCEPT", _LOCK, "0 AS lock"),),
    ),
    # order
    Sabotage(
        "claim ignores the order of the series",
        "S6",
        histories.the_second_message_comes_first,
        (Cut(attempts, "_CLAIM", _FIRST),),
    ),
    # publish
    Sabotage("no fence", "S3", histories.a_suspended_worker_resumes_before_its_successor_publishes, _NOT_FENCED),
    Sabotage(
        "no fence, no unique job id, no guards",
        "S4",
        histories.a_suspended_worker_resumes_after_its_successor_has_published,
        _NOT_FENCED_NOR_HELD,
        (_NOT_UNIQUE, *_NOT_GUARDED),
    ),
    Sabotage(
        "number from max(version)",
        "S5",
        histories.the_only_version_is_deleted_before_the_next_fit,
        (Cut(versions, "_PUBLISH", "s.last_version + 1", _HIGHEST),),
    ),
    # progress
    Sabotage(
        "no reaper",
        "L1",
        histories.a_worker_dies,
        (Cut(reconciliation, "_REAP", "lease_until < clock_timestamp()", "false"),),
    ),
    Sabotage(
        "no second announcement",
        "L1",
        histories.all_messages_are_lost,
        (Cut(reconciliation, "_ANNOUNCE", "q.status = 'queued'", "false"),),
    ),
    # collector
    Sabotage(
        "collector without grace",
        "S1",
        histories.a_collection_comes_between_data_and_row,
        (Cut(garbage, "_DUE", _GRACE, ":grace_s > 0"),),
    ),
    Sabotage(
        "collector ignores accepts in flight",
        "S1",
        histories.a_collection_meets_an_accept_in_flight,
        (Cut(garbage, "_DUE", _IN_FLIGHT, "true"),),
    ),
    Sabotage(
        "collector takes data of jobs",
        "S1",
        histories.a_collection_meets_a_failed_job,
        ddl=((_is_garbage(_VERSION_DATA, _STATE, _SCORES, _OPEN), _WHOLE),),
    ),
    Sabotage(
        "collector takes data of versions",
        "S1",
        histories.a_collection_meets_a_version,
        ddl=((_is_garbage(_JOB_DATA, _STATE, _SCORES, _OPEN), _WHOLE),),
    ),
    Sabotage(
        "collector takes states of versions",
        "S1",
        histories.a_collection_meets_a_version,
        ddl=((_is_garbage(_JOB_DATA, _VERSION_DATA, _SCORES, _OPEN), _WHOLE),),
    ),
    Sabotage(
        "collector takes scores of versions",
        "S1",
        histories.a_collection_meets_a_version,
        ddl=((_is_garbage(_JOB_DATA, _VERSION_DATA, _STATE, _OPEN), _WHOLE),),
    ),
    Sabotage(
        "collector takes states of open jobs",
        "S1",
        histories.a_collection_meets_a_fit_about_to_be_published,
        ddl=((_is_garbage(_JOB_DATA, _VERSION_DATA, _STATE, _SCORES), _WHOLE),),
    ),
]
