"""Re-scorings of accepted results, and the scorers that were seen last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rescorings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_key", sa.Text(), nullable=False),
        sa.Column("dag_run_id", sa.Text(), nullable=False),
        sa.Column("scorers", JSONB(none_as_null=True), nullable=False),
        sa.Column("previous_scores", JSONB(none_as_null=True), nullable=False),
        sa.Column("scores", JSONB(none_as_null=True), nullable=True),
        sa.Column("flips", JSONB(none_as_null=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('graded', 'queued', 'published', 'unchanged', 'parked', 'left_alone')",
            name=op.f("ck_rescorings_outcome"),
        ),
        sa.CheckConstraint(
            "outcome IN ('parked', 'left_alone') OR scores IS NOT NULL", name=op.f("ck_rescorings_has_scores")
        ),
        sa.ForeignKeyConstraint(["job_key"], ["evaluations.job_key"], name=op.f("fk_rescorings_job_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescorings")),
        sa.UniqueConstraint("job_key", "dag_run_id", name=op.f("uq_rescorings_job_key")),
    )
    op.create_index("ix_rescorings_dag_run_id", "rescorings", ["dag_run_id"], unique=False)
    op.create_table(
        "scorers",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("dag_run_id", sa.Text(), nullable=False, comment="the run that saw it first"),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("task", name=op.f("pk_scorers")),
    )


def downgrade() -> None:
    op.drop_table("scorers")
    op.drop_table("rescorings")
