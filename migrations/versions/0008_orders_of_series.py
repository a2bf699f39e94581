"""Indexes for the orders of the start page: newest, longest or most flagged first."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The negative numbers let keys and ids ascend together, so that one comparison of rows finds the next page.
CREATED = """
CREATE INDEX versions_newest ON versions (created_at, series_id) INCLUDE (version);
CREATE INDEX versions_longest ON versions ((-points), series_id) INCLUDE (version);
CREATE INDEX versions_most_flagged ON versions ((-anomaly_share), series_id) INCLUDE (version);
"""

DROPPED = """
DROP INDEX versions_newest, versions_longest, versions_most_flagged;
"""


def upgrade() -> None:
    """Create the indexes."""
    op.execute(CREATED)


def downgrade() -> None:
    """Drop the indexes."""
    op.execute(DROPPED)
