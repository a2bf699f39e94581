"""What people found an alert to be, and the note that they left for the next one."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ADDED = """
ALTER TABLE alerts
  ADD COLUMN review TEXT,                              -- NULL: not reviewed
  ADD COLUMN note TEXT DEFAULT '' NOT NULL,
  ADD COLUMN reviewed_at TIMESTAMP WITH TIME ZONE,     -- of the newest change of review or note; NULL: neither is there
  ADD COLUMN reviewed_by TEXT,                         -- id of the key
  ADD CONSTRAINT alerts_review CHECK (review IN ('incident', 'false_alarm', 'expected')),
  ADD CONSTRAINT alerts_note CHECK (length(note) <= 500);
CREATE INDEX alerts_reviewed ON alerts (created_at, id) WHERE review IS NOT NULL;
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(ADDED)


def downgrade() -> None:
    """Drop the reviews with their notes."""
    op.execute(
        "ALTER TABLE alerts DROP COLUMN review, DROP COLUMN note, DROP COLUMN reviewed_at, DROP COLUMN reviewed_by"
    )
