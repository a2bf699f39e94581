"""Check, store and delete a watch for a caller, who may be limited to ids with a prefix."""

from typing import Any

from shared.domain.access import Caller
from shared.domain.series import DAY_S
from shared.domain.watching.watches import Watch, check_name, parse
from shared.errors import Code, Flaw, InputError
from shared.settings import Settings
from shared.store import alerts, receivers, watches
from shared.store.engine import Session


def check_watch(settings: Settings, caller: Caller, name: str, document: Any) -> Watch:
    """Return the watch of a document; raise an `InputError` that names each wrong field."""
    watch = parse(check_name(name), document, max_window_s=settings.keep_points_days * DAY_S)
    if not caller.sees(watch.prefix):
        reason = f"must begin with {caller.series_prefix!r}, like every series that this key sees"
        raise InputError(Code.INVALID_WATCH, f"The prefix {reason}.", flaws=[Flaw(("prefix",), reason)])
    return watch


def make_room(session: Session, caller: Caller, watch: Watch) -> None:
    """Free the prefix of an existing watch if `store_watch` will give it another one: so watches can swap theirs.

    Raise `NotFoundError` if the caller does not see the watch of this name.
    """
    existing = watches.named(session, watch.name)
    if existing and not caller.sees(existing.prefix):
        raise watches.not_found()
    if existing and existing.prefix != watch.prefix:
        watches.free_prefix(session, watch.name)


def store_watch(session: Session, watch: Watch) -> None:
    """Create or change a watch after `make_room`; raise `TsadError` if its prefix is taken or a receiver is unknown."""
    if unknown := receivers.unknown(session, watch.notify.receivers):
        reason = f"names unknown receivers: {', '.join(unknown)} (GET /receivers lists those that exist)"
        raise InputError(
            Code.UNKNOWN_RECEIVER,
            f"The watch {reason}. Create them with PUT /receivers/NAME."[:2_000],
            flaws=[Flaw(("notify", "receivers"), reason[:500])],
        )
    watches.put(session, watch)


def delete_watch(session: Session, name: str) -> None:
    """Delete a watch and close its alerts."""
    alerts.close_of_watch(session, name)
    watches.delete(session, name)
