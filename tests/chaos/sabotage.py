"""The product with a safeguard taken out, from outside: what the verification has to notice."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from shared.store import versions

_FENCED = " AND attempt = :attempt AND status = 'running'"


@dataclass(frozen=True)
class Sabotage:
    """What is different in each process, and in the database."""

    patch: Callable[[], None] = lambda: None
    statements: tuple[str, ...] = ()
    reconciler: bool = True

    def apply(self, session: Session) -> None:
        """Take the safeguards out of the database."""
        for statement in self.statements:
            session.execute(text(statement))


def unfence() -> None:
    """Let every attempt publish, whether the job is still its own or not, and hear nothing of having lost it."""
    from worker.leasing import Lease  # noqa: PLC0415 - only processes with this sabotage need it

    def check(self: Lease) -> None:
        """Never raise."""

    Lease.check = check  # type: ignore[method-assign]
    for name in ("_FENCE", "_SUCCESS"):
        statement: TextClause = getattr(versions, name)
        assert _FENCED in statement.text
        setattr(versions, name, text(statement.text.replace(_FENCED, "")))
    inserted = versions._VERSION.text  # noqa: SLF001
    assert _FENCED in inserted
    unfenced = inserted.replace("SELECT series_id, :version, id, attempt", "SELECT series_id, :version, id, :attempt")
    # After another attempt's publication only the version knows the data.
    taken_over = "(SELECT v.data_key FROM versions v WHERE v.job_id = fit_jobs.id LIMIT 1)"
    unfenced = unfenced.replace("       data_key,", f"       coalesce(data_key, {taken_over}),")
    versions._VERSION = text(unfenced.replace(_FENCED, ""))  # noqa: SLF001


NO_GUARD = "ALTER TABLE fit_jobs DISABLE TRIGGER fit_jobs_guard_update"
NOT_UNIQUE = "ALTER TABLE versions DROP CONSTRAINT versions_job_id_key"

BY_NAME = {
    "fencing": Sabotage(unfence, (NO_GUARD,)),
    "unique": Sabotage(unfence, (NO_GUARD, NOT_UNIQUE)),  # the last of the safeguards that each suffice alone
    "reconciler": Sabotage(reconciler=False),
}
