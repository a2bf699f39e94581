from collections.abc import Callable
from contextlib import nullcontext

import pytest
from hypothesis.stateful import run_state_machine_as_test

from shared.store.engine import Sessions
from tests.protocol.history import ViolationError
from tests.protocol.machine import LONG, ProtocolMachine, budget, machine
from tests.protocol.sabotage import SABOTAGES, Sabotage
from tests.protocol.world import World

# Random histories find these fast enough for every run; the others only with HYPOTHESIS_PROFILE=long.
FOUND_FAST = (
    "claim ignores the order of the series",
    "no second announcement",
    "collector takes data of jobs",
    "no reaper",
)


def name(sabotage: Sabotage) -> str:
    return sabotage.name.replace(" ", "-")


def test_no_history_violates_an_invariant(make_world: Callable[[], World]) -> None:
    run_state_machine_as_test(machine(make_world), settings=budget(50))


@pytest.mark.parametrize("sabotage", SABOTAGES if LONG else [s for s in SABOTAGES if s.name in FOUND_FAST], ids=name)
def test_random_histories_reveal_a_broken_rule(
    sabotage: Sabotage, make_world: Callable[[], World], protocol_sessions: Sessions
) -> None:
    with sabotage.applied(protocol_sessions), pytest.raises(ViolationError, match=f"^{sabotage.expected[0]}"):
        run_state_machine_as_test(machine(make_world), settings=budget(100))


@pytest.mark.parametrize("sabotaged", [False, True], ids=["whole", "sabotaged"])
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=name)
def test_a_history_violates_an_invariant_only_if_its_rule_is_broken(
    sabotage: Sabotage, make_world: Callable[[], World], protocol_sessions: Sessions, *, sabotaged: bool
) -> None:
    with sabotage.applied(protocol_sessions) if sabotaged else nullcontext():
        run = ProtocolMachine(make_world)
        try:
            with pytest.raises(ViolationError, match=f"^{sabotage.expected}") if sabotaged else nullcontext():
                sabotage.history(run)
                run.invariants_hold()
                run.teardown()
        finally:
            run.world.end_accept()
