"""Parquet as a table, read by DuckDB."""

import tempfile
from pathlib import Path

from api.files.table import Column, Table, invalid


def parse_parquet(content: bytes, name: str) -> Table:
    """Parse Parquet with cells as text; raise `InputError` if it is damaged or DuckDB is not installed."""
    try:
        import duckdb  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise invalid("Reading Parquet requires DuckDB: `pip install 'tsad-server[parquet]'` installs it.") from None
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        Path(file.name).write_bytes(content)
        try:
            with duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": 1}) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                relation = connection.read_parquet(file.name)
                names = relation.columns
                cells = relation.select(*(duckdb.ColumnExpression(name).cast("VARCHAR") for name in names)).fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0].replace(file.name, name)
            raise invalid(f"The Parquet file {name} cannot be read: {reason}.") from None
    columns = zip(*cells, strict=True) if cells else ([] for _ in names)
    return Table(
        [
            Column(name, [(cell or "").strip() for cell in column], number)
            for number, (name, column) in enumerate(zip(names, columns, strict=True), 1)
        ],
        range(1, len(cells) + 1),
        decimal=".",
    )
