"""Invariants that hold after every step, read from the tables and the folder and compared with earlier rows."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text

from shared.artifacts import state_key
from shared.domain.versions import Artifact
from shared.errors import DamagedError
from shared.store import versions
from tests.protocol.world import World

FINAL = ("succeeded", "failed", "cancelled")

_JOBS = text("""
SELECT CAST(id AS text) AS id, seq, series_id, status, attempt, version, data_key, data_sha256, data_size,
       CAST(retry_of AS text) AS retry_of FROM fit_jobs ORDER BY seq
""")
_VERSIONS = text("""
SELECT series_id, version, CAST(job_id AS text) AS job_id, attempt, data_key, data_sha256, data_size,
       state_key, state_sha256, state_size, scores_key, scores_sha256, scores_size
  FROM versions ORDER BY series_id, version
""")
_SERIES = text("SELECT series_id, last_version, pinned_version FROM series")


class ViolationError(AssertionError):
    """A broken invariant."""


def violated(rule: str, detail: str) -> ViolationError:
    return ViolationError(f"{rule} {detail}")


@dataclass
class History:
    """All jobs and versions ever observed."""

    world: World
    jobs: dict[str, Row[Any]] = field(default_factory=dict)  # as last seen
    versions: dict[tuple[str, int], Row[Any]] = field(default_factory=dict)
    now: dict[str, Row[Any]] = field(default_factory=dict)  # those that have a row now
    versions_now: dict[tuple[str, int], Row[Any]] = field(default_factory=dict)
    pins: dict[str, int] = field(default_factory=dict)

    def observe(self) -> None:
        """Check every invariant; raise `ViolationError` for a broken one."""
        with self.world.transaction() as session:
            self.now = {row.id: row for row in session.execute(_JOBS)}
            self.versions_now = {(row.series_id, row.version): row for row in session.execute(_VERSIONS)}
            series = list(session.execute(_SERIES))
        last_versions = {row.series_id: row.last_version for row in series}
        self.pins = {row.series_id: row.pinned_version for row in series if row.pinned_version}
        self._check_finality()
        self.jobs.update(self.now)
        self._check_versions_stay()
        self.versions.update(self.versions_now)
        self._check_numbers(last_versions)
        self._check_success()
        self._check_order()
        self._check_series_order()
        self._check_artifacts()
        self._check_promises()
        self._check_latest()

    def referenced(self) -> set[str]:
        """Keys that rows refer to."""
        data = {job.data_key for job in self.now.values() if job.data_key}
        return data | {
            key for row in self.versions_now.values() for key in (row.data_key, row.state_key, row.scores_key)
        }

    def retryable(self) -> list[str]:
        """Final jobs whose data is kept."""
        return [job.id for job in self.now.values() if job.status in FINAL and job.data_key]

    def stored(self) -> set[str]:
        """Keys in the folder."""
        return {
            key.name
            for folder in (self.world.artifacts.data, self.world.artifacts.states)
            for key in folder.keys()  # noqa: SIM118 - not a dictionary
        }

    def _check_artifacts(self) -> None:
        for job in self.now.values():
            if job.data_key:
                self._check_artifact(job, "data", f"{job.status} job {job.id}")
        for row in self.versions_now.values():
            for kind in ("data", "state", "scores"):
                self._check_artifact(row, kind, f"version {row.version} of {row.series_id}")

    def _check_artifact(self, row: Row[Any], kind: str, owner: str) -> None:
        columns = row._asdict()
        artifact = Artifact(columns[f"{kind}_key"], bytes(columns[f"{kind}_sha256"]), columns[f"{kind}_size"])
        try:
            (self.world.artifacts.data if kind == "data" else self.world.artifacts.states).get(artifact)
        except DamagedError as error:
            raise violated("S1", f"{owner}, its {kind}: {error.detail}") from error

    def _check_success(self) -> None:
        version_counts = Counter(row.job_id for row in self.versions.values())
        if repeated := [job_id for job_id, times in version_counts.items() if times > 1]:
            raise violated("S2", f"job {repeated[0]} made {version_counts[repeated[0]]} versions")
        for job in self.jobs.values():
            if (job.status == "succeeded") != (version_counts[job.id] == 1):
                raise violated("S3", f"{job.status} job {job.id} made {version_counts[job.id]} versions")
        for row in self.versions.values():
            job = self.jobs[row.job_id]
            if job.version != row.version or job.attempt != row.attempt:
                raise violated("S3", f"version {row.version} of {row.series_id} does not match its job")
            expected_key = state_key(row.series_id, row.job_id, row.attempt, ".json")
            if row.state_key != expected_key or bytes(row.data_sha256) != bytes(job.data_sha256):
                raise violated("S3", f"version {row.version} of {row.series_id} is another attempt's work")

    def _check_finality(self) -> None:
        for job_id, earlier in self.jobs.items():
            row = self.now.get(job_id)
            if earlier.status in FINAL and row and (row.status, row.version) != (earlier.status, earlier.version):
                now = f"{row.status}, version {row.version}"
                raise violated("S4", f"{earlier.status} job {job_id}, version {earlier.version}, became {now}")
            if earlier.status not in FINAL and not row:
                raise violated("S4", f"{earlier.status} job {job_id} no longer has a row")

    def _check_versions_stay(self) -> None:
        for number, row in self.versions_now.items():
            if self.versions.get(number, row) != row:
                raise violated("S5", f"number {number[1]} of {number[0]} was assigned twice")
            if number in self.world.deleted:
                raise violated("S5", f"deleted version {number[1]} of {number[0]} is back")
        if lost := self.versions.keys() - self.versions_now.keys() - self.world.deleted:
            raise violated("S5", f"versions {sorted(lost)} are missing but were not deleted")

    def _check_numbers(self, last_versions: dict[str, int]) -> None:
        by_series: dict[str, list[int]] = {}
        for series_id, number in sorted(self.versions):
            by_series.setdefault(series_id, []).append(number)
        for series_id, numbers in by_series.items():
            if numbers != list(range(1, last_versions.get(series_id, 0) + 1)):
                raise violated(
                    "S5", f"{series_id} assigned {numbers}, but its last version is {last_versions.get(series_id)}"
                )
        if unknown := last_versions.keys() - by_series.keys():
            raise violated("S5", f"{sorted(unknown)} have a last version but never had versions")

    def _check_order(self) -> None:
        last: dict[str, int] = {}
        for series_id, number in sorted(self.versions):
            seq = self.jobs[self.versions[series_id, number].job_id].seq
            if seq < last.get(series_id, 0):
                raise violated("S6", f"version {number} of {series_id} was accepted before the one below it")
            last[series_id] = seq

    def _check_series_order(self) -> None:
        waiting: set[str] = set()
        for job in self.now.values():  # by seq
            if job.status == "running" and job.series_id in waiting:
                raise violated("S6", f"job {job.id} runs before an earlier one of {job.series_id}")
            if job.status in ("queued", "running"):
                waiting.add(job.series_id)

    def _check_promises(self) -> None:
        if lost := self.world.promised - self.jobs.keys():
            raise violated("L1", f"jobs {sorted(lost)} were accepted but have no row")

    def _check_latest(self) -> None:
        """Check that the latest version is the pinned one, else the highest that exists."""
        highest = dict(sorted(self.versions_now))
        with self.world.transaction() as session:
            for series_id in {series_id for series_id, _ in self.versions}:
                latest = versions.find(session, series_id, None)
                expected = self.pins.get(series_id, highest.get(series_id))
                if (latest and latest.version) != expected:
                    raise violated("P2", f"latest of {series_id} is not {expected}")
        if dangling := set(self.pins.items()) - self.versions_now.keys():
            raise violated("P1", f"pinned versions do not exist: {sorted(dangling)}")
