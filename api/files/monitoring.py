"""JSON of monitoring systems as a table."""

from collections.abc import Iterable, Iterator, Sequence

from api.files.json_tables import Json, from_columns, from_records, from_rows, is_list_of
from api.files.table import Table, invalid

SERIES = "series"  # the column that tells the series of a file apart


def prometheus(document: Json) -> Table | None:
    """Parse the response of a query of Prometheus."""
    data = document.get("data", document) if isinstance(document, dict) else None
    if not isinstance(data, dict) or not is_list_of(data.get("result"), dict):
        return None
    return _several(
        (_label(entry.get("metric")), *_pairs(entry["values"] if "values" in entry else [entry.get("value")]))
        for entry in data["result"]
    )


def series_objects(document: Json) -> Table | None:
    """Parse one object with lists of times and values per series, as VictoriaMetrics and bulk fits write them."""
    objects = document if isinstance(document, list) else [document]
    if not is_list_of(objects, dict):
        return None
    series = []
    for entry in objects:
        by_name = {name.lower(): value for name, value in entry.items()}
        times, values = by_name.get("timestamps"), by_name.get("values")
        if not isinstance(times, list) or not isinstance(values, list):
            return None
        name = next((by_name[key] for key in ("metric", "series_id", "label", "id", "name") if key in by_name), "")
        series.append((_label(name), times, values))
    return _several(series) if len(series) > 1 or "metric" in objects[0] else None


def points_objects(document: Json) -> Table | None:
    """Parse objects with a list of points per series, as Graphite and Datadog write them."""
    objects = document.get("series") if isinstance(document, dict) else document
    if not is_list_of(objects, dict):
        return None
    for key, name, time_at in (("datapoints", "target", 1), ("pointlist", "metric", 0), ("dps", "metric", 0)):
        if all(key in entry for entry in objects):
            pairs = (
                [list(pair) for pair in entry[key].items()] if isinstance(entry[key], dict) else entry[key]
                for entry in objects
            )
            names = (_label([entry.get(name), entry.get("tags")]) for entry in objects)
            return _several((label, *_pairs(points, time_at)) for label, points in zip(names, pairs, strict=True))
    return None


def influx(document: Json) -> Table | None:
    """Parse the results of InfluxQL."""
    if not isinstance(document, dict) or not is_list_of(document.get("results"), dict):
        return None
    lists = [result.get("series") for result in document["results"] if result.get("series") is not None]
    if not lists or not all(is_list_of(series, dict) for series in lists):
        return None
    found = [series for some in lists for series in some]
    if not all(is_list_of(series.get("values"), list) and is_list_of(series.get("columns"), str) for series in found):
        return None
    tables = [(_label([series.get("name"), series.get("tags")]), series) for series in found]
    names = found[0]["columns"]
    if any(series["columns"] != names for series in found):
        raise invalid("The series of this InfluxDB response have different columns. Query one series.")
    rows = [[*row, label] for label, series in tables for row in series["values"]]
    return from_rows(rows, [*names, SERIES])


def elastic(document: Json) -> Table | None:
    """Parse the hits of an Elasticsearch query."""
    hits = document.get("hits") if isinstance(document, dict) else None
    inner = hits.get("hits") if isinstance(hits, dict) else None
    if not is_list_of(inner, dict) or not all(isinstance(hit.get("_source"), dict) for hit in inner):
        return None
    return from_records([hit["_source"] for hit in inner])


def _several(series: Iterable[tuple[str, Sequence[Json], Sequence[Json]]]) -> Table:
    """Make one long table from the name, times and values of each series."""
    names: list[str] = []
    times: list[Json] = []
    values: list[Json] = []
    for name, some_times, some_values in series:
        if len(some_times) != len(some_values):
            raise invalid(f"Series {name!r} has {len(some_times):,} times, but {len(some_values):,} values.")
        names += [name] * len(some_times)
        times += some_times
        values += some_values
    return from_columns({"time": times, "value": values} | ({SERIES: names} if len(set(names)) > 1 else {}))


def _pairs(pairs: Json, time_at: int = 0) -> tuple[list[Json], list[Json]]:
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise invalid("The points of a series must be pairs of a time and a value.")
    return [pair[time_at] for pair in pairs], [pair[1 - time_at] for pair in pairs]


def _label(value: Json) -> str:
    """Return a short name for a series from its labels."""
    return " ".join(_parts(value))


def _parts(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        name = value.get("__name__")
        yield from [str(name)] if name else []
        yield from (f"{key}={label}" for key, label in value.items() if key != "__name__")
    elif isinstance(value, list):
        for item in value:
            yield from _parts(item)
    elif value is not None:
        yield str(value)
