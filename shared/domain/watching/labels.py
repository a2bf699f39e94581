"""Ids of series that other systems name by labels: a template says how labels become an id."""

import re
from collections.abc import Mapping
from hashlib import sha256

MAX_ID, HASH_DIGITS = 128, 8
NAME = "__name__"  # the label with the name of a metric
MISSING = "_"  # instead of a label that a series does not have
OTHERS = "*"  # the values of all labels that the template does not name, in the order of their names
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*|\*)\}")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]|(?<=\.)\.")  # `..` could leave a folder

Labels = Mapping[str, str]


def check_template(template: object) -> str | None:
    """Return what is wrong with a template of ids; None: nothing."""
    if not isinstance(template, str) or not 1 <= len(template) <= 500:
        return "must be a text of 1 to 500 characters, as in {job}.{instance}.{__name__}"
    if not _FIELD.search(template):
        return "must name at least one label, as in {instance}, or {*}: otherwise all series would have the same id"
    if set(_FIELD.sub("", template)) & set("{}"):
        return "has braces that do not enclose the name of a label, as in {instance}"
    return None


def id_of(template: str, labels: Labels) -> str:
    """Return the id of a series.

    `{*}` stands for all labels that the template does not name. Each character that an id cannot have becomes `_`. A
    longer id is cut, and ends with a hash of all of it.
    """
    named = set(_FIELD.findall(template))
    others = ".".join(value for name, value in sorted(labels.items()) if name not in named)
    if OTHERS in named and not others:
        template = template.replace(".{*}", "").replace("{*}", "") or MISSING
    full = _FIELD.sub(lambda match: others if match[1] == OTHERS else labels.get(match[1]) or MISSING, template)
    series_id = _FORBIDDEN.sub("_", full)
    if len(series_id) > MAX_ID:
        digest = sha256(full.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
        series_id = f"{series_id[: MAX_ID - HASH_DIGITS - 1]}-{digest}"
    return MISSING if series_id == "." else series_id


def shown(labels: Labels, limit: int = 300) -> str:
    """Return labels as Prometheus writes them, for a sentence."""
    others = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != NAME)
    text = labels.get(NAME, "") + (f"{{{others}}}" if others else "")
    return text if len(text) <= limit else f"{text[:limit]}…"
