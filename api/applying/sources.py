"""Check a source of points."""

from typing import Any

from shared.domain.access import Caller
from shared.domain.series import DAY_S
from shared.domain.watching.receivers import url_flaw
from shared.domain.watching.sources import Source, check_source_name, parse
from shared.errors import AccessError, Code, Flaw, InputError
from shared.settings import Settings
from shared.urls import networks


def check_caller(caller: Caller) -> None:
    """Raise `AccessError` for a key with a prefix: a source makes series of any id."""
    if caller.series_prefix:
        raise AccessError(
            Code.FORBIDDEN, f"Sources need a key without a prefix; this key sees only {caller.series_prefix!r}."
        )


def check_source(settings: Settings, name: str, document: Any) -> Source:
    """Return the source of a document; raise an `InputError` that names each wrong field."""
    source = parse(check_source_name(name), document, max_history_s=int(settings.keep_points_days * DAY_S))
    if source.url and (flaw := url_flaw(source.url, networks(settings.egress_allow))):
        raise InputError(Code.INVALID_SOURCE, f"The source is invalid: url {flaw}.", flaws=[Flaw(("url",), flaw)])
    return source
