"""What people decided about models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "moderation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("new_model_id", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "action IN ('flagged', 'withdrawn', 'renamed', 'lifted')", name=op.f("ck_moderation_action")
        ),
        sa.CheckConstraint(
            "(action = 'renamed') = (new_model_id IS NOT NULL)", name=op.f("ck_moderation_rename_has_name")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moderation")),
    )
    op.create_index("ix_moderation_model_id_id", "moderation", ["model_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("moderation")
