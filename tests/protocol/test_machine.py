from collections.abc import Callable

import pytest
from hypothesis.stateful import run_state_machine_as_test

from shared.store.engine import Sessions
from tests.protocol.history import ViolationError
from tests.protocol.machine import budget, machine
from tests.protocol.sabotage import SABOTAGES, Sabotage
from tests.protocol.world import World


def test_no_history_breaks_the_store(make_world: Callable[[], World]) -> None:
    run_state_machine_as_test(machine(make_world), settings=budget(60))


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name.replace(" ", "-"))
def test_a_store_without_one_of_its_rules_is_found_out(
    sabotage: Sabotage, make_world: Callable[[], World], protocol_sessions: Sessions
) -> None:
    with sabotage.committed(protocol_sessions), pytest.raises(ViolationError, match=f"^{sabotage.expected}"):
        run_state_machine_as_test(machine(make_world), settings=budget(100))
