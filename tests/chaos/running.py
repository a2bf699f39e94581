"""One run: start everything, put it under load, break it, wait until every job is final, judge."""

import math
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx

from api.cli.stack import is_ready
from shared.artifacts import Artifacts
from shared.errors import Code, UnavailableError
from tests.chaos import alertmanager, messages, pushes
from tests.chaos.evidence import gather
from tests.chaos.faults import FAULTS
from tests.chaos.field import Field
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.pauses import Pauses
from tests.chaos.plan import Options, fault_kinds, orders
from tests.chaos.predictions import Outage, unexcused
from tests.chaos.receivers import NAMES, Receivers, listening
from tests.chaos.recoveries import Recoveries
from tests.chaos.report import Report
from tests.chaos.stack import APIS, OUTBOUNDS, RECONCILERS, WORKERS, Stack, running_stack
from tests.chaos.verdicts import Violation, violations

TICK_S = 0.1
PROGRESS_EVERY_S = 5.0
READY_S = 300.0
DELIVERED_S = 90.0
SETTLED_S = 2.5  # after an API process is ready: longest backoff of its connection for latest versions
MIN_FAULTS = len(FAULTS)  # each kind once
WELL_WITHIN_S = 30.0  # after a full disk got space
DISK_BYTES = 4 * 2**30


