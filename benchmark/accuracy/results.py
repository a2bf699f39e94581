"""The results file: sections of rows, one row per line, so that diffs are readable."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

FILE = Path(__file__).resolve().parents[1] / "results/accuracy.json"

Key = tuple[str | int, ...]
Figures = dict[str, list[float | None]]


@dataclass(frozen=True, slots=True)
class Section:
    """Rows by key; each row holds figures under one or more headings."""

    keys: tuple[str, ...]
    columns: tuple[str, ...]
    rows: dict[Key, Figures] = field(default_factory=dict)

    def put(self, key: Key, heading: str, figures: Sequence[float | None]) -> None:
        """Replace the figures under one heading of a row."""
        rounded = [None if figure is None else float(f"{figure:.4g}") for figure in figures]
        self.rows.setdefault(key, {})[heading] = rounded


@dataclass(frozen=True, slots=True)
class Results:
    """All sections, by name."""

    sections: dict[str, Section]

    @classmethod
    def read(cls, sections: dict[str, Section], file: Path = FILE) -> Self:
        """Read the results of earlier runs, for sections whose keys and columns are unchanged."""
        earlier = json.loads(file.read_text()) if file.exists() else {}
        for name, section in sections.items():
            content = earlier.get(name, {})
            if (content.get("keys"), content.get("columns")) == (list(section.keys), list(section.columns)):
                for row in content["rows"]:
                    section.rows[tuple(row["of"])] = row["figures"]
        return cls(sections)

    def write(self, file: Path = FILE) -> None:
        """Write the file, one line per row, in order."""
        parts = []
        for name, section in self.sections.items():
            rows = [
                json.dumps({"of": key, "figures": dict(sorted(figures.items()))})
                for key, figures in sorted(section.rows.items())
            ]
            head = f'"keys": {json.dumps(section.keys)}, "columns": {json.dumps(section.columns)}'
            lines = ",\n".join(rows)
            parts.append(f'"{name}": {{{head}, "rows": [\n{lines}\n]}}')
        file.parent.mkdir(exist_ok=True)
        file.write_text("{\n" + ",\n".join(parts) + "\n}\n")
