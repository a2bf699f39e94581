"""The seed determines the whole run."""

from itertools import islice

import numpy as np

from tests.chaos.faults import FAULTS
from tests.chaos.plan import Ending, Options, Way, fault_kinds, orders


def test_the_same_seed_gives_the_same_plan_and_another_seed_another_plan() -> None:
    assert orders(Options(seed=3)) == orders(Options(seed=3))
    assert orders(Options(seed=3)) != orders(Options(seed=4))
    first, repeated, other = (
        [(kind, gap_s) for kind, gap_s, _ in islice(fault_kinds(Options(seed=seed), list(FAULTS)), 30)]
        for seed in (3, 3, 4)
    )
    assert first == repeated != other


def test_the_plan_has_the_requested_number_of_valid_fits() -> None:
    planned = orders(Options(jobs=300))
    assert sum(order.way is not Way.INVALID for order in planned) == 300
    assert {order.way for order in planned} == set(Way)
    assert {order.ending for order in planned} == set(Ending)


def test_every_kind_of_fault_happens_before_any_repeats() -> None:
    kinds = [kind for kind, _, _ in islice(fault_kinds(Options(), list(FAULTS)), len(FAULTS))]
    assert sorted(kinds) == sorted(FAULTS)


def test_the_data_of_a_fit_is_the_same_at_every_call() -> None:
    order = orders(Options())[0]
    assert np.array_equal(order.series().values, order.series().values)
    assert order.body() == order.body()
