"""The report of a run."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.domain.jobs import SCHEDULER
from tests.chaos.evidence import Evidence
from tests.chaos.ledger import Ledger
from tests.chaos.messages import Reported
from tests.chaos.plan import Options
from tests.chaos.pushes import Pushed
from tests.chaos.recoveries import Recoveries
from tests.chaos.verdicts import Violation

MAX_SHOWN = 10  # violations of each kind


@dataclass
class Report:
    """The results of a run."""

    options: Options
    ledger: Ledger
    faults: Counter[str]
    skipped: int
    recoveries: Recoveries
    evidence: Evidence
    pushed: Pushed
    reported: Reported
    states: str  # sent to an Alertmanager
    violations: list[Violation]
    refused_predictions: int
    slow_predictions: int  # that took longer than a second
    paused_predictions: int  # of these, those during which the machine paused
    seconds: float
    logs: Path

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations

    def text(self) -> str:
        """Return the report as text for people."""
        promised = self.ledger.promises
        by_status = Counter(self.evidence.jobs[job_id].status for job_id in promised if job_id in self.evidence.jobs)
        automatic = sum(row.owner == SCHEDULER for row in self.evidence.jobs.values())
        unreported = len(self.evidence.jobs.keys() - promised.keys()) - automatic
        kinds = Counter(violation.kind for violation in self.violations)
        settings = ", ".join(f"{name}={value}" for name, value in self.options.settings.items())
        other_violations = len(self.violations) - kinds["lost"] - kinds["duplicated"]
        failed = f"failed as intended {by_status['failed'] - kinds['failed']}, otherwise {kinds['failed']}"
        succeeded, cancelled = by_status["succeeded"], by_status["cancelled"]
        fault_counts = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        lines = [
            f"seed {self.options.seed}, {self.seconds:.0f} s, settings other than defaults: {settings}",
            f"jobs accepted {len(promised)}: succeeded {succeeded}, cancelled {cancelled}, {failed}",
            f"lost {kinds['lost']}, duplicated {kinds['duplicated']}, other violations {other_violations}",
            f"additional jobs, from requests whose answers were lost: {unreported}; automatic fits: {automatic}",
            f"invalid requests rejected: {self.ledger.invalid_rejected}",
            f"predictions answered {self.ledger.predictions}, refused {self.refused_predictions}",
            f"predictions later than 1 s {self.slow_predictions}, while the machine paused {self.paused_predictions}",
            _pushed(self.pushed),
            self.reported.summary,
            self.states,
            f"unreferenced artifacts collected at the end: {self.evidence.collected}",
            f"faults {self.faults.total()}: {fault_counts} (skipped without a target: {self.skipped})",
            *_times("full disks: seconds from the first free byte until everything worked", self.recoveries.disks),
            *_times("jobs that lost their worker: seconds until they ran again", self.recoveries.rerun),
            *_times("jobs that lost their worker: seconds until they succeeded", self.recoveries.succeeded),
            *_times("lost queues: seconds until a job was claimed", self.recoveries.queues),
        ]
        shown = Counter[str]()
        for violation in self.violations:
            shown[violation.kind] += 1
            if shown[violation.kind] > MAX_SHOWN:
                continue
            lines.append(f"VIOLATION ({violation.kind}): {violation.sentence}")
            if violation.job_id in self.evidence.jobs:
                lines.append(f"    {self.evidence.jobs[violation.job_id].summary}")
        for kind, count in shown.items():
            if count > MAX_SHOWN:
                lines.append(f"… and {count - MAX_SHOWN} more violations ({kind})")
        if self.violations:
            lines.append(f"The logs are in {', '.join(map(str, sorted(self.logs.glob('*.log'))))}")
        return "\n".join([*lines, "PASSED" if self.passed else "FAILED"])


def _pushed(pushed: Pushed) -> str:
    points = [point for stream in pushed.points.values() for point in stream.values()]
    judged = sum(score is not None for _, score, _ in points)
    versions = sum(
        len({version for _, score, version in stream.values() if score is not None})
        for stream in pushed.points.values()
    )
    return f"points pushed {len(points)}, judged {judged} by {versions} versions; alerts {len(pushed.alerts)}"


def _times(title: str, by_kind: Mapping[str, list[float]]) -> list[str]:
    """Return a line for each kind of fault: count, p50 and maximum."""
    lines = []
    for kind, seconds in sorted(by_kind.items()):
        in_order = sorted(seconds)
        p50 = in_order[(len(in_order) - 1) // 2]
        lines.append(f"    {kind}: {len(in_order)}, p50 {p50:.1f} s, max {in_order[-1]:.1f} s")
    return [f"{title}:", *lines] if lines else []
