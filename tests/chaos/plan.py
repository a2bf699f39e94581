"""The plan of a run, derived from its seed: which fits clients submit, when, and what they do with the jobs."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any

import numpy as np

from shared.domain.series import Series

POISON_POINTS = 666  # fits of this many points kill their process
HOPELESS_POINTS = 667  # fits of this many points raise
SLOW_POINTS = range(1_000, 6_000)  # fits of this many points take a second per thousand points
FIRST_TIMESTAMP = 1_700_000_000
LINES_OF_A_BULK = 6
OUTBOUND_LEASE_S = 20.0  # of a receiver; longer than a request takes


class Ending(StrEnum):
    """The required outcome of a job that nobody cancels."""

    SUCCEEDED = "succeeded"
    FIT_FAILED = "fit_failed"
    WORKER_LOST = "worker_lost"


class Way(StrEnum):
    """How a client submits a fit."""

    PLAIN = "plain"
    KEYED = "with an idempotency key"
    REPEATED = "twice with one idempotency key"
    BULK = "as a line of a bulk request"
    INVALID = "with an invalid body"


ACCEPTED_WAYS = (Way.PLAIN, Way.KEYED, Way.REPEATED, Way.BULK)


class Afterwards(StrEnum):
    """What the client does with its job."""

    NOTHING = "nothing"
    CANCEL = "cancel"
    CANCEL_AND_RETRY = "cancel, then retry"
    RETRY = "retry after a failure"
    DELETE_OLDER = "delete the previous version after success"


@dataclass(frozen=True, slots=True)
class Order:
    """A fit that a client submits."""

    number: int
    due_s: float  # seconds since the start of the load
    series_id: str
    points: int
    seed: int
    threshold: float
    way: Way = Way.PLAIN
    afterwards: Afterwards = Afterwards.NOTHING
    after_s: float = 0.0

    @property
    def ending(self) -> Ending:
        """The outcome that the number of points causes."""
        return {POISON_POINTS: Ending.WORKER_LOST, HOPELESS_POINTS: Ending.FIT_FAILED}.get(
            self.points, Ending.SUCCEEDED
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the fit."""
        return {"threshold": self.threshold}

    def series(self) -> Series:
        """Return the client's data, the same at every call."""
        rng = np.random.default_rng(self.seed)
        stamps = FIRST_TIMESTAMP + np.cumsum(rng.integers(1, 100, self.points))
        return Series(stamps.astype(np.int64), rng.normal(rng.uniform(-100, 100), rng.uniform(0.1, 10), self.points))

    def body(self) -> dict[str, Any]:
        """Return the body of the request; an invalid one repeats a timestamp."""
        series = self.series()
        stamps = series.timestamps.tolist()
        if self.way is Way.INVALID:
            stamps[1] = stamps[0]
        return {"timestamps": stamps, "values": series.values.tolist(), "parameters": self.parameters}


@dataclass(frozen=True)
class Options:
    """The command-line options of a run."""

    seed: int = 1
    jobs: int = 300
    quick: bool = False
    faults: tuple[str, ...] = ()  # only these, in order; empty: shuffled decks of all kinds
    sabotage: tuple[str, ...] = ()
    logs: str | None = None
    store: str = "folder"  # or s3
    pushers: int = 3  # clients that push points

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings that differ from the product's defaults."""
        # Short enough for the collector to work during the load; it must exceed the accept window of 60 s.
        collecting = {"GARBAGE_GRACE_S": "90"}
        return collecting | ({"LEASE_S": "3", "HEARTBEAT_S": "0.5", "RECONCILE_S": "0.5"} if self.quick else {})

    @property
    def lease_s(self) -> float:
        return float(self.settings.get("LEASE_S", "20"))

    @property
    def load_s(self) -> float:
        """Seconds during which clients submit fits."""
        return max(5.0 if self.quick else 70.0, self.jobs / 6.5)

    @property
    def gap_s(self) -> tuple[float, float]:
        """Minimum and maximum seconds between two faults."""
        return (1.0, 2.0) if self.quick else (2.5, 5.0)

    @property
    def busy_within_s(self) -> float:
        """Seconds for which a fault waits for a worker whose fit is under way. Chosen faults have to hit one."""
        return 30.0 if self.faults else 6.0

    @property
    def drain_s(self) -> float:
        """Seconds without a finished job, after the last fault, until the open jobs count as lost."""
        return 4 * self.lease_s if self.quick else 150.0


