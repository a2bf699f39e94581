"""What all tables share: names of constraints, and types of columns."""

from sqlalchemy import DateTime, MetaData, Text, text

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ix": "%(table_name)s_%(column_0_name)s",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

CLOCK = text("clock_timestamp()")  # now() does not advance within a transaction
SERIES_ID = Text(collation="C")  # ids are ASCII: with bytewise order, a prefix is a range of the index


def moment() -> DateTime:
    return DateTime(timezone=True)