class Run:
    """The part of a run in the main thread, the only thread that may start processes."""

    def __init__(
        self, stack: Stack, options: Options, say: Callable[[str], None], ledger: Ledger, receivers: Receivers
    ) -> None:
        self.stack = stack
        self.options = options
        self.say = say
        self.ledger = ledger
        self.receivers = receivers
        self.began = time.monotonic()
        self.recoveries = Recoveries(stack.sessions)
        self.field = Field(stack, self.recoveries, self.tick, options.busy_within_s)
        self.faults: Counter[str] = Counter()
        self.skipped = 0
        self.outages: list[Outage] = []
        self._hit_since: dict[int, float] = {}  # API processes that have not settled after a fault
        self._pauses = Pauses()
        self._probes = httpx.Client(timeout=1, trust_env=False)
        self._reported_at = 0.0

    def close(self) -> None:
        self.field.close()
        self._probes.close()
        self._pauses.close()

    def tick(self) -> None:
        """Restart dead processes, undo faults that are due, watch recoveries, and report progress."""
        self.stack.supervisor.check()
        self.field.undo_due()
        self._note_hits(time.monotonic())
        self.recoveries.look()
        self._watch_outages()
        if time.monotonic() - self._reported_at > PROGRESS_EVERY_S:
            self._reported_at = time.monotonic()
            promises, still_open = len(self.ledger.promises), len(self.ledger.open_jobs())
            self.say(
                f"{time.monotonic() - self.began:4.0f} s: {promises} accepted, {still_open} open, "
                f"{self.ledger.predictions} predictions, {self.faults.total()} faults"
            )

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Tick until the condition holds; return False if it does not hold in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.tick()
            time.sleep(TICK_S)
        return True

    def start(self) -> None:
        """Wait until every process is ready."""
        if not self.until(lambda: all(map(is_ready, self.stack.addresses)), READY_S):
            raise UnavailableError(
                Code.START_FAILED, f"The API is not ready. {self.stack.services['api-1'].log_tail()}"
            )
        logs = [self.stack.services[name].log for name in WORKERS]
        if not self.until(lambda: all(b" ready." in log.read_bytes() for log in logs), READY_S):
            raise UnavailableError(Code.START_FAILED, f"A worker is not ready. {logs[0].read_text()[-2000:]}")
        self.receivers.register(self.stack.addresses[0])

    def break_things(self, load: Load) -> None:
        """Cause a fault after every gap, until the load is finished and enough faults have happened."""
        min_faults = len(self.options.faults) or MIN_FAULTS
        for kind, gap_s, rng in fault_kinds(self.options, list(FAULTS)):
            self._pause(gap_s)
            if load.finished and self.faults.total() >= min_faults:
                return
            if self.options.faults and self.faults.total() + self.skipped >= min_faults:
                self.until(lambda: load.finished, self.options.drain_s)
                return
            self._fault(kind, rng)

    def drain(self, load: Load) -> bool:
        """Wait until every fault is undone and every job is final; return False if no more jobs become final."""
        self.until(lambda: not self.field.undos, READY_S)
        open_before = -1
        while (open_now := len(self.ledger.open_jobs())) != open_before:
            open_before = open_now
            if self.until(lambda: load.finished and not self.ledger.open_jobs(), self.options.drain_s):
                return True
        return False

    def deliver(self) -> None:
        """Wait until the receivers have everything, and stop the product; outbound last, so that it sends the rest."""
        self.until(lambda: all(map(is_ready, self.stack.addresses)), READY_S)
        self.receivers.wake(self.stack.addresses[0])
        self.until(self._is_delivered, DELIVERED_S)
        self.stack.stop(*RECONCILERS, "flower", *WORKERS, *APIS)
        deadline = time.monotonic() + DELIVERED_S
        while not self._is_delivered() and time.monotonic() < deadline:
            time.sleep(TICK_S)
        self.stack.stop(*OUTBOUNDS)

    def _is_delivered(self) -> bool:
        try:
            return not self.receivers.webhooks or not messages.waiting(self.stack.sessions)
        except UnavailableError:
            return False

    def judge(self, load: Load) -> Report:
        """Compare the rows and artifacts of the stopped product with its promises."""
        self.say("collecting garbage, verifying")
        orders_by_job = {
            job_id: promise.order for job_id, promise in self.ledger.promises.items()
        } | self.ledger.unsettled
        evidence = gather(self.stack.sessions, Artifacts.of(self.stack.settings), orders_by_job, self.say)
        refusals = load.predictions.refusals
        self.outages += [Outage(since, math.inf, place) for place, since in self._hit_since.items()]  # still going on
        broken_promises = violations(self.ledger, evidence)
        slow = [wait for wait in load.predictions.slow if not self._pauses.overlap(wait.sent_at, wait.answered_at)]
        broken_promises += [Violation("predict", sentence) for sentence in unexcused(refusals + slow, self.outages)]
        broken_promises += [Violation("storm", sentence) for sentence in self.field.storms]
        pushed = pushes.gather(self.stack.sessions, load.pushes.prefix)
        broken_promises += pushes.violations(load.pushes.sent, load.pushes.alerts, load.pushes.spikes, pushed)
        reported = messages.gather(self.stack.sessions, self.receivers.webhooks, self.stack.home / "logs")
        broken_promises += messages.violations(reported, self.receivers.secrets)
        if self.receivers.webhooks:
            stored = alertmanager.gather(self.stack.sessions)
            broken_promises += alertmanager.violations(self.receivers.alertmanager, stored)
        return Report(
            options=self.options,
            ledger=self.ledger,
            faults=self.faults,
            skipped=self.skipped,
            recoveries=self.recoveries,
            evidence=evidence,
            pushed=pushed,
            reported=reported,
            states=self.receivers.alertmanager.summary,
            violations=broken_promises,
            refused_predictions=len(refusals),
            slow_predictions=len(load.predictions.slow),
            paused_predictions=len(load.predictions.slow) - len(slow),
            seconds=time.monotonic() - self.began,
            logs=self.stack.home / "logs",
        )

    def _pause(self, seconds: float) -> None:
        """Tick for this many seconds."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, seconds + 1)

    def _fault(self, kind: str, rng: random.Random) -> None:
        began = time.monotonic()
        target = FAULTS[kind](self.field, rng)
        if not target:
            self.skipped += 1
            return
        self.faults[kind] += 1
        self.say(f"{time.monotonic() - self.began:4.0f} s: {kind} {target}")
        self._note_hits(began)

    def _note_hits(self, since: float) -> None:
        for api in self.field.hit_apis:
            for place in range(len(APIS)) if api is None else [api]:
                self._hit_since.setdefault(place, since)
        self.field.hit_apis.clear()

    def _watch_outages(self) -> None:
        for place, since in list(self._hit_since.items()):
            if time.monotonic() - since > 1.0 and self._status(place) in ("ready", "degraded"):
                self.outages.append(Outage(since, time.monotonic() + SETTLED_S, place))
                del self._hit_since[place]
        if self.field.freed_at is not None:
            self._watch_freed_disk(time.monotonic() - self.field.freed_at)

    def _watch_freed_disk(self, seconds: float) -> None:
        """Check that everything works within `WELL_WITHIN_S`, unless another fault or stopped workers prevent it."""
        if all(self._status(place) == "ready" for place in range(len(APIS))):
            self.say(
                f"{time.monotonic() - self.began:4.0f} s: everything works {seconds:.1f} s after the disk got space"
            )
            self.recoveries.disks["fill_disk"].append(seconds)
            self.field.freed_at = None
        elif self.field.undos or self.field.stopped:
            self.field.freed_at = time.monotonic()
        elif seconds > WELL_WITHIN_S:
            self.ledger.complain(f"not everything worked {WELL_WITHIN_S:g} s after the full disk got space")
            self.field.freed_at = None

    def _status(self, place: int) -> str:
        try:
            return str(self._probes.get(f"{self.stack.addresses[place]}/readyz").json()["status"])
        except (httpx.HTTPError, ValueError):
            return "unavailable"


def run(options: Options, say: Callable[[str], None], home: Path, ending: Callable[[], None]) -> Report:
    """Run in this folder, and call `ending` before the processes stop. Must be called in the main thread."""
    with ExitStack() as cleanup:
        say(f"seed {options.seed}: starting PostgreSQL, Valkey, and two each of API, worker, reconciler and outbound")
        ledger = Ledger()
        receivers = cleanup.enter_context(listening(ledger, NAMES if options.pushers else ()))
        stack = cleanup.enter_context(running_stack(home, options, say))
        chaos_run = cleanup.enter_context(closing(Run(stack, options, say, ledger, receivers)))
        cleanup.callback(ending)
        chaos_run.start()
        with Load(stack.addresses, orders(options), ledger, options.seed, options.pushers) as load:
            chaos_run.break_things(load)
            say("no more faults; waiting until every job has ended")
            if not chaos_run.drain(load):
                say("some jobs have not ended in time")
        say("delivering messages, stopping the programs")
        chaos_run.deliver()
        return chaos_run.judge(load)


@contextmanager
def new_home() -> Iterator[Path]:
    """Create a temporary home, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tsad-chaos-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        cleanup.enter_context(_own_disk(folder))
        folder.chmod(0o711)  # as root, the embedded servers run as another user
        yield folder / "home"


@contextmanager
def _own_disk(folder: Path) -> Iterator[None]:
    """Mount a file system of `DISK_BYTES`, in a sparse file, if this user may; without it, no fault fills the disk."""
    image = folder.with_name(f"{folder.name}.img")
    with image.open("xb") as file:
        file.truncate(DISK_BYTES)
    mount = f"mkfs.ext4 -q -m 0 {image} && mount -o loop {image} {folder}"
    mounted = subprocess.run(["/bin/sh", "-c", mount], check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=False)
        image.unlink()


def keep_logs(report: Report) -> None:
    """Copy the logs, because the folder of the run is about to be removed."""
    folder = Path(report.options.logs or tempfile.mkdtemp(prefix=f"tsad-chaos-{report.options.seed}-"))
    folder.mkdir(parents=True, exist_ok=True)
    for log in report.logs.glob("*.log"):
        shutil.copy2(log, folder)
    report.logs = folder
