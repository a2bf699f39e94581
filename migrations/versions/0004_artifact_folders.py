"""Marks of artifact folders."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE artifact_folders (
  location TEXT NOT NULL,
  mark TEXT NOT NULL,
  CONSTRAINT artifact_folders_pkey PRIMARY KEY (location)
)
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("DROP TABLE artifact_folders")
