"""What each row counts in a published score: ranks are computed from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "row_scores",
        sa.Column("job_key", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("scorer", sa.Text(), nullable=False, comment="its name, version and hash"),
        sa.Column("row_set", sa.Text(), nullable=False, comment="hash of the row ids"),
        sa.Column("scores", sa.LargeBinary(), nullable=False, comment="float32, by row id"),
        sa.ForeignKeyConstraint(["job_key"], ["evaluations.job_key"], name=op.f("fk_row_scores_job_key")),
        sa.PrimaryKeyConstraint("job_key", "task", name=op.f("pk_row_scores")),
    )


def downgrade() -> None:
    op.drop_table("row_scores")
