from collections.abc import Callable
from contextlib import nullcontext

import pytest
from hypothesis.stateful import run_state_machine_as_test

from shared.store.engine import Sessions
from tests.protocol.history import ViolationError
from tests.protocol.machine import LONG, ProtocolMachine, budget, machine
from tests.protocol.sabotage import SABOTAGES, Sabotage
from tests.protocol.world import World

# Met by chance soon enough for every run of the suite; the others with HYPOTHESIS_PROFILE=long.
SOON = ("claim does not look at the line", "no second announcement", "collector takes data of jobs", "no reaper")


def name(sabotage: Sabotage) -> str:
    return sabotage.name.replace(" ", "-")


def test_no_history_breaks_the_store(make_world: Callable[[], World]) -> None:
    run_state_machine_as_test(machine(make_world), settings=budget(50))


@pytest.mark.parametrize("sabotage", SABOTAGES if LONG else [s for s in SABOTAGES if s.name in SOON], ids=name)
def test_chance_finds_a_store_without_one_of_its_rules_out(
    sabotage: Sabotage, make_world: Callable[[], World], protocol_sessions: Sessions
) -> None:
    with sabotage.applied(protocol_sessions), pytest.raises(ViolationError, match=f"^{sabotage.expected[0]}"):
        run_state_machine_as_test(machine(make_world), settings=budget(100))


@pytest.mark.parametrize("sabotaged", [False, True], ids=["whole", "sabotaged"])
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=name)
def test_a_history_ends_well_unless_the_rule_it_needs_is_missing(
    sabotage: Sabotage, make_world: Callable[[], World], protocol_sessions: Sessions, *, sabotaged: bool
) -> None:
    with sabotage.applied(protocol_sessions) if sabotaged else nullcontext():
        run = ProtocolMachine(make_world)
        try:
            with pytest.raises(ViolationError, match=f"^{sabotage.expected}") if sabotaged else nullcontext():
                sabotage.history(run)
                run.nothing_is_wrong()
                run.teardown()
        finally:
            run.world.end_accept()
