"""First tables: evaluations, attempts, accepted results, refusals and the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evaluations",
        sa.Column("job_key", sa.Text(), nullable=False),
        sa.Column("request_path", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("precision", sa.Text(), nullable=False),
        sa.Column("submission", JSONB(none_as_null=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reached", sa.Text(), nullable=False, comment="last state on the way to published"),
        sa.Column("dag_run_id", sa.Text(), nullable=False, comment="the run that holds the claim"),
        sa.Column("clearml_task_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("plan", JSONB(none_as_null=True), nullable=True),
        sa.Column("failure_class", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("scores", JSONB(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state <> 'published' OR scores IS NOT NULL", name=op.f("ck_evaluations_published_has_scores")
        ),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_evaluations_attempt_from_one")),
        sa.PrimaryKeyConstraint("job_key", name=op.f("pk_evaluations")),
    )
    op.create_index("ix_evaluations_dag_run_id_state", "evaluations", ["dag_run_id", "state"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True, comment="emptied once committed"),
        sa.Column("changes", JSONB(none_as_null=True), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False, comment="of what is to be written"),
        sa.Column("job_key", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it failed"),
        sa.Column("commit_oid", sa.Text(), nullable=True, comment="null when there was nothing to change"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('put', 'edit_request')", name=op.f("ck_outbox_kind")),
        sa.CheckConstraint(
            "status = 'done' OR content IS NOT NULL OR changes IS NOT NULL",
            name=op.f("ck_outbox_has_payload"),
        ),
        sa.CheckConstraint("status IN ('pending', 'done', 'failed')", name=op.f("ck_outbox_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["repo_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "refusals",
        sa.Column("request_path", sa.Text(), nullable=False),
        sa.Column("blob_oid", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message_en", sa.Text(), nullable=False),
        sa.Column("message_fr", sa.Text(), nullable=False),
        sa.Column("dag_run_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "lifted_at", sa.DateTime(timezone=True), nullable=True, comment="the request was admitted later"
        ),
        sa.PrimaryKeyConstraint("request_path", "blob_oid", name=op.f("pk_refusals")),
    )
    op.create_index("ix_refusals_dag_run_id", "refusals", ["dag_run_id"], unique=False)
    op.create_table(
        "accepted_results",
        sa.Column("job_key", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("manifest", JSONB(none_as_null=True), nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("raw_url", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_key"], ["evaluations.job_key"], name=op.f("fk_accepted_results_job_key")
        ),
        sa.PrimaryKeyConstraint("job_key", name=op.f("pk_accepted_results")),
    )
    op.create_table(
        "attempts",
        sa.Column("job_key", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("clearml_task_id", sa.Text(), nullable=False),
        sa.Column("plan", JSONB(none_as_null=True), nullable=False),
        sa.Column("failure_class", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_attempts_attempt_from_one")),
        sa.ForeignKeyConstraint(["job_key"], ["evaluations.job_key"], name=op.f("fk_attempts_job_key")),
        sa.PrimaryKeyConstraint("job_key", "attempt", name=op.f("pk_attempts")),
    )


def downgrade() -> None:
    for table in ("attempts", "accepted_results", "refusals", "outbox", "evaluations"):
        op.drop_table(table)
