"""Commits to the Hub, noted before they are sent, and what stands in the way of each repository."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hub_commits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False, comment="in the commit's description"),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("entry_ids", ARRAY(sa.BigInteger()), nullable=False, comment="of the outbox"),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="sent", nullable=False),
        sa.Column("oid", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('sent', 'made', 'void')", name=op.f("ck_hub_commits_status")),
        sa.CheckConstraint("(status = 'made') = (oid IS NOT NULL)", name=op.f("ck_hub_commits_made_has_oid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_commits")),
        sa.UniqueConstraint("mark", name=op.f("uq_hub_commits_mark")),
    )
    op.create_index("ix_hub_commits_endpoint_sent_at", "hub_commits", ["endpoint", "sent_at"], unique=False)
    op.create_index(
        "ix_hub_commits_sent",
        "hub_commits",
        ["repo_id"],
        unique=False,
        postgresql_where=sa.text("status = 'sent'"),
    )
    op.create_table(
        "hub_repositories",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=False),
        sa.Column("last_commit", sa.Text(), nullable=True, comment="of ours"),
        sa.Column("last_commit_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("obstacle", sa.Text(), nullable=True, comment="why nothing is written now"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(obstacle IS NULL) = (reason IS NULL) AND (obstacle IS NULL) = (since IS NULL)",
            name=op.f("ck_hub_repositories_obstacle_has_reason"),
        ),
        sa.PrimaryKeyConstraint("endpoint", "repo_id", name=op.f("pk_hub_repositories")),
    )


def downgrade() -> None:
    for table in ("hub_repositories", "hub_commits"):
        op.drop_table(table)
