"""What a run does, all of it drawn from its seed: which fits are asked for, when, and what becomes of them."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any

import numpy as np

from shared.domain.series import Series

POISON_POINTS, HOPELESS_POINTS = 666, 667  # fits of that many points kill their process, or raise
SLOW_POINTS = range(1_000, 6_000)  # fits of that many points take a second for each thousand
FIRST_TIMESTAMP = 1_700_000_000
LINES_OF_A_BULK = 6


class Ending(StrEnum):
    """What must become of a job that nobody cancels."""

    SUCCEEDED = "succeeded"
    FIT_FAILED = "fit_failed"
    WORKER_LOST = "worker_lost"


class Way(StrEnum):
    """How a fit is asked for."""

    PLAIN = "plain"
    KEYED = "with an idempotency key"
    REPEATED = "twice with one idempotency key"
    BULK = "as a line of many"
    WRONG = "with a body that breaks a rule"


ACCEPTED_WAYS = (Way.PLAIN, Way.KEYED, Way.REPEATED, Way.BULK)


class Afterwards(StrEnum):
    """What the client does with its job."""

    NOTHING = "nothing"
    CANCEL = "cancel"
    CANCEL_AND_RETRY = "cancel, then retry"
    RETRY = "retry once it has failed"
    DELETE_OLDER = "delete the version before, once it has succeeded"


@dataclass(frozen=True, slots=True)
class Order:
    """One fit that a client wants."""

    number: int
    due_s: float  # since the load began
    series_id: str
    points: int
    seed: int
    threshold: float
    way: Way = Way.PLAIN
    afterwards: Afterwards = Afterwards.NOTHING
    after_s: float = 0.0

    @property
    def ending(self) -> Ending:
        """What its points lead to."""
        return {POISON_POINTS: Ending.WORKER_LOST, HOPELESS_POINTS: Ending.FIT_FAILED}.get(
            self.points, Ending.SUCCEEDED
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """What the fit is asked to use."""
        return {"threshold": self.threshold}

    def series(self) -> Series:
        """The client's data, the same at every call."""
        rng = np.random.default_rng(self.seed)
        stamps = FIRST_TIMESTAMP + np.cumsum(rng.integers(1, 100, self.points))
        return Series(stamps.astype(np.int64), rng.normal(rng.uniform(-100, 100), rng.uniform(0.1, 10), self.points))

    def body(self) -> dict[str, Any]:
        """The request; one that breaks a rule has a timestamp twice."""
        series = self.series()
        stamps = series.timestamps.tolist()
        if self.way is Way.WRONG:
            stamps[1] = stamps[0]
        return {"timestamps": stamps, "values": series.values.tolist(), "parameters": self.parameters}


@dataclass(frozen=True)
class Options:
    """A run as its command line describes it."""

    seed: int = 1
    jobs: int = 300
    quick: bool = False
    faults: tuple[str, ...] = ()  # these, in this order, instead of shuffled decks of all kinds
    sabotage: str = ""
    logs: str | None = None
    store: str = "folder"  # or s3

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings that are not the product's defaults."""
        # The collector works during the load too; its grace must exceed the accept window of 60 s.
        collecting = {"GARBAGE_GRACE_S": "90"}
        return collecting | ({"LEASE_S": "3", "HEARTBEAT_S": "0.5", "RECONCILE_S": "0.5"} if self.quick else {})

    @property
    def lease_s(self) -> float:
        return float(self.settings.get("LEASE_S", "20"))

    @property
    def load_s(self) -> float:
        """How long fits are asked for."""
        return max(5.0 if self.quick else 70.0, self.jobs / 6.5)

    @property
    def gap_s(self) -> tuple[float, float]:
        """Least and most time between two faults."""
        return (1.0, 2.0) if self.quick else (2.5, 5.0)

    @property
    def drain_s(self) -> float:
        """How long after the last fault no job may end before those that are left count as lost."""
        return 4 * self.lease_s if self.quick else 150.0


def seeded(purpose: str) -> random.Random:
    """A source of choices that are the same in every run."""
    return random.Random(purpose)  # noqa: S311 - to be guessed is what it is for


def orders(options: Options) -> list[Order]:
    """The fits of a run, in the order of their time: bursts, a few hot series and many that are rarely fitted."""
    rng = seeded(f"orders {options.seed}")
    ids = [f"s{options.seed}-{place}" for place in range(max(8, options.jobs // 12))]
    weights = list(accumulate((place + 1) ** -0.8 for place in range(len(ids))))
    # Early, for it takes three leases until they have failed.
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
            planned.append(Order(-number, due_s, series_id, 10, seed, threshold, Way.WRONG))
    return planned


def fault_kinds(options: Options, kinds: list[str]) -> Iterator[tuple[str, float, random.Random]]:
    """Which fault follows after which gap, and its own source of randomness: each kind once in every deck."""
    rng = seeded(f"faults {options.seed}")
    while True:
        deck = list(options.faults) or rng.sample(kinds, len(kinds))
        for kind in deck:
            yield kind, rng.uniform(*options.gap_s), seeded(str(rng.getrandbits(64)))


def _times(rng: random.Random, options: Options) -> list[float]:
    """A third of the fits come in bursts, as from a cron job."""
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
    share = 0.15 if points in SLOW_POINTS else 0.03  # the slow ones are caught while they run
    if rng.random() < share:
        return rng.choice((Afterwards.CANCEL, Afterwards.CANCEL_AND_RETRY)), rng.uniform(0, 2.5)
    return (Afterwards.DELETE_OLDER if rng.random() < 0.04 else Afterwards.NOTHING), 0.0
