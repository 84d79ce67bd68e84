"""Contents of request files, so that a sweep downloads only what changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_blobs",
        sa.Column("oid", sa.Text(), nullable=False, comment="git's hash of the content"),
        sa.Column("repo_id", sa.Text(), nullable=False, comment="the dataset that had it first"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("oid", name=op.f("pk_request_blobs")),
    )
    op.create_index("ix_request_blobs_repo_id", "request_blobs", ["repo_id"], unique=False)


def downgrade() -> None:
    op.drop_table("request_blobs")
