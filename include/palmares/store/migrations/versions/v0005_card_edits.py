"""A third kind of outbox entry: an edit of a dataset's card."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_outbox_kind"), "outbox", type_="check")
    op.create_check_constraint(
        op.f("ck_outbox_kind"), "outbox", "kind IN ('put', 'edit_request', 'edit_card')"
    )


def downgrade() -> None:
    # A card is made anew by the next rebuild: nothing is lost with its entries.
    op.execute("DELETE FROM outbox WHERE kind = 'edit_card'")
    op.drop_constraint(op.f("ck_outbox_kind"), "outbox", type_="check")
    op.create_check_constraint(op.f("ck_outbox_kind"), "outbox", "kind IN ('put', 'edit_request')")
