"""Make the objects of a configuration what its documents say, all or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.applying.kinds import Document, Kind
from shared.errors import Code, Flaw, InputError, TsadError
from shared.store.engine import Session

Requested = Mapping[str, Mapping[str, Any]]  # documents by section and name


@dataclass(frozen=True, slots=True)
class Change:
    """An object before and after; None where it does not exist. `secret` was created for it."""

    section: str
    name: str
    before: Document | None
    after: Document | None
    secret: str | None = None

    @property
    def action(self) -> str:
        """create, change, delete or keep."""
        if self.before is None:
            return "create"
        if self.after is None:
            return "delete"
        return "keep" if self.before == self.after else "change"


def check_all(kinds: Mapping[str, Kind], requested: Requested) -> dict[tuple[str, str], Any]:
    """Return the valid objects by section and name; raise one `InputError` that names the flaws of all documents."""
    flaws: list[Flaw] = []
    valid = {}
    for section, documents in requested.items():
        for name, document in documents.items():
            try:
                valid[section, name] = kinds[section].check(name, document)
            except InputError as error:
                flaws += _placed(error, section, name)
    if flaws:
        listed = "; ".join(f"{'.'.join(map(str, flaw.loc))} {flaw.msg}" for flaw in flaws)
        raise InputError(Code.INVALID_CONFIGURATION, f"Nothing was applied: {listed}."[:2_000], flaws=flaws)
    return valid


def apply(
    session: Session, kinds: Mapping[str, Kind], requested: Requested, *, prune: bool, dry_run: bool
) -> list[Change]:
    """Store what was requested, in the caller's transaction, and return every object of its sections.

    prune: delete the other objects of the sections. A dry run does not delete what depends on them, such as alerts; the
    caller rolls it back. Raises `InputError` for invalid documents, `TsadError` for names and prefixes that are taken.
    """
    checked = check_all(kinds, requested)
    concerned = [kind for section, kind in kinds.items() if section in requested]
    before = {kind.section: kind.read(session) for kind in concerned}
    secrets: dict[tuple[str, str], str | None] = {}

    def delete_others(kind: Kind) -> None:
        for name in before[kind.section].keys() - requested[kind.section].keys():
            _placing_errors(kind, name, kind.delete_row if dry_run else kind.delete, session, name)

    for kind in concerned:
        if prune and not kind.is_referred_to:  # first, because it may have a prefix that another gets
            delete_others(kind)
    for kind in concerned:
        for name in requested[kind.section]:
            _placing_errors(kind, name, kind.prepare, session, checked[kind.section, name])
        for name in requested[kind.section]:
            secrets[kind.section, name] = _placing_errors(kind, name, kind.store, session, checked[kind.section, name])
    for kind in concerned:
        if prune and kind.is_referred_to:
            delete_others(kind)
    after = {kind.section: kind.read(session) for kind in concerned}
    return [
        Change(section, name, before[section].get(name), after[section].get(name), secrets.get((section, name)))
        for section in before
        for name in sorted(before[section].keys() | after[section].keys())
    ]


def _placing_errors(kind: Kind, name: str, action: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the store, and let its error say which object is wrong."""
    try:
        return action(*arguments)
    except TsadError as error:
        raise type(error)(error.code, error.detail, flaws=_placed(error, kind.section, name)) from error


def _placed(error: TsadError, section: str, name: str) -> list[Flaw]:
    flaws = error.flaws or (Flaw((), error.detail.rstrip(".")),)
    return [Flaw((section, name, *flaw.loc), flaw.msg) for flaw in flaws]
