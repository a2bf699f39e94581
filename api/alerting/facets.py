"""Filters of the list of alerts, with the number of alerts that each value leaves."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from api.alerting.rows import REVIEWS, STATUSES
from shared.domain.watching.alerts import Kind
from shared.store.alert_filters import AlertFilter, Handling
from shared.store.overviews import Counted

FACETS: dict[str, tuple[str, dict[str, str]]] = {  # title, and the word for each value
    "status": ("Status", STATUSES),
    "handling": ("Handling", {handling: handling.value for handling in Handling}),
    "review": ("Review", REVIEWS),
    "kind": ("Kind", {kind: kind.value.replace("_", " ") for kind in Kind}),
}
WATCHES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a filter, and the number of alerts that it would leave."""

    value: str
    word: str
    alerts: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """A filter with its values."""

    name: str
    title: str
    choices: list[Choice]


def facets(counted: Sequence[Counted], selection: AlertFilter) -> list[Facet]:
    """Return the filters. The counts of each one obey all other filters."""
    result = [Facet(name, title, _choices(counted, selection, name, words)) for name, (title, words) in FACETS.items()]
    names = {row.watch for row in counted} | ({selection.watch} if selection.watch else set())
    watches = _choices(counted, selection, "watch", {name: name for name in sorted(names)})
    most = sorted(watches, key=lambda choice: (not choice.is_chosen, -choice.alerts))[:WATCHES_SHOWN]
    return [*result, Facet("watch", "Watch", most)]


def total(counted: Iterable[Counted], selection: AlertFilter) -> int:
    """Return the number of alerts that all filters leave."""
    return sum(row.alerts for row in counted if _matches(row, selection, but=""))


def _choices(counted: Iterable[Counted], selection: AlertFilter, name: str, words: Mapping[str, str]) -> list[Choice]:
    left: Counter[str] = Counter()
    for row in counted:
        if _matches(row, selection, but=name):
            left[getattr(row, name)] += row.alerts
    chosen = getattr(selection, name)
    return [Choice(str(value), word, left[value], value == chosen) for value, word in words.items()]


def _matches(row: Counted, selection: AlertFilter, but: str) -> bool:
    filters = ("status", "kind", "watch", "handling", "review")
    return all(getattr(selection, name) in (None, getattr(row, name)) for name in filters if name != but)
