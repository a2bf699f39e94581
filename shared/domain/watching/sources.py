"""A source: which series of another system become series here, and under which ids."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.domain.series import DAY_S
from shared.domain.watching import durations
from shared.domain.watching.documents import NAME, Reader
from shared.domain.watching.labels import Labels, check_template
from shared.errors import Code, Flaw, InputError

DEFAULT_TEMPLATE = "{job}.{instance}.{__name__}.{*}"
VARIABLE = re.compile(r"TSAD_SOURCE_[A-Z0-9_]{1,100}")
STEP_S, EVERY_S, OFFSET_S, HISTORY_S = 60, 60, 30, 28 * 86_400
MAX_QUERIES, MAX_QUERY, MAX_SELECTED = 100, 4_000, 1_000
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


class SourceKind(StrEnum):
    """How the points of a source arrive."""

    REMOTE_WRITE = "remote_write"  # Prometheus sends them
    PROMETHEUS = "prometheus"  # queries fetch them


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and which series each of its results becomes."""

    query: str
    id_template: str
    step_s: int = STEP_S

    def document(self) -> dict[str, Any]:
        """Return the query as people write it."""
        return {"query": self.query, "id_template": self.id_template, "step": durations.written(self.step_s)}


@dataclass(frozen=True, slots=True)
class Source:
    """A valid source. The fields after `id_template` are those of the kind `prometheus`."""

    name: str
    kind: SourceKind
    select: Mapping[str, Sequence[str]] = field(default_factory=dict)  # allowed values by label
    id_template: str = DEFAULT_TEMPLATE
    url: str | None = None
    url_env: str | None = None  # the environment variable with the URL
    token_env: str | None = None  # the environment variable with a bearer token
    queries: Sequence[Query] = ()
    every_s: int = EVERY_S
    offset_s: int = OFFSET_S  # how long the other system may take to have all points
    history_s: int = HISTORY_S
    revision: int = 0

    def selects(self, labels: Labels) -> bool:
        """Whether a series with these labels is one of the source."""
        return all(labels.get(name, "") in allowed for name, allowed in self.select.items())

    def document(self) -> dict[str, Any]:
        """Return the complete document, from which `parse` makes the same source."""
        if self.kind == SourceKind.REMOTE_WRITE:
            select = {name: value[0] if len(value) == 1 else list(value) for name, value in self.select.items()}
            return {"kind": str(self.kind), "select": select, "id_template": self.id_template}
        secrets = {"url": self.url, "url_env": self.url_env, "token_env": self.token_env}
        return {
            "kind": str(self.kind),
            **{name: value for name, value in secrets.items() if value is not None},
            "queries": [query.document() for query in self.queries],
            "every": durations.written(self.every_s),
            "offset": durations.written(self.offset_s),
            "history": durations.written(self.history_s),
        }


def check_source_name(name: str) -> str:
    """Return the name of a source; raise `InputError` if it is invalid."""
    if not NAME.fullmatch(name):
        reason = "The name of a source has 1 to 100 letters, digits, dots, dashes and underscores."
        raise InputError(Code.INVALID_SOURCE, reason, flaws=[Flaw(("name",), reason)])
    return name


