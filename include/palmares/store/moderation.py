"""What people decided about models, every decision kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from palmares.leaderboard.submissions.moderation import Moderation, ModerationAction, checked, follow
from palmares.store import schema
from palmares.store.database import Database
from palmares.store.outbox.queue import OutboxEntry, insert_entries
from palmares.store.values import utc_times

log = logging.getLogger(__name__)

_MODERATION = schema.moderation


class ModerationLog:
    """Rows of `moderation`: one a decision, never changed; the last one of a name holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(self, decision: Moderation, *, entries: Sequence[OutboxEntry] = ()) -> bool:
        """Note a decision, and what follows for the model's other names.

        Args:
            decision: What a person decided.
            entries: Added to the outbox in the same transaction, if the decision is new.

        Returns:
            False if it held already.

        Raises:
            ModerationError: It is unusable, or contradicts what holds.
        """
        decision = checked(decision)
        with self._database.transaction() as connection:
            # One decision at a time: each is judged by those before it. Readers are not stopped.
            connection.execute(text("LOCK TABLE moderation IN SHARE ROW EXCLUSIVE MODE"))
            added = follow(_holding(connection), decision)
            for one in added:
                connection.execute(_MODERATION.insert().values(_row(one)))
            if added:
                insert_entries(connection, entries)
        for one in added:
            log.info("%s: %s by %s", one.model_id, one.action, one.by)
        return bool(added)

    def current(self) -> Mapping[str, Moderation]:
        """The decision that holds for each name; names whose flag or withdrawal was lifted are left out."""
        with self._database.transaction() as connection:
            return _holding(connection)

    def history(self, model_id: str) -> Sequence[Moderation]:
        """Every decision about a name, oldest first."""
        query = select(_MODERATION).where(_MODERATION.c.model_id == model_id).order_by(_MODERATION.c.id)
        with self._database.transaction() as connection:
            return [_decision(row) for row in connection.execute(query)]


def _holding(connection: Connection) -> dict[str, Moderation]:
    query = (
        select(_MODERATION)
        .ext(distinct_on(_MODERATION.c.model_id))
        .order_by(_MODERATION.c.model_id, _MODERATION.c.id.desc())
    )
    decisions = [_decision(row) for row in connection.execute(query)]
    return {one.model_id: one for one in decisions if one.action is not ModerationAction.LIFTED}


def _row(decision: Moderation) -> dict[str, Any]:
    return {
        "model_id": decision.model_id,
        "action": decision.action.value,
        "reason": decision.reason,
        "link": decision.link,
        "new_model_id": decision.new_model_id,
        "at": decision.at,
        "by": decision.by,
    }


def _decision(row: Row[Any]) -> Moderation:
    values = utc_times(row._mapping)
    values.pop("id")
    values["action"] = ModerationAction(values["action"])
    return Moderation(**values)
