"""How long an attempt was in progress: the ledger counts failed ones, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "attempts",
        sa.Column("ran_s", sa.Float(), nullable=True, comment="seconds in progress; null: nobody knows"),
    )


def downgrade() -> None:
    op.drop_column("attempts", "ran_s")
