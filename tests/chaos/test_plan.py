"""A run is its seed."""

from itertools import islice

import numpy as np

from tests.chaos.faults import FAULTS
from tests.chaos.plan import Ending, Options, Way, fault_kinds, orders


def test_one_seed_gives_one_plan_and_another_seed_another() -> None:
    assert orders(Options(seed=3)) == orders(Options(seed=3))
    assert orders(Options(seed=3)) != orders(Options(seed=4))
    first, repeated, other = (
        [(kind, gap_s) for kind, gap_s, _ in islice(fault_kinds(Options(seed=seed), list(FAULTS)), 30)]
        for seed in (3, 3, 4)
    )
    assert first == repeated != other


def test_as_many_good_fits_are_asked_for_as_were_wanted() -> None:
    planned = orders(Options(jobs=300))
    assert sum(order.way is not Way.WRONG for order in planned) == 300
    assert {order.way for order in planned} == set(Way)
    assert {order.ending for order in planned} == set(Ending)


def test_every_kind_of_fault_happens_before_one_happens_twice() -> None:
    kinds = [kind for kind, _, _ in islice(fault_kinds(Options(), list(FAULTS)), len(FAULTS))]
    assert sorted(kinds) == sorted(FAULTS)


def test_the_data_of_a_fit_is_the_same_at_every_call() -> None:
    order = orders(Options())[0]
    assert np.array_equal(order.series().values, order.series().values)
    assert order.body() == order.body()
