"""The design and its broken variants: each variant causes the violation that its broken rules prevent."""

import os
from dataclasses import fields
from typing import NamedTuple

import pytest

from tests.protocol.checker import check
from tests.protocol.model import Bounds, Rules

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

CRASHES = Bounds(posts=2, retries=0, workers=2, faults=2, chores=0)
CHORES = Bounds(posts=1, retries=1, workers=1, faults=1, chores=3)
NO_FAULTS = Bounds(posts=2, retries=0, workers=2, faults=0, chores=0)


class Variant(NamedTuple):
    """The design with some rules broken."""

    name: str
    rules: Rules
    bounds: Bounds
    expected: str = ""  # first characters of the violation; "" = none


SOUND = [
    Variant("the design, three faults", Rules(), Bounds(posts=2, retries=0, workers=2, faults=3, chores=0)),
    Variant("the design, three chores and one fault", Rules(), CHORES),
    Variant("the design, two faults and one chore", Rules(), Bounds(2, 1, 2, 2, 1)),
    Variant("the design, one fault and two chores", Rules(), Bounds(2, 1, 2, 1, 2)),
    Variant("no faults, no second announcement", Rules(announce_again=False), NO_FAULTS),
    Variant("no UNIQUE (job_id): the fence alone holds", Rules(unique_job=False), CRASHES),
    Variant("no fence, UNIQUE (job_id), nothing deleted", Rules(fence=False), CRASHES),
]
LARGE = [  # takes a minute and a half
    Variant("the design, three jobs of which one retry", Rules(), Bounds(2, 1, 2, 2, 3)),
    Variant("the design, three jobs", Rules(), Bounds(3, 0, 2, 2, 0)),
]
BROKEN = [
    # accept
    Variant("job row before its data", Rules(data_before_row=False), CRASHES, "S1"),
    Variant("message before row", Rules(row_before_message=False, announce_again=False), NO_FAULTS, "L1"),
    Variant("accept without a deadline", Rules(accept_deadline=False), CRASHES, "S1"),
    Variant("API deletes its data when COMMIT raises", Rules(api_never_deletes=False), CRASHES, "S1"),
    # retry
    Variant("retry does not lock the old row", Rules(retry_locks_old_row=False), CHORES, "S1"),
    # publish
    Variant("no fence and no UNIQUE (job_id)", Rules(fence=False, unique_job=False), CRASHES, "S2"),
    Variant("no fence, and versions can be deleted", Rules(fence=False), Bounds(1, 0, 2, 2, 1), "S"),
    Variant("one state key per job", Rules(attempt_in_key=False), CRASHES, "S1"),
    Variant("COMMIT before the state artifact", Rules(state_before_commit=False), CRASHES, "S1"),
    Variant("worker deletes its state when COMMIT raises", Rules(worker_never_deletes=False), CRASHES, "S1"),
    Variant("version and success in two transactions", Rules(one_transaction=False), CRASHES, "S3"),
    Variant("number from max(version)", Rules(number_from_counter=False), Bounds(2, 0, 1, 0, 1), "S5"),
    # order and progress
    Variant("claim ignores the order of the series", Rules(first_in_line=False), CRASHES, "S6"),
    Variant("next of series not announced", Rules(announce_next=False, announce_again=False), NO_FAULTS, "L1"),
    Variant("no second announcement", Rules(announce_again=False), CRASHES, "L1"),
    Variant("no reaper", Rules(reap=False), CRASHES, "L1"),
    # collector
    Variant("collector without grace", Rules(grace=False), CRASHES, "S1"),
    Variant("collector ignores accepts in flight", Rules(waits_for_accepts=False), CRASHES, "S1"),
    Variant("collector takes data of open jobs", Rules(sees_open_jobs=False), CRASHES, "S1"),
    Variant("collector takes data of failed jobs", Rules(sees_failed_jobs=False), CHORES, "S1"),
    Variant("collector asks only the job in the key", Rules(follows_references=False), CHORES, "S1"),
    Variant("collector takes states of open jobs", Rules(spares_open_states=False), CRASHES, "S1"),
    Variant("collector knows only jobs with a row", Rules(collects_unknown=False), CRASHES, "L2"),
    Variant("deleting a version deletes its files", Rules(rows_only=False), Bounds(1, 1, 1, 0, 3), "S1"),
]


def name(variant: Variant) -> str:
    return variant.name.replace(" ", "-")


@pytest.mark.parametrize("variant", SOUND + LARGE if LONG else SOUND, ids=name)
def test_no_interleaving_breaks_the_design(variant: Variant) -> None:
    result = check(variant.rules, variant.bounds)
    assert result.violation is None, " > ".join([*result.trace, result.violation])
    assert result.states > 40


@pytest.mark.parametrize("variant", BROKEN, ids=name)
def test_a_broken_rule_is_found(variant: Variant) -> None:
    result = check(variant.rules, variant.bounds)
    assert (result.violation or "nothing").startswith(variant.expected), " > ".join(result.trace)


def test_every_rule_is_broken_by_some_variant() -> None:
    unbroken = [rule.name for rule in fields(Rules) if all(getattr(variant.rules, rule.name) for variant in BROKEN)]
    assert unbroken == []
