"""Scheduled fits: slots of streams, automatic versions, and alerts about fits that keep failing."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHANGES = """
ALTER TABLE streams
  ADD COLUMN fit_slot BIGINT,                          -- newest slot that was settled: a time, or a number of points
  ADD COLUMN fit_outcome TEXT,                         -- of that slot
  ADD COLUMN fit_detail TEXT,                          -- why it was skipped, refused or failed
  ADD COLUMN fit_settled_at TIMESTAMP WITH TIME ZONE,
  ADD COLUMN fit_failures SMALLINT DEFAULT 0 NOT NULL, -- in a row
  ADD COLUMN refit_revision BIGINT,                    -- of the watch that fit_due_at was planned by
  ADD CONSTRAINT streams_fit_outcome CHECK (
    fit_outcome IN ('requested', 'fitted', 'failed', 'refused', 'skipped', 'cancelled'));
CREATE INDEX streams_fit_requested ON streams (no) WHERE fit_outcome = 'requested';

ALTER TABLE alerts DROP CONSTRAINT alerts_kind, DROP CONSTRAINT alerts_deviation;
ALTER TABLE alerts
  ADD CONSTRAINT alerts_kind CHECK (kind IN ('deviation', 'silence', 'refit_failing')),
  ADD CONSTRAINT alerts_deviation CHECK (
    kind <> 'deviation' OR (points >= 1 AND series_no IS NOT NULL AND peak IS NOT NULL));

-- Whether the scheduler requested the fit: `keep_versions` of a watch concerns only these.
ALTER TABLE versions ADD COLUMN automatic BOOLEAN DEFAULT false NOT NULL;
ALTER TABLE versions DISABLE TRIGGER versions_guard_update;
UPDATE versions v SET automatic = true FROM fit_jobs j WHERE j.id = v.job_id AND j.api_key_id = '-scheduler';
ALTER TABLE versions ENABLE TRIGGER versions_guard_update;
"""

UNDONE = """
ALTER TABLE versions DROP COLUMN automatic;

DELETE FROM alerts WHERE kind = 'refit_failing';
ALTER TABLE alerts DROP CONSTRAINT alerts_kind, DROP CONSTRAINT alerts_deviation;
ALTER TABLE alerts
  ADD CONSTRAINT alerts_kind CHECK (kind IN ('deviation', 'silence')),
  ADD CONSTRAINT alerts_deviation CHECK (
    kind = 'silence' OR (points >= 1 AND series_no IS NOT NULL AND peak IS NOT NULL));

UPDATE streams SET fit_due_at = NULL;                  -- it may be in the future; points note again what is due
ALTER TABLE streams DROP COLUMN fit_slot, DROP COLUMN fit_outcome, DROP COLUMN fit_detail, DROP COLUMN fit_settled_at,
  DROP COLUMN fit_failures, DROP COLUMN refit_revision;
"""


def upgrade() -> None:
    """Add the columns. Streams get their slots from the scheduler."""
    op.execute(CHANGES)


def downgrade() -> None:
    """Drop the columns, and alerts about failing fits."""
    op.execute(UNDONE)
