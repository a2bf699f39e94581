"""Run the month, tick by tick, and report."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from shared.artifacts import Artifacts
from shared.settings import Settings
from tests.month import checks, signals
from tests.month.clock import Clock, database_with_clock
from tests.month.signals import DAY_S, HOUR_S, KINDS
from tests.month.telling import Telling
from tests.month.world import World
from tests.processes import sessions_of

CLOCK_CHANGE = int(datetime(2025, 10, 26, 1, tzinfo=UTC).timestamp())  # in Europe/Berlin, in the middle of the month


@dataclass(frozen=True, slots=True)
class Options:
    """How long the month is, and how many series it has."""

    seed: int = 1
    days: float = 30
    series: int = 200
    tick_s: int = 600


@dataclass
class Report:
    """What happened, and what was wrong."""

    figures: Counter[str]
    wrong: dict[str, list[str]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not any(self.wrong.values())

    def text(self) -> str:
        lines = [", ".join(f"{number:,} {name}" for name, number in self.figures.items())]
        for check, sentences in self.wrong.items():
            lines.append(f"{'ok  ' if not sentences else 'FAIL'} {check}")
            lines += [f"       {sentence}" for sentence in sentences[:10]]
        return "\n".join(lines)


def run(options: Options, server_url: str, settings: Settings, say: Callable[[str], None]) -> Report:
    """Let the month pass on a database of its own, and check it."""
    rng = np.random.default_rng(options.seed)
    start = int(CLOCK_CHANGE - options.days / 2 * DAY_S) // HOUR_S * HOUR_S
    end = int(start + options.days * DAY_S)
    kinds = list(KINDS)
    made = [
        signals.make(kinds[number % len(kinds)], number // len(kinds), start, end, options.tick_s, rng)
        for number in range(options.series)
    ]
    with database_with_clock(server_url, start) as url:
        own = settings.model_copy(update={"database_url": url})
        with sessions_of(own) as sessions:
            clock = Clock(sessions, start)
            down_s = min(30 * HOUR_S, int(options.days * DAY_S / 4))
            down = (end - 2 * down_s, end - down_s)
            with (
                Telling.to_a_server(sessions, clock, down) as telling,
                World(sessions, Artifacts.of(own), own, clock, rng, options.tick_s).running() as world,
            ):
                return _pass(world, telling, made, options, start, end, say)


def _pass(
    world: World,
    telling: Telling,
    made: list[signals.Signal],
    options: Options,
    start: int,
    end: int,
    say: Callable[[str], None],
) -> Report:
    world.watch()
    for _ in range(max(1, int(options.days / 5))):
        first = int(world.rng.integers(start + HOUR_S, end - 4 * HOUR_S))
        world.outages.append((first, first + int(world.rng.integers(HOUR_S, 14 * HOUR_S))))
    silence: list[str] = []
    for now in range(start, end, options.tick_s):
        world.clock.set(now)
        world.send(made, now - options.tick_s)
        world.reconcile()
        silence += checks.silence(world)
        telling.round()
        world.work()
        world.pin()
        if (now - start) % DAY_S == 0:
            world.tidy()
            points = sum(len(ledger.values) for ledger in world.ledgers.values())
            say(f"{world.clock}: {points:,} points, {world.fits:,} fits")
    world.end()
    for _ in range(3):  # the receiver is back; what was collected meanwhile is sent
        world.clock.set(world.clock.now + HOUR_S)
        telling.round()
    wrong = {
        "exactly the streams are silent that sent nothing": silence,
        **checks.everything(world, made),
        "the receiver got everything once and in order": list(telling.wrong()),
    }
    figures = _figures(world)
    figures["messages"] = len(telling.told)
    figures["attempts while the receiver was down"] = telling.refused
    return Report(figures, wrong)


def _figures(world: World) -> Counter[str]:
    counted = Counter[str]()
    counted["series"] = len(world.ledgers)
    counted["points"] = sum(len(ledger.values) for ledger in world.ledgers.values())
    counted["late points"] = sum(len(ledger.late) for ledger in world.ledgers.values())
    for row in world.rows("SELECT kind, count(*) AS n FROM alerts GROUP BY 1 ORDER BY 1"):
        counted[f"alerts ({row.kind})"] = row.n
    counted["notices"] = world.rows("SELECT count(*) AS n FROM notices")[0].n
    for row in world.rows("SELECT fit_outcome AS outcome, count(*) AS n FROM streams GROUP BY 1 ORDER BY 1"):
        counted[f"series last {row.outcome}"] = row.n
    counted["slots"] = sum(len(slots) for slots in world.slots.values())
    counted["fits"] = world.fits
    counted["incidents with an alert"] = world.incidents[True]
    counted["without"] = world.incidents[False]
    return counted