def seeded(purpose: str) -> random.Random:
    """Return a source of random choices that are the same in every run."""
    return random.Random(purpose)  # noqa: S311 - it must be predictable


def orders(options: Options) -> list[Order]:
    """Return the fits of a run by time: some come in bursts; a few series are hot, many are rarely fitted."""
    rng = seeded(f"orders {options.seed}")
    ids = [f"s{options.seed}-{place}" for place in range(max(8, options.jobs // 12))]
    weights = list(accumulate((place + 1) ** -0.8 for place in range(len(ids))))
    # Early, because a poison job fails only after three leases.
    poisons = 0 if options.quick else 1 + options.jobs // 1000
    poisoned = {rng.randrange(options.jobs // 5) for _ in range(poisons)}
    planned: list[Order] = []
    for number, due_s in enumerate(_times(rng, options)):
        (series_id,) = rng.choices(ids, cum_weights=weights)
        points = _points(rng, quick=options.quick)
        if number in poisoned:
            series_id, points = f"s{options.seed}-poison-{number}", POISON_POINTS
        way = rng.choices(list(ACCEPTED_WAYS), (62, 12, 6, 20))[0] if points < 10_000 else Way.PLAIN
        afterwards, after_s = _afterwards(rng, points)
        threshold = round(rng.uniform(1, 5), 3)
        seed = rng.getrandbits(32)
        planned.append(Order(number, due_s, series_id, points, seed, threshold, way, afterwards, after_s))
        if rng.random() < 0.03:
            planned.append(Order(-number, due_s, series_id, 10, seed, threshold, Way.INVALID))
    return planned


def fault_kinds(options: Options, kinds: list[str]) -> Iterator[tuple[str, float, random.Random]]:
    """Yield faults with the gap before each and its source of randomness. Each deck has every kind once."""
    rng = seeded(f"faults {options.seed}")
    while True:
        deck = list(options.faults) or rng.sample(kinds, len(kinds))
        for kind in deck:
            yield kind, rng.uniform(*options.gap_s), seeded(str(rng.getrandbits(64)))


def _times(rng: random.Random, options: Options) -> list[float]:
    """Return the times of the fits. A third come in bursts, as from a cron job."""
    times: list[float] = []
    while len(times) < options.jobs:
        at = rng.uniform(0, options.load_s)
        size = rng.randint(8, 16) if rng.random() < 0.04 else 1
        times += [at + 0.01 * place for place in range(size)]
    return sorted(times[: options.jobs])


def _points(rng: random.Random, *, quick: bool) -> int:
    roll, slow = rng.random(), 0.4 if quick else 0.1
    if roll < 0.015:
        return HOPELESS_POINTS
    if roll < 0.015 + slow:
        return rng.randrange(3_000 if quick else SLOW_POINTS.start, SLOW_POINTS.stop)
    if roll < 0.035 + slow:
        return rng.randint(20_000, 60_000)
    return rng.randint(3, 400)


def _afterwards(rng: random.Random, points: int) -> tuple[Afterwards, float]:
    if points == POISON_POINTS:
        return Afterwards.NOTHING, 0.0
    if points == HOPELESS_POINTS:
        return rng.choice((Afterwards.RETRY, Afterwards.NOTHING)), 0.0
    share = 0.15 if points in SLOW_POINTS else 0.03  # slow fits are canceled while they run
    if rng.random() < share:
        return rng.choice((Afterwards.CANCEL, Afterwards.CANCEL_AND_RETRY)), rng.uniform(0, 2.5)
    return (Afterwards.DELETE_OLDER if rng.random() < 0.04 else Afterwards.NOTHING), 0.0
