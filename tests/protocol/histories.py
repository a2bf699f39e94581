"""For each rule, the shortest history that violates an invariant only if the rule is broken."""

from tests.protocol import upkeep
from tests.protocol.machine import ProtocolMachine
from tests.protocol.world import WINDOW_S, Commit

DONE = Commit.DONE
FIRST, SECOND = 1, 0  # indexes into two messages, counted from the end


def fitted(machine: ProtocolMachine) -> None:
    """Bring a worker to the point before it publishes version 1."""
    machine.begin([("a", "waiting")])
    machine.invariants_hold()
    machine.deliver_and_fit(0)


def a_suspended_worker_resumes_before_its_successor_publishes(machine: ProtocolMachine) -> None:
    fitted(machine)
    machine.worker_is_presumed_dead(0, "fits")
    machine.publish(FIRST, DONE)


def a_suspended_worker_resumes_after_its_successor_has_published(machine: ProtocolMachine) -> None:
    fitted(machine)
    machine.worker_is_presumed_dead(0, "publishes")
    machine.invariants_hold()
    machine.publish(0, DONE)


def an_api_sleeps_past_the_grace(machine: ProtocolMachine) -> None:
    machine.ask("a")
    upkeep.note(machine.world)
    machine.pass_time(WINDOW_S + 2_000)
    machine.collect(upkeep.take)
    machine.delete_doomed(dies=False)
    machine.accept(0, together=False, commit=DONE)


def a_collection_comes_between_data_and_row(machine: ProtocolMachine) -> None:
    machine.ask("a")
    machine.collect(upkeep.note)
    machine.collect(upkeep.take)
    upkeep.delete_doomed(machine.world)
    machine.accept(0, together=False, commit=DONE)


def a_collection_meets_an_accept_in_flight(machine: ProtocolMachine) -> None:
    machine.ask("a")
    machine.begin_accept(0)
    machine.collect_through_the_grace()
    machine.end_accept()


def a_later_accept_overtakes_one_in_flight(machine: ProtocolMachine) -> None:
    machine.ask("a")
    machine.begin_accept(0)
    machine.post("a", None, DONE)
    for _ in machine.world.messages:
        machine.invariants_hold()
        machine.deliver_and_fit(0)
        machine.publish(0, DONE)
    machine.end_accept()
    machine.deliver_and_fit(0)
    machine.invariants_hold()
    if machine.world.workers:
        machine.publish(0, DONE)


def the_second_message_comes_first(machine: ProtocolMachine) -> None:
    machine.begin([("a", "waiting"), ("a", "waiting")])
    machine.deliver(SECOND, repeated=False, commit=DONE)


def the_only_version_is_deleted_before_the_next_fit(machine: ProtocolMachine) -> None:
    machine.begin([("a", "published"), ("a", "waiting")])
    machine.invariants_hold()
    machine.cancel_or_delete("version", 0)
    machine.invariants_hold()
    machine.deliver_and_fit(0)
    machine.publish(0, DONE)


def a_worker_dies(machine: ProtocolMachine) -> None:
    fitted(machine)
    machine.worker_dies(0)


def all_messages_are_lost(machine: ProtocolMachine) -> None:
    machine.begin([("a", "waiting")])
    machine.lose_all_messages()


def a_collection_meets_a_failed_job(machine: ProtocolMachine) -> None:
    machine.begin([("a", "failed")])
    machine.invariants_hold()
    machine.collect_through_the_grace()


def a_collection_meets_a_version(machine: ProtocolMachine) -> None:
    machine.begin([("a", "published")])
    machine.invariants_hold()
    machine.collect_through_the_grace()


def a_collection_meets_a_fit_about_to_be_published(machine: ProtocolMachine) -> None:
    fitted(machine)
    machine.collect_through_the_grace()
    machine.publish(0, DONE)
