"""Bodies of requests and responses about a whole configuration."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas.jobs import one_of
from api.schemas.receivers import ReceiverBody
from api.schemas.requests import Body
from api.schemas.sources import SourceBody
from api.schemas.watching import WatchBody


class ConfigurationBody(Body):
    """Documents by name, in a section for each kind. A section that is missing is left alone."""

    receivers: dict[str, ReceiverBody] | UnsetType = UNSET
    watches: dict[str, WatchBody] | UnsetType = UNSET
    sources: dict[str, SourceBody] | UnsetType = UNSET


class ChangeAnswer(Struct):
    """An object before and after; null where it does not exist."""

    section: Annotated[str, Meta(description="Kind of the object, in the plural")]
    name: Annotated[str, Meta(description="Name of the object")]
    action: Annotated[
        str,
        one_of("create", "change", "delete", "keep"),
        Meta(description="What was done; in a dry run, what would be"),
    ]
    before: Annotated[dict[str, Any] | None, Meta(description="All fields before; null if it did not exist")]
    after: Annotated[dict[str, Any] | None, Meta(description="All fields after; null if it was deleted")]
    secret: Annotated[str, Meta(description="That was created; only this answer shows it")] | UnsetType = UNSET


class AppliedAnswer(Struct):
    """Every object of the sections that the request has."""

    dry_run: Annotated[bool, Meta(description="Whether nothing was changed")]
    changes: Annotated[list[ChangeAnswer], Meta(description="All objects of the sections, ordered by name")]
