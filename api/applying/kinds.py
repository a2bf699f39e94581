"""The kinds of objects that a configuration has: a section for each, with documents by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.applying.receivers import check_caller, check_receiver, shown, store_receiver
from api.applying.sources import check_caller as check_source_caller
from api.applying.sources import check_source
from api.applying.watches import check_watch, delete_watch, make_room, store_watch
from shared.domain.access import Caller
from shared.settings import Settings
from shared.store import receivers, sources, watches
from shared.store.engine import Session

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """How the objects of one kind are checked, read and stored."""

    section: str
    check: Callable[[str, Any], Any]  # name and document; raises an `InputError` that names each wrong field
    read: Callable[[Session], Mapping[str, Document]]  # complete documents by name, without secrets
    store: Callable[[Session, Any], str | None]  # what `check` returned; returns a secret that this created
    delete: Callable[[Session, str], object]
    delete_row: Callable[[Session, str], object]  # as `delete`, but leaves alone what depends on the object
    prepare: Callable[[Session, Any], None] = lambda _session, _object: None  # before any object of the kind is stored
    is_referred_to: bool = False  # by objects of other kinds, so it is stored before them and deleted after them


def kinds_of(settings: Settings, caller: Caller) -> Mapping[str, Kind]:
    """Return the kinds by section, in the order in which their objects are stored."""
    return {
        kind.section: kind
        for kind in (_receivers(settings, caller), _watches(settings, caller), _sources(settings, caller))
    }


def _receivers(settings: Settings, caller: Caller) -> Kind:
    def read(session: Session) -> Mapping[str, Document]:
        check_caller(caller)
        return {stored.receiver.name: shown(stored) for stored in receivers.read(session)}

    return Kind(
        section="receivers",
        check=lambda name, document: check_receiver(settings, name, document),
        read=read,
        store=store_receiver,
        delete=receivers.delete,
        delete_row=receivers.delete,
        is_referred_to=True,
    )


def _watches(settings: Settings, caller: Caller) -> Kind:
    def read(session: Session) -> Mapping[str, Document]:
        return {watch.name: watch.document() for watch in watches.read(session) if caller.sees(watch.prefix)}

    return Kind(
        section="watches",
        check=lambda name, document: check_watch(settings, caller, name, document),
        read=read,
        prepare=lambda session, watch: make_room(session, caller, watch),
        store=store_watch,
        delete=delete_watch,
        delete_row=watches.delete,
    )


def _sources(settings: Settings, caller: Caller) -> Kind:
    def read(session: Session) -> Mapping[str, Document]:
        check_source_caller(caller)
        return {stored.source.name: stored.source.document() for stored in sources.read(session)}

    return Kind(
        section="sources",
        check=lambda name, document: check_source(settings, name, document),
        read=read,
        store=sources.put,
        delete=sources.delete,
        delete_row=sources.delete,
    )
