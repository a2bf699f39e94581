"""The contents of the database and the store after a run, as plain values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.domain import held_out
from shared.domain.detectors import named
from shared.domain.detectors.parameters import complete
from shared.domain.detectors.states import Fitted, encode
from shared.domain.series import Series
from shared.domain.training_scores import TrainingScores
from shared.domain.versions import Artifact
from shared.errors import TsadError
from shared.store.engine import Sessions
from tests.chaos.plan import Order
from tests.stores import names
from worker import collecting

PROGRESS_EVERY = 500  # versions

_JOBS = text("""
SELECT CAST(id AS text) AS job_id, seq, series_id, status, version, attempt, crashes, releases, points, request_id,
       CAST(retry_of AS text) AS retry_of, api_key_id AS owner, worker, error_code, data_key, created_at, finished_at
  FROM fit_jobs ORDER BY seq
""")
_VERSIONS = text("""
SELECT series_id, version, CAST(job_id AS text) AS job_id, attempt, data_key, data_sha256, data_size,
       state_key, state_sha256, state_size, scores_key, scores_sha256, scores_size
  FROM versions ORDER BY series_id, version
""")
_SERIES = text("SELECT series_id, last_version FROM series")


@dataclass(frozen=True, slots=True)
class JobRow:
    """The columns of a job's row that verdicts need."""

    job_id: str
    seq: int
    series_id: str
    status: str
    version: int | None = None
    attempt: int = 1
    request_id: str = ""
    retry_of: str | None = None
    error_code: str | None = None
    data_key: str | None = None
    owner: str | None = None
    summary: str = ""  # the whole row as text, for the report


@dataclass(frozen=True, slots=True)
class VersionRow:
    series_id: str
    version: int
    job_id: str
    attempt: int = 1
    keys: tuple[str, ...] = ()  # of the three artifacts


@dataclass
class Evidence:
    """All rows, all files, and the flaws in artifacts, by job."""

    jobs: dict[str, JobRow] = field(default_factory=dict)
    versions: list[VersionRow] = field(default_factory=list)
    last_versions: dict[str, int] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)  # after garbage collection: artifacts by key, other files by path
    collected: int = 0
    flaws: list[tuple[str, str]] = field(default_factory=list)  # job id and description


def gather(
    sessions: Sessions, artifacts: Artifacts, orders: Mapping[str, Order], say: Callable[[str], None]
) -> Evidence:
    """Collect garbage without a grace period, then read everything. `orders` maps job ids and request ids to orders."""
    evidence = Evidence(collected=collecting.collect(sessions, artifacts, 0.0))
    with sessions.begin() as session:
        for row in session.execute(_JOBS):
            columns = row._asdict()
            summary = ", ".join(f"{name}={value}" for name, value in columns.items() if value is not None)
            chosen = {name: columns[name] for name in JobRow.__dataclass_fields__ if name != "summary"}
            evidence.jobs[row.job_id] = JobRow(**chosen, summary=summary)
        rows = list(session.execute(_VERSIONS))
        evidence.last_versions = {row.series_id: row.last_version for row in session.execute(_SERIES)}
    for number, row in enumerate(rows):
        if number % PROGRESS_EVERY == PROGRESS_EVERY - 1:
            say(f"{number + 1} of {len(rows)} versions verified")
        row_artifacts = {
            name: Artifact(
                getattr(row, f"{name}_key"), bytes(getattr(row, f"{name}_sha256")), getattr(row, f"{name}_size")
            )
            for name in ("data", "state", "scores")
        }
        keys = tuple(artifact.key for artifact in row_artifacts.values())
        evidence.versions.append(VersionRow(row.series_id, row.version, row.job_id, row.attempt, keys))
        order = orders.get(row.job_id) or orders.get(evidence.jobs[row.job_id].request_id)
        if order is not None:
            evidence.flaws += [(row.job_id, flaw) for flaw in flaws(artifacts, order, **row_artifacts)]
    evidence.files = names(artifacts.data) | names(artifacts.states)
    return evidence


def flaws(artifacts: Artifacts, order: Order, data: Artifact, state: Artifact, scores: Artifact) -> list[str]:
    """Compare the artifacts of a version with a fresh fit of the client's data; return their flaws."""
    series = order.series()
    detector = named("baseline")
    fitted = Fitted(detector, detector.fit(series, complete(detector.parameters, order.parameters), lambda _: None))
    fresh = TrainingScores.of(held_out.by_folds(fitted, series, order.parameters, lambda: None))
    flaws_found = []
    try:
        if not _same(Series.decode(artifacts.data.get(data)), series):
            flaws_found.append(f"{data.key} is not the data that the client sent")
        if artifacts.states.get(state) != encode(fitted)[0]:
            flaws_found.append(f"{state.key} differs from the state of a fresh fit")
        if not _same(TrainingScores.decode(artifacts.states.get(scores)), fresh):
            flaws_found.append(f"{scores.key} differs from the scores of a fresh fit")
    except TsadError as error:
        flaws_found.append(f"an artifact of {data.key} is damaged: {error.detail}")
    return flaws_found


def _same(first: object, second: object) -> bool:
    """Check whether two dataclasses hold equal arrays."""
    names = type(first).__dataclass_fields__  # type: ignore[attr-defined]
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)
