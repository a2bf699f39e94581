"""Forms of files that are read without options, each with the exact times and values."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest

from api.files.reading import read
from tests.api.files.history import EXPECTED, HOUR, MOMENTS, START, VALUES, written

ISO = "{t:%Y-%m-%d %H:%M:%S}"
STAMPS = [START + HOUR * hour for hour in range(len(VALUES))]
MILLIS = [str(1000 * stamp) for stamp in STAMPS]
RECORDS = [{"timestamp": 1000 * stamp, "value": value} for stamp, value in zip(STAMPS, VALUES, strict=True)]
PAIRS = [[stamp, value] for stamp, value in zip(STAMPS, VALUES, strict=True)]
TEXT_PAIRS = [[stamp, str(value)] for stamp, value in PAIRS]

DELIMITED = {
    # German, French, British and American exports
    "semicolons and decimal commas": written("{t:%Y-%m-%d %H:%M};{c}", "Zeit;Temperatur"),
    "no header": written("{t:%Y-%m-%d %H:%M};{c}"),
    "German dates": written("{t:%d.%m.%Y %H:%M};{v}", "Datum;Wert"),
    "German dates with seconds and commas": written("{t:%d.%m.%Y %H:%M:%S};{c}", "Datum;Messwert [°C]"),
    "German dates and time columns": written("{t:%d.%m.%Y};{t:%H:%M};{c}", "Datum;Uhrzeit;Wert"),
    "newest first": "Datum;Wert\n" + "".join(reversed(written("{t:%d.%m.%Y %H:%M};{c}").splitlines(keepends=True))),
    "German month names": written(lambda t, v: f"{t.day}. Januar {t:%Y %H:%M};{v}", "Zeit;Wert"),
    "Austrian month names": written(lambda t, v: f"{t.day}. Jänner {t:%Y %H:%M};{v}", "Zeit;Wert"),
    "English month names": written("{t:%d-%b-%Y %H:%M},{v}", "Zeit,Wert"),
    "French month names": written(
        lambda t, v: f"{t.day} janv. {t:%Y, %H:%M};{str(v).replace('.', ',')}", "Date;Valeur"
    ),
    "French hours": written("{t:%d/%m/%Y %Hh%M};{c}", "Date;Valeur"),
    "British days after the twelfth": written("{t:%d/%m/%Y %H:%M},{v}", "date,value"),
    "American dates with AM and PM": written("{t:%m/%d/%Y %I:%M %p},{v}", "timestamp,value"),
    "American dates of Excel": written(lambda t, v: f"{t.month}/{t.day}/{t.year} {t.hour}:{t:%M},{v}", "Time,Value"),
    "quoted decimal commas": written('{t:%Y-%m-%d %H:%M},"{c}"', "time,value"),
    "single quotes are text": written('"{t:%Y-%m-%d %H:%M}","{v}"', '"time","value"'),
    "tabs": written("{t:%Y-%m-%d %H:%M}\t{c}", "Zeit\tWert"),
    "bars": written("{t:%Y-%m-%d %H:%M} | {v}", "time | value"),
    "spaces": written("{e} {v}"),
    "aligned by spaces": written("  {t:%Y-%m-%d %H:%M:%S}   {v}"),
    # formats of times
    "zones": written(lambda t, v: f"{t:%Y-%m-%dT%H:%M:%S}+00:00,{v}", "ds,y"),
    "offsets": written(lambda t, v: f"{t.replace(tzinfo=None)}-0000,{v}", "ds,y"),
    "microseconds": written("{t:%Y-%m-%dT%H:%M:%S}.123456Z,{v}", "Time,Value"),
    "nanoseconds": written("{t:%Y-%m-%dT%H:%M:%S}.123456789Z,{v}", "Time,Value"),
    "some fractions": written(lambda t, v: f"{t:%Y-%m-%dT%H:%M:%S}{'.5' if t.hour % 2 else ''}Z,{v}", "time,value"),
    "comma before the fraction": written('"{t:%Y-%m-%d %H:%M:%S},500",{v}', "time,value"),
    "Go": written("{t:%Y-%m-%d %H:%M:%S} +0000 UTC,{v}", "Time,Value"),
    "Java": written("{t:%Y-%m-%dT%H:%M:%S}Z[UTC],{v}", "Time,Value"),
    "RFC 2822": written('"{t:%a, %d %b %Y %H:%M:%S} GMT",{v}', "date,value"),
    "Apache": written("[{t:%d/%b/%Y:%H:%M:%S} +0000],{v}", "time,value"),
    "date of Unix": written("{t:%a %b %d %H:%M:%S} UTC {t:%Y},{v}", "time,value"),
    "JavaScript": written("{t:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time),{v}", "time,value"),
    "slashes": written("{t:%Y/%m/%d %H:%M},{v}", "time,value"),
    "compact with T": written("{t:%Y%m%dT%H%M%S}Z,{v}", "time,value"),
    "YYYYMMDDhhmm": written("{t:%Y%m%d%H%M},{v}", "timestamp,value"),
    "YYYYMMDDhhmmss": written("{t:%Y%m%d%H%M%S},{v}", "timestamp,value"),
    "seconds": written("{e},{v}"),
    "float seconds": written("{e}.0,{v}", "timestamp,value"),
    "milliseconds": written("{e}000,{v}", "timestamp,value"),
    "microseconds since 1970": written("{e}000000,{v}", "timestamp,value"),
    "nanoseconds since 1970": written("cpu,{e}000000000,{v}", "name,time,value"),
    "value before time": written("{v},{e}", "value,when"),
    "the same time twice": written(ISO + ",{e},{v}", "date,unix,value"),
    "date and time of day": written("{t:%Y-%m-%d},{t:%H:%M:%S},{v}", "Date,Time,Temp"),
    "an id before the time": written(
        lambda t, v: f"{5000 + t.day * 24 + t.hour},{t.timestamp():.0f},{v}", "id,measured_unix,temp"
    ),
    # numbers
    "units in cells": written("{t:%Y-%m-%d %H:%M:%S},{v} °C", '"Time","Temperature"'),
    "percent in cells": written("{t:%Y-%m-%d %H:%M:%S},{v}%", '"Time","CPU"'),
    "units and decimal commas": written("{t:%d.%m.%Y %H:%M};{c} kWh", "Zeit;Verbrauch"),
    "currency": written("{t:%Y-%m-%d %H:%M},${v}", "time,price"),
    "three decimals": written("{e},{v}00", "time,value"),
    "exponents": written(lambda t, v: f"{t.timestamp():.0f},{v:e}", "time,value"),
    # exports of spreadsheets and loggers
    "sep= of Excel": "sep=;\n" + written("boiler;{t:%Y-%m-%dT%H:%M:%S}+00:00;{v}", "Series;Time;Value"),
    "preamble": "Logger 4711\nStation: Süd\n\n" + written(ISO + ";{v}", "Zeit;Wert"),
    "preamble as wide as the data": "Station;Boiler 3\nSerial;4711\n" + written(ISO + ";{v}", "Zeit;Wert"),
    "units below the header": "Time;Value\n;[°C]\n" + written(ISO + ";{v}"),
    "types below the header": "time,value\ndatetime,float\n" + written(ISO + ",{v}"),
    "comment lines": "# exported by logger\n" + written(ISO + ",{v}", "time,value"),
    "comments between rows": written(
        lambda t, v: f"{'# noon' + chr(10) if t.hour == 12 else ''}{t:%Y-%m-%d %H:%M},{v}"
    ),
    "header in a comment": "# time value\n" + written("{e} {v}"),
    "trailing delimiter": written(ISO + ",{v},", "time,value"),
    "trailing delimiter everywhere": written(ISO + ";{c};", "Zeit;Wert;"),
    "total": written(ISO + ",{v}", "time,value", "Total,1512.9"),
    "German total and remark": written(ISO + ";{c}", "Zeit;Wert", "Summe;1512,9\n\nEnde des Exports"),
    "rows of SQL": written(ISO + "|{v}", "time|value", "(72 rows)"),
    "header in the middle": written(ISO + ",{v}", "time,value").replace("2026-01-13 00", "time,value\n2026-01-13 00"),
    "delimiters only": written(ISO + ",{v}", "ds,y") + ",\n",
    "cut off": written(ISO + ",{v}", "ds,y") + "2026-01-15 0",
    "spaces at the end": written(" {t:%Y-%m-%d %H:%M} ; {c}  ", "Zeit ;Wert "),
    "carriage returns": written("{e},{v}", "time,value", end="\r"),
    "mixed line ends": written("{e},{v}", "time,value", end="\r\n").replace("\r\n", "\n", 20),
    "labels": written("0,{v},{e}", "is_anomaly,value,time"),
    "remarks": written(ISO + ",{v},good", "time,value,quality"),
    "sensor ids": written(ISO + ",17,{v}", "timestamp,sensor_id,reading_c"),
    "a gap": written(ISO + ",{v}", "time,value").replace("2026-01-13 05:00", "2026-01-13 05:30:00,\n2026-01-13 05:00"),
    # pandas
    "series to_csv": written(ISO + ",{v}", ",0"),
    "frame to_csv": written("{i}," + ISO + ",{v}", ",timestamp,value"),
    "frame to_csv with a datetime index": written(ISO + ",{v}", ",temperature"),
    "row names of R": written(
        lambda t, v: f'"{(t.day - 12) * 24 + t.hour + 1}","{t:%Y-%m-%d %H:%M}",{v}', '"time","value"'
    ),
    # monitoring
    "Grafana, series joined by time": written("{e}000,{v}", '"Time","boiler"'),
    "Grafana, series as rows": "sep=;\n" + written('"boiler";"{t:%Y-%m-%dT%H:%M:%S}Z";{v}', '"Series";"Time";"Value"'),
    "InfluxDB": written(
        ",_result,0,2026-01-12T00:00:00Z,2026-01-15T00:00:00Z,{t:%Y-%m-%dT%H:%M:%S}Z,{v},temp,boiler,a",
        ",result,table,_start,_stop,_time,_value,_field,_measurement,host",
    ),
    "InfluxDB with annotations": "#group,false,false,true,false,false\n"
    "#datatype,string,long,string,dateTime:RFC3339,double\n#default,_result,,,,\n"
    + written(",,0,a,{t:%Y-%m-%dT%H:%M:%S}Z,{v}", ",result,table,host,_time,_value"),
}

JSON = {
    "NDJSON": "\n".join(map(json.dumps, RECORDS)),
    "NDJSON with nested values": "\n".join(json.dumps({"ts": s, "fields": {"value": v}}) for s, v in PAIRS),
    "NDJSON of pairs": "\n".join(map(json.dumps, PAIRS)),
    "records": json.dumps(RECORDS),
    "indented records": json.dumps(RECORDS, indent=1),
    "dates in records": json.dumps([{"time": t.isoformat(), "temp": v} for t, v in zip(MOMENTS, VALUES, strict=True)]),
    "columns": json.dumps({"timestamps": STAMPS, "values": VALUES}),
    "a fit's body": json.dumps(
        {"timestamps": STAMPS, "values": VALUES, "detector": "robust", "parameters": {"threshold": 3}}, indent=2
    ),
    "orient=split": json.dumps({"columns": ["value"], "index": MILLIS, "data": [[value] for value in VALUES]}),
    "orient=split of a series": json.dumps({"name": "temp", "index": STAMPS, "data": VALUES}),
    "orient=index": json.dumps({ms: {"value": value} for ms, value in zip(MILLIS, VALUES, strict=True)}),
    "orient=index with numbers": json.dumps({str(index): record for index, record in enumerate(RECORDS)}),
    "orient=columns": json.dumps({"value": dict(zip(MILLIS, VALUES, strict=True))}),
    "orient=columns with numbers": json.dumps(
        {name: {str(index): record[name] for index, record in enumerate(RECORDS)} for name in ("timestamp", "value")}
    ),
    "orient=values": json.dumps(PAIRS),
    "orient=table": json.dumps({"schema": {"fields": [{"name": "timestamp"}]}, "data": RECORDS}),
    "a series": json.dumps(dict(zip(MILLIS, VALUES, strict=True))),
    "a series of dates": json.dumps({t.isoformat(): v for t, v in zip(MOMENTS, VALUES, strict=True)}),
    "Prometheus": json.dumps(
        {
            "status": "success",
            "data": {"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": TEXT_PAIRS}]},
        }
    ),
    "VictoriaMetrics": json.dumps(
        {"metric": {"__name__": "temp"}, "values": VALUES, "timestamps": [1000 * stamp for stamp in STAMPS]}
    ),
    "InfluxQL": json.dumps(
        {"results": [{"series": [{"name": "temp", "columns": ["time", "value"], "values": PAIRS}]}]}
    ),
    "OpenTSDB": json.dumps([{"metric": "temp", "tags": {}, "dps": {str(s): v for s, v in PAIRS}}]),
    "Graphite": json.dumps([{"target": "temp", "datapoints": [[value, stamp] for stamp, value in PAIRS]}]),
    "Elasticsearch": json.dumps(
        {
            "hits": {
                "hits": [
                    {"_source": {"@timestamp": t.isoformat(), "temp": v}} for t, v in zip(MOMENTS, VALUES, strict=True)
                ]
            }
        }
    ),
    "records in an object": json.dumps({"count": len(RECORDS), "data": RECORDS}),
}


def pairs(file: Path) -> list[tuple[int, float]]:
    points = read(str(file))
    return list(zip(points.timestamps.tolist(), points.values.tolist(), strict=True))


@pytest.mark.parametrize("form", [*DELIMITED, *JSON])
def test_a_form_is_read_without_options(tmp_path: Path, form: str) -> None:
    file = tmp_path / "points"
    file.write_bytes((DELIMITED | JSON)[form].encode())
    assert pairs(file) == EXPECTED


ENCODED = written("{t:%d.%m.%Y %H:%M}\t{c}", "Zeit\tTemperatur °C", end="\r\n")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ENCODED.encode("utf-8-sig"), id="UTF-8 with a byte order mark"),
        pytest.param(ENCODED.encode("cp1252"), id="Windows-1252"),
        pytest.param(ENCODED.encode("utf-16"), id="UTF-16 with a byte order mark"),
        pytest.param(ENCODED.encode("utf-16-le"), id="UTF-16 LE"),
        pytest.param(ENCODED.encode("utf-16-be"), id="UTF-16 BE"),
        pytest.param(b"\xfe\xff" + ENCODED.encode("utf-16-be"), id="UTF-16 BE with a byte order mark"),
        pytest.param(gzip.compress(ENCODED.encode()), id="gzip"),
        pytest.param(bz2.compress(ENCODED.encode()), id="bzip2"),
        pytest.param(lzma.compress(ENCODED.encode()), id="xz"),
    ],
)
def test_encodings_and_compressions_are_detected(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "points"
    file.write_bytes(content)
    assert pairs(file) == EXPECTED


@pytest.mark.parametrize(
    "column", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP_S", "BIGINT", "VARCHAR"]
)
def test_parquet_is_read_with_times_of_any_type(tmp_path: Path, column: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    file = tmp_path / "points.parquet"
    time = f"epoch(moment)::{column}" if column == "BIGINT" else f"moment::{column}"
    with duckdb.connect() as connection:
        connection.execute(
            "SET TimeZone = 'UTC'; CREATE TABLE points (moment TIMESTAMP, temp DECIMAL(9, 2), host VARCHAR)"
        )
        rows = [(moment.replace(tzinfo=None), value, "a") for moment, value in zip(MOMENTS, VALUES, strict=True)]
        connection.executemany("INSERT INTO points VALUES (?, ?, ?)", rows)
        connection.execute(f"COPY (SELECT {time} AS moment, temp, host FROM points) TO '{file}'")
    assert pairs(file) == EXPECTED
