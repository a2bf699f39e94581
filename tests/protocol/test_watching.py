"""Histories of two processes that ingest, with everything that can come between: exactly once, as in a replay."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import settings as budget_of
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.fitting.accepting import Acceptor, accept_one
from shared.fitting.checking import Method, Origin, check
from shared.settings import Settings
from shared.store import intake
from shared.store.engine import Sessions
from tests.points import ramp
from tests.protocol.machine import LONG
from tests.protocol.streams import Points, StreamWorld
from worker import training as trainings

NAMES = ["s.a", "s.b"]
VALUES = st.sampled_from([2.0, 2.0, 2.1, 9.0, 50.0, -40.0, None])
ACTIONS = st.sampled_from(["push", "watch", "unwatch", "pin", "unpin", "again", "silent", "clock"])


@pytest.fixture(scope="module")
def fitted(database: Sessions, installation: Settings, artifacts: Artifacts, training: trainings.Training) -> None:
    """Three versions of each series; the last adapts to previous points."""
    worker = replace(training, sessions=database, settings=installation, announce=lambda _job_id: None)
    with ThreadPoolExecutor(1) as writers:
        acceptor = Acceptor(database, artifacts.data, writers, lambda _job_id: None, installation)
        for name in NAMES:
            for detector, parameters in (("baseline", {}), ("baseline", {"threshold": 9.0}), ("auto", {})):
                body = ramp(60)
                columns = (body["timestamps"], body["values"])
                method = Method.of(detector, parameters)
                fit = check(name, lambda columns=columns: columns, method, Origin("t", "-"), installation)  # type: ignore[misc]
                trainings.run(worker, accept_one(acceptor, fit).job_id)


@pytest.fixture
def make_world(
    database: Sessions, artifacts: Artifacts, installation: Settings, fitted: None
) -> Callable[[], StreamWorld]:
    def make() -> StreamWorld:
        with database.begin() as session:
            session.execute(text("TRUNCATE notices, alerts, points, streams, watches, spans"))
            session.execute(text("UPDATE series SET pinned_version = NULL"))
        return StreamWorld(database, artifacts, installation, NAMES)

    return make


class Histories(RuleBasedStateMachine):
    """Random histories; `make_world` is set by the test."""

    make_world: Callable[[], StreamWorld]

    @initialize(choice=st.integers(0, 3))
    def begin(self, choice: int) -> None:
        self.world = self.make_world()
        self.now = 0
        self.sent: list[dict[str, Points]] = []
        self.withheld: list[dict[str, Points]] = []
        self.world.change_watch(choice)

    def _batch(self, values: list[float | None], names: list[str], *, holds_back: bool) -> dict[str, Points]:
        batch: dict[str, Points] = {}
        for name in names:
            points = {self.now + place: value for place, value in enumerate(values)}
            if holds_back and len(points) > 1:
                first = min(points)
                self.withheld.append({name: {first: points.pop(first)}})
            batch[name] = points
        self.now += len(values)
        self.sent.append(batch)
        return batch

    def _push(self, number: int, batch: dict[str, Points]) -> None:
        with self.world.observed():
            self.world.push(number, batch)

    def _act(self, action: str, choice: int, values: list[float | None]) -> None:
        world, name = self.world, NAMES[choice % 2]
        if action == "push":
            world.push(1, self._batch(values, [name], holds_back=False))
        elif action == "watch":
            world.change_watch(choice % 4, paused=choice == 7)
        elif action == "unwatch":
            world.change_watch(None)
        elif action in ("pin", "unpin"):
            world.pin(name, 1 + choice % 3 if action == "pin" else None)
        elif action == "again":
            world.begin_again(name)
        elif action == "silent":
            world.fall_silent(name)
        else:
            world.close_by_clock()

    @rule(
        number=st.integers(0, 1),
        values=st.lists(VALUES, min_size=1, max_size=4),
        names=st.sampled_from([NAMES, NAMES[:1], NAMES[1:]]),
        holds_back=st.booleans(),
    )
    def push(self, number: int, values: list[float | None], names: list[str], holds_back: bool) -> None:  # noqa: FBT001
        self._push(number, self._batch(values, names, holds_back=holds_back))

    @rule(number=st.integers(0, 1), place=st.integers(0, 9), other=st.booleans())
    def repeat(self, number: int, place: int, other: bool) -> None:  # noqa: FBT001
        if self.sent:
            batch = self.sent[-1 - place % len(self.sent)]
            if other:
                batch = {name: dict.fromkeys(points, 1.0) for name, points in batch.items()}
            self._push(number, batch)

    @rule(number=st.integers(0, 1))
    def push_late(self, number: int) -> None:
        if self.withheld:
            self._push(number, self.withheld.pop())

    @rule(number=st.integers(0, 1), values=st.lists(VALUES, min_size=2, max_size=4))
    def lose_an_answer(self, number: int, values: list[float | None]) -> None:
        self.world.loses_answers = True
        self._push(number, self._batch(values, NAMES, holds_back=False))

    @rule(action=ACTIONS, choice=st.integers(0, 7), values=st.lists(VALUES, min_size=1, max_size=2))
    def act(self, action: str, choice: int, values: list[float | None]) -> None:
        with self.world.observed():
            self._act(action, choice, values)

    @rule(
        action=ACTIONS,
        choice=st.integers(0, 7),
        values=st.lists(VALUES, min_size=1, max_size=3),
        more=st.lists(VALUES, min_size=1, max_size=2),
    )
    def push_while_something_changes(
        self, action: str, choice: int, values: list[float | None], more: list[float | None]
    ) -> None:
        batch = self._batch(values, NAMES, holds_back=False)
        self.world.interrupt = lambda: self._act(action, choice, more)
        self._push(0, batch)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.check()


def run(make_world: Callable[[], StreamWorld], examples: int, *phases: Phase) -> None:
    machine: Any = type("Histories", (Histories,), {"make_world": staticmethod(make_world)})
    settings = budget_of(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=False,
        phases=phases or (Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(machine, settings=settings)


def test_points_are_stored_and_judged_once_whatever_happens(make_world: Callable[[], StreamWorld]) -> None:
    run(make_world, 300 if LONG else 8)


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("AND s.revision = asked.revision", ""),
        ("ON CONFLICT DO NOTHING", "ON CONFLICT (series_no, ts) DO UPDATE SET value = excluded.value"),
    ],
    ids=["the-revision", "the-first-value"],
)
def test_histories_reveal_a_broken_rule(
    make_world: Callable[[], StreamWorld], monkeypatch: pytest.MonkeyPatch, rule: str, broken: str
) -> None:
    for name in ("_INTAKE", "_OLD"):
        monkeypatch.setattr(intake, name, getattr(intake, name).replace(rule, broken))
    intake._statement.cache_clear()  # noqa: SLF001
    try:
        with pytest.raises(BaseException):  # noqa: B017, PT011 - an assertion of the world, or a constraint
            run(make_world, 12, Phase.generate)
    finally:
        monkeypatch.undo()
        intake._statement.cache_clear()  # noqa: SLF001
