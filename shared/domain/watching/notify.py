"""Whom a watch notifies, and how often: the field `notify` of its document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.watching import durations
from shared.domain.watching.documents import Reader

MAX_RECEIVERS = 20
YEAR_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Notify:
    """Receivers of a watch, and the limits of its messages."""

    receivers: tuple[str, ...] = ()
    messages: int = 20  # at most so many
    per_s: int = 86_400  # in this time; further changes are quiet
    group_wait_s: int = 30  # after a message, changes are collected for this time

    def document(self) -> dict[str, Any]:
        """Return the complete document, from which `parse_notify` makes the same value."""
        return {
            "receivers": list(self.receivers),
            "at_most": {"messages": self.messages, "per": durations.written(self.per_s)},
            "group_wait": durations.written(self.group_wait_s),
        }


def parse_notify(reader: Reader, value: object, *, stored: bool = False) -> Notify:
    """Return the value of a document; `reader` collects its flaws. Whether the receivers exist is not checked."""
    default = Notify()
    fields = reader.fields(value, ("notify",), ("receivers", "at_most", "group_wait"), ignore=stored)
    at_most = reader.fields(fields.get("at_most", {}), ("notify", "at_most"), ("messages", "per"), ignore=stored)
    return Notify(
        receivers=_receivers(reader, fields),
        messages=reader.integer(at_most, ("notify", "at_most", "messages"), default.messages, 1, 100_000),
        per_s=reader.duration(at_most, ("notify", "at_most", "per"), default.per_s, 60, YEAR_S),
        group_wait_s=reader.duration(fields, ("notify", "group_wait"), default.group_wait_s, 0, 86_400),
    )


def _receivers(reader: Reader, fields: Mapping[str, Any]) -> tuple[str, ...]:
    names = fields.get("receivers", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) > MAX_RECEIVERS:
        reader.flaw(("notify", "receivers"), f"must list at most {MAX_RECEIVERS} names of receivers")
        return ()
    return tuple(dict.fromkeys(names))
