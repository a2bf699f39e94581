"""Index for counting alerts by the day on which they began, and for listing those of a day."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.execute("CREATE INDEX alerts_began ON alerts (started_at) INCLUDE (status, quiet, kind)")


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX alerts_began")
