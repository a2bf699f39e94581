"""Points without a foreign key: its check of each point took half of the time of storing it.

Points are inserted only while the row of their stream is locked and not deleted, and that row is deleted after them.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

DROPPED = """
ALTER TABLE points DROP CONSTRAINT points_series_no_fkey;
"""

CREATED = """
ALTER TABLE points ADD CONSTRAINT points_series_no_fkey FOREIGN KEY (series_no) REFERENCES streams (no);
"""


def upgrade() -> None:
    """Drop the foreign key."""
    op.execute(DROPPED)


def downgrade() -> None:
    """Create the foreign key."""
    op.execute(CREATED)
