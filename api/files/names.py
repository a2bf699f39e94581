"""Names that people give to columns of times, values, series and labels."""

import re


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


TIMES = _words_of(
    "timestamp timestamps time times datetime date ts ds t epoch unix when utc _time @timestamp date_time "
    "date/time unixtime unix_time epoch_time unix_timestamp timestamp_utc time_utc utc_time local_time "
    "measured_at recorded_at created_at sampled_at observed_at event_time sample_time period week month day zeit "
    "zeitstempel zeitpunkt datum uhrzeit datum/zeit datum/uhrzeit messzeit heure horodatage date/heure fecha hora "
    "fecha/hora data/ora tijd tijdstip dato tid"
)
_TIME_WORDS = _words_of("timestamp time datetime date epoch unix utc ts zeit zeitstempel datum")
VALUES = _words_of(
    "value values val y v data reading measurement _value wert werte messwert valeur valor valore waarde mesure"
)
_VALUE_WORDS = VALUES - {"y", "v", "data"}
LABELS = frozenset(("label", "is_anomaly", "anomaly", "class"))  # human labels, not measurements
_SERIES_WORDS = _words_of(
    "sensor host hostname device machine instance series metric tag tags location station room channel node id "
    "name unit units einheit field measurement _measurement _field target site asset equipment item variable "
    "parameter sensor_id standort anlage gerät geraet maschine messstelle kanal raum capteur appareil"
)
_ID_WORDS = _words_of("id nr no number num code uuid serial station sensor device host channel zip")
_INDEX_NAMES = frozenset(
    ("", "index", "id", "row", "#", "nr", "no", "no.", "nr.", "lfd", "rowid", "seq", "level_0", "rownum", "row_number")
)
_REMARKS = _words_of(
    "comment comments note notes remark remarks bemerkung kommentar weekday wochentag day quality status state "
    "flag flags error message alarm info event result table"
)
TOTALS = _words_of(
    "total totals sum summe gesamt gesamtsumme average avg mean mittelwert durchschnitt min max minimum maximum "
    "count anzahl moyenne somme end ende eof fin"
)


def plain(name: str) -> str:
    """Return a name in lower case, without a unit in brackets."""
    return re.sub(r"\s*[\[(][^\])]*[\])]\s*$", "", name.lower()).strip().replace(" ", "_")


def words(name: str) -> set[str]:
    """Return the words of a name, also of camel case."""
    spaced = re.sub(r"(?<=[a-zäöü])(?=[A-ZÄÖÜ])", " ", name)
    return {word for word in re.split(r"[\W_\d]+", spaced.lower()) if word}


def is_time(name: str) -> bool:
    """Check for the name of a time column."""
    return plain(name) in TIMES


def hints_at_time(name: str) -> bool:
    """Check for a name with a word for time."""
    return bool(words(name) & _TIME_WORDS)


def is_value(name: str) -> bool:
    """Check for the name of a value column."""
    return plain(name) in VALUES


def hints_at_value(name: str) -> bool:
    """Check for a name with a word for value, such as value_2."""
    return bool(words(name) & _VALUE_WORDS) or is_value(re.sub(r"[_\s]*\d+$", "", name))


def is_label(name: str) -> bool:
    """Check for the name of a column of human labels."""
    return name.lower() in LABELS


def is_index(name: str) -> bool:
    """Check for the name of a column that numbers rows."""
    return name.lower() in _INDEX_NAMES or name.lower().startswith("unnamed: ")


def is_id(name: str) -> bool:
    """Check for a name of a column that identifies something."""
    return bool(words(name) & _ID_WORDS)


def is_series(name: str) -> bool:
    """Check for the name of a column that tells series apart."""
    return bool(words(name) & _SERIES_WORDS) or plain(name) in _SERIES_WORDS


def is_remark(name: str) -> bool:
    """Check for the name of a column whose text does not tell series apart."""
    return plain(name) in _REMARKS
