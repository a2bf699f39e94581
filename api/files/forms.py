"""JSON as a table: records, columns, and the orients of pandas."""

import json
from collections.abc import Callable

from api.files.json_tables import Json, from_columns, from_records, from_rows, has_lists, is_list_of
from api.files.layouts import layout_of
from api.files.monitoring import elastic, influx, points_objects, prometheus, series_objects
from api.files.table import Table, invalid

_READABLE = (
    "tsad reads JSON as objects or pairs (one per line or in a list), as lists by column, in all orients of pandas, "
    "and as Prometheus, VictoriaMetrics, InfluxDB, OpenTSDB, Graphite and Elasticsearch answer."
)


def parse_json(text: str, name: str) -> Table:
    """Parse JSON or one JSON value per line; raise `InputError` if its form is not known."""
    try:
        return _parsed(text, name)
    except RecursionError:
        raise invalid(f"The JSON of {name} is nested too deeply. {_READABLE}") from None


def _parsed(text: str, name: str) -> Table:
    values, is_lines = _values(text, name)
    if is_lines and all(isinstance(value, dict) for value in values) and not has_lists(values[0]):
        return from_records(values)
    document = values if is_lines else values[0]
    for form in _FORMS:
        if (table := form(document)) is not None:
            return table
    if isinstance(document, list):
        for index, value in enumerate(document):
            if type(value) is not type(document[0]) or not isinstance(value, dict | list):
                raise invalid(f"Record {index + 1} of {name} differs in form from the first one. {_READABLE}")
    raise invalid(f"{name} has no points in a form of JSON that tsad knows. {_READABLE}")


def _values(text: str, name: str) -> tuple[list[Json], bool]:
    """Return the only value, or the values of all lines."""
    try:
        return [_load(text)], False
    except (ValueError, RecursionError) as error:
        problem = error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    values = []
    for number, line in lines:
        try:
            values.append(_load(line))
        except (ValueError, RecursionError) as error:
            if number == lines[0][0]:
                raise invalid(f"{name} is neither JSON nor one JSON value per line: {problem}.") from None
            raise invalid(f"Line {number:,} of {name} is not valid JSON: {error}.") from None
    return values, True


def _load(text: str) -> Json:
    """Parse JSON with numbers as text: a float cannot hold all digits of nanoseconds."""
    return json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return found


def _records_form(document: Json) -> Table | None:
    if is_list_of(document, dict) and not has_lists(document[0]) and "dps" not in document[0]:
        return from_records(document)
    return None


def _record_form(document: Json) -> Table | None:
    """Parse a single point."""
    if isinstance(document, dict) and document and not has_lists(document):
        return from_records([document])
    return None


def _rows_form(document: Json) -> Table | None:
    return from_rows(document) if is_list_of(document, list) else None


def _split_form(document: Json) -> Table | None:
    """Parse `orient="split"` of pandas, of a frame or a series."""
    if not isinstance(document, dict) or not {"index", "data"} <= document.keys():
        return None
    index, data = document["index"], document["data"]
    if not isinstance(index, list) or not isinstance(data, list) or len(index) != len(data):
        return None
    rows = [[key, *(cells if isinstance(cells, list) else [cells])] for key, cells in zip(index, data, strict=True)]
    names = document.get("columns", [document.get("name") or "value"])
    return from_rows(rows, ["", *map(str, names)]) if rows else None


def _table_form(document: Json) -> Table | None:
    """Parse `orient="table"` of pandas."""
    if isinstance(document, dict) and "schema" in document and is_list_of(document.get("data"), dict):
        return from_records(document["data"])
    return None


def _columns_form(document: Json) -> Table | None:
    """Parse lists by column, such as a fit's body, ignoring single values beside them."""
    if not isinstance(document, dict):
        return None
    columns = {
        name: cells for name, cells in document.items() if isinstance(cells, list) and not is_list_of(cells, dict)
    }
    others = [name for name in document if name not in columns]
    if columns and (scalars := [name for name in others if name.lower() in {"value", "values", "timestamps", "time"}]):
        raise invalid(f"{scalars[0]!r} must be a list as long as the others.")
    if len(columns) < 2 and not ({"value", "values"} & columns.keys()):
        return None
    return from_columns(columns, [f"ignored {', '.join(map(repr, others))} beside the columns"] if others else [])


def _mapping_form(document: Json) -> Table | None:
    """Parse a mapping from times to values, and `orient="index"` and `"columns"` of pandas."""
    if not isinstance(document, dict) or not document:
        return None
    if all(_is_time(name) for name in document) and not any(isinstance(value, list) for value in document.values()):
        if not any(isinstance(value, dict) for value in document.values()):
            return from_columns({"time": list(document), "value": list(document.values())})
        if all(isinstance(value, dict) for value in document.values()):
            return from_records([{"": index, **cells} for index, cells in document.items()])
    if all(isinstance(value, dict) for value in document.values()):
        keys = {tuple(cells) for cells in document.values()}
        if len(keys) == 1 and (index := keys.pop()) and all(map(_is_time, index)):
            return from_columns({"": index} | {name: list(cells.values()) for name, cells in document.items()})
    return None


def _wrapped_form(document: Json) -> Table | None:
    """Parse the only list of records or pairs within an object."""
    lists = [(name, v) for name, v in document.items() if isinstance(v, list)] if isinstance(document, dict) else []
    if len(lists) != 1 or not (is_list_of(lists[0][1], dict) or is_list_of(lists[0][1], list)):
        return None
    name, value = lists[0]
    table = points_objects(value) or series_objects(value) or _records_form(value) or _rows_form(value)
    if table is not None:
        others = [other for other in document if other != name]
        table.notes.extend([f"ignored {', '.join(map(repr, others))} beside {name!r}"] if others else [])
    return table


_FORMS: tuple[Callable[[Json], Table | None], ...] = (
    prometheus,
    influx,
    elastic,
    points_objects,
    series_objects,
    _split_form,
    _table_form,
    _columns_form,
    _mapping_form,
    _records_form,
    _rows_form,
    _wrapped_form,
    _record_form,
)


def _is_time(name: str) -> bool:
    shape = name.translate(str.maketrans("123456789", "000000000"))
    return shape.isdecimal() or layout_of(shape) is not None
