"""YAML files that people write, with the line of each field, so that a message can say where it is wrong.

Scalars are those of YAML 1.2: `off` and `12:30` are text, not False and 750 as in YAML 1.1.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from shared.errors import Code, Flaw, InputError

Loc: TypeAlias = tuple[str | int, ...]

MAX_NODES = 100_000  # aliases can make a short file long
TAG = "tag:yaml.org,2002:"
MERGE, TEXT = f"{TAG}merge", f"{TAG}str"
_VARIABLE = re.compile(r"\$\{\w+\}")
_SCALARS: Mapping[str, Callable[[str], Any]] = {
    TEXT: str,
    f"{TAG}null": lambda _: None,
    f"{TAG}bool": lambda text: text.lower() == "true",
    f"{TAG}int": lambda text: int(text, 0) if text[1:2] in ("x", "o") else int(text),
    f"{TAG}float": float,
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML names it


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(slots=True)
class Document:
    """The value of a file, and the line of each key and item, from 1."""

    name: str
    value: Any = None
    lines: dict[Loc, int] = field(default_factory=dict)

    def line(self, loc: Sequence[str | int]) -> int:
        """Return the line of a place, or of the closest one around it."""
        lines = {tuple(map(str, steps)): line for steps, line in self.lines.items()}  # the service may write "0" for 0
        steps = tuple(map(str, loc))
        return next(lines[steps[:end]] for end in range(len(steps), -1, -1) if steps[:end] in lines)

    def error(self, flaws: Sequence[Flaw], code: Code = Code.INVALID_CONFIGURATION) -> InputError:
        """Create the error that names each flaw with its line."""
        placed = sorted((self.line(flaw.loc), ".".join(map(str, flaw.loc)) or "the file", flaw.msg) for flaw in flaws)
        return InputError(code, "\n".join(f"{self.name}:{line}: {place} {reason}." for line, place, reason in placed))


def read_document(name: str, content: str) -> Document:
    """Read a file; raise an `InputError` that names each line that cannot be read as JSON could.

    No variable is replaced: `${NAME}` is an error, because a secret would otherwise end up in the service unnoticed.
    """
    document = Document(name)
    reader = _Reader(document)
    try:
        node = yaml.compose(content, Loader=_Loader)
        if node is not None:
            document.value = reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        reason = error.problem or error.context or ""
        advice = " Indent with spaces, not with tabs." if "'\\t'" in reason else ""
        sentence = f"{name}:{line}: This is not valid YAML: {reason}.{advice}"
        raise InputError(Code.INVALID_CONFIGURATION, sentence) from None
    except yaml.YAMLError as error:
        sentence = f"{name} is not valid YAML: {str(error).splitlines()[0]}."
        raise InputError(Code.INVALID_CONFIGURATION, sentence) from None
    except RecursionError:
        raise InputError(Code.INVALID_CONFIGURATION, f"{name} is nested too deeply.") from None
    document.lines.setdefault((), 1)
    if reader.flaws:
        raise document.error(reader.flaws)
    return document


class _Reader:
    """Turns nodes into values, notes their lines, and collects what is wrong."""

    def __init__(self, document: Document) -> None:
        self.flaws: list[Flaw] = []
        self._document = document
        self._count = 0
        self._inside: list[Node] = []

    def value(self, node: Node, loc: Loc) -> Any:
        self._count += 1
        self._document.lines.setdefault(loc, node.start_mark.line + 1)
        if self._count > MAX_NODES or any(node is outer for outer in self._inside):
            raise self._document.error([Flaw(loc, "makes the file endless, or too long")])
        if isinstance(node, ScalarNode):
            return self._scalar(node, loc)
        if node.tag not in (f"{TAG}map", f"{TAG}seq"):
            self.flaws.append(Flaw(loc, f"has the tag {node.tag}, which is not supported"))
        self._inside.append(node)
        if isinstance(node, MappingNode):
            result: Any = self._mapping(node, loc)
        else:
            result = [self.value(item, (*loc, place)) for place, item in enumerate(node.value)]
        self._inside.pop()
        return result

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        """Return the fields of a mapping; its own come before those that `<<` adds."""
        result: dict[str, Any] = {}
        for merged in reversed([value for key, value in node.value if key.tag == MERGE]):
            for part in reversed(merged.value if isinstance(merged, SequenceNode) else [merged]):
                fields = self.value(part, loc)
                if isinstance(fields, dict):
                    result |= fields
                else:
                    self.flaws.append(Flaw(loc, "merges what has no fields, with <<"))
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == MERGE:
                continue
            if not isinstance(key, ScalarNode):
                self.flaws.append(Flaw(loc, "has a key that is not text"))
                continue
            name, line = key.value, key.start_mark.line + 1
            if name in lines:
                self.flaws.append(Flaw((*loc, name), f"is given twice: the other is in line {lines[name]}"))
            lines[name] = self._document.lines[*loc, name] = line
            result[name] = self.value(value, (*loc, name))
        return result

    def _scalar(self, node: ScalarNode, loc: Loc) -> Any:
        if node.tag not in _SCALARS:
            self.flaws.append(Flaw(loc, f"has the tag {node.tag}, which is not supported"))
            return None
        if variable := _VARIABLE.search(node.value):
            reason = (
                f"has {variable[0]}, but variables are not replaced: keep a secret URL in a variable of the service"
            )
            self.flaws.append(Flaw(loc, f"{reason}, and name it with url_env"))
        try:
            value = _SCALARS[node.tag](node.value)
        except ValueError:
            self.flaws.append(Flaw(loc, f"is not a valid value of the tag {node.tag}"))
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.flaws.append(Flaw(loc, "is too large a number"))
        return value