def parse(name: str, document: object, *, max_history_s: int, revision: int = 0, stored: bool = False) -> Source:
    """Return the source of a document; raise an `InputError` that names each wrong field.

    stored: the document was valid when it was stored, maybe by another release: ignore unknown fields.
    """
    reader = _SourceReader(Code.INVALID_SOURCE, "The source")
    kind = document.get("kind") if isinstance(document, Mapping) else None
    if kind not in list(SourceKind):  # not a set: the document may hold anything
        reader.flaw(("kind",), f"must be one of {', '.join(SourceKind)}")
        reader.check()
    if kind == SourceKind.REMOTE_WRITE:
        fields = reader.fields(document, (), ("kind", "select", "id_template"), ignore=stored)
        source = Source(
            name,
            SourceKind.REMOTE_WRITE,
            select=reader.select(fields),
            id_template=reader.template(fields, ("id_template",), DEFAULT_TEMPLATE),
            revision=revision,
        )
    else:
        known = ("kind", "url", "url_env", "token_env", "queries", "every", "offset", "history")
        fields = reader.fields(document, (), known, ignore=stored)
        source = Source(
            name,
            SourceKind.PROMETHEUS,
            url=reader.url(fields),
            url_env=reader.variable(fields, "url_env"),
            token_env=reader.variable(fields, "token_env"),
            queries=reader.queries(fields, ignore=stored),
            every_s=reader.duration(fields, ("every",), EVERY_S, 1, DAY_S),
            offset_s=reader.duration(fields, ("offset",), OFFSET_S, 0, DAY_S),
            history_s=reader.duration(fields, ("history",), min(HISTORY_S, max_history_s), 0, max_history_s),
            revision=revision,
        )
    reader.check()
    return source


class _SourceReader(Reader):
    """Reads the fields of a source."""

    def select(self, fields: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        value = fields.get("select", {})
        if not isinstance(value, Mapping):
            self.flaw(("select",), "must be an object with label names and their values, as in {'job': 'node'}")
            return {}
        selected = {}
        for label, wanted in value.items():
            allowed = [wanted] if isinstance(wanted, str) else wanted
            if not _LABEL.fullmatch(str(label)):
                self.flaw(("select", str(label)[:64]), "is not the name of a label")
            elif (
                not isinstance(allowed, Sequence)
                or not 1 <= len(allowed) <= MAX_SELECTED
                or not all(isinstance(one, str) and len(one) <= MAX_QUERY for one in allowed)
            ):
                self.flaw(("select", str(label)), f"must be a text, or a list of 1 to {MAX_SELECTED:,} texts")
            else:
                selected[str(label)] = tuple(allowed)
        return selected

    def template(self, fields: Mapping[str, Any], loc: tuple[str, ...], default: str | None = None) -> str:
        value = fields.get("id_template", default)
        if reason := check_template(value):
            self.flaw(loc, reason)
            return DEFAULT_TEMPLATE
        return str(value)

    def url(self, fields: Mapping[str, Any]) -> str | None:
        value = fields.get("url")
        if (value is None) == (fields.get("url_env") is None):
            self.flaw(("url",), "or url_env is required, and only one of them")
        elif value is not None and not (isinstance(value, str) and len(value) <= 2_000 and _URL.fullmatch(value)):
            reason = "must be http://host:port or https://host:port, maybe with a path, but without credentials"
            self.flaw(("url",), f"{reason} or a query string: put a URL with secrets into a variable (url_env)")
        return value if isinstance(value, str) else None

    def variable(self, fields: Mapping[str, Any], name: str) -> str | None:
        """Return the name of an environment variable."""
        value = fields.get(name)
        if value is not None and not (isinstance(value, str) and VARIABLE.fullmatch(value)):
            self.flaw((name,), "must be the name of an environment variable that begins with TSAD_SOURCE_")
            return None
        return value

    def queries(self, fields: Mapping[str, Any], *, ignore: bool) -> Sequence[Query]:
        value = fields.get("queries")
        if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= MAX_QUERIES:
            self.flaw(("queries",), f"must be a list of 1 to {MAX_QUERIES} queries")
            return ()
        found = []
        for place, item in enumerate(value):
            loc = ("queries", str(place))
            inner = self.fields(item, loc, ("query", "id_template", "step"), ignore=ignore)
            text = inner.get("query")
            if not isinstance(text, str) or not text.strip() or len(text) > MAX_QUERY:
                self.flaw((*loc, "query"), f"must be a PromQL expression of at most {MAX_QUERY:,} characters")
                continue
            template = self.template(inner, (*loc, "id_template"))
            found.append(Query(text, template, self.duration(inner, (*loc, "step"), STEP_S, 1, DAY_S)))
        return tuple(found)
