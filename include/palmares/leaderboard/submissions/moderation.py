"""What people decided about models (flagged, withdrawn, renamed), and what follows for their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from palmares.leaderboard.errors import ModerationError, RefusedError
from palmares.leaderboard.submissions.names import validate_model_id

LONGEST_REASON = 500
"""Characters: a reason is a sentence in a table."""
LONGEST_LINK = 500


class ModerationAction(StrEnum):
    FLAGGED = "flagged"
    """Stays listed, marked, with the reason."""
    WITHDRAWN = "withdrawn"
    """Not evaluated any more, and listed as withdrawn."""
    RENAMED = "renamed"
    """Has another name on the Hub; what was done under the old one stays."""
    LIFTED = "lifted"
    """A flag or a withdrawal was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderation:
    """One decision about one name of a model."""

    model_id: str
    action: ModerationAction
    reason: str
    link: str | None = None
    """Where it was discussed, an http(s) address."""
    new_model_id: str | None = None
    """Of a rename."""
    at: datetime
    """Aware, UTC."""
    by: str
    """Who decided."""

    def says_the_same(self, other: Moderation) -> bool:
        """Whether both decide the same, whoever said it and when."""
        return replace(self, at=other.at, by=other.by) == other


def checked(moderation: Moderation) -> Moderation:
    """Check what a person typed, and put the reason on one line.

    Raises:
        ModerationError: A name is none, the reason is missing or too long, or the link is no web address.
    """
    for name in (moderation.model_id, moderation.new_model_id):
        if name is not None:
            try:
                validate_model_id(name)
            except RefusedError as error:
                raise ModerationError(error.refusal.message_en) from error
    if (moderation.new_model_id is not None) != (moderation.action is ModerationAction.RENAMED):
        raise ModerationError("A rename has a new name, and nothing else has one. Give both names.")
    reason = " ".join(moderation.reason.split())
    if not reason or not reason.isprintable() or len(reason) > LONGEST_REASON:
        raise ModerationError(
            f"The reason has {len(reason)} characters, or some that cannot be printed. Give a sentence of 1 "
            f"to {LONGEST_REASON} characters: readers of the leaderboard see it."
        )
    return replace(moderation, reason=reason, link=_checked_link(moderation.link))


def _checked_link(link: str | None) -> str | None:
    if link is None or not link.strip():
        return None
    link = link.strip()
    try:
        parts = urlsplit(link)
    except ValueError:
        parts = urlsplit("")
    is_plain = link.isascii() and link.isprintable() and not set(link) & set(" <>\"'`\\()[]|")
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username is not None
        or not is_plain
    ):
        raise ModerationError(
            f"The link {link[:80]!r} is no plain web address. Give an http:// or https:// one, with "
            "brackets, quotes and spaces percent-encoded."
        )
    if len(link) > LONGEST_LINK:
        raise ModerationError(f"The link has {len(link)} characters. Give one of at most {LONGEST_LINK}.")
    return link


def current_name(model_id: str, moderation: Mapping[str, Moderation]) -> str:
    """The name that a model has now: follow its renames."""
    seen = {model_id}
    while (one := moderation.get(model_id)) is not None and one.new_model_id not in {None, *seen}:
        assert one.new_model_id is not None
        model_id = one.new_model_id
        seen.add(model_id)
    return model_id


def former_names(model_id: str, moderation: Mapping[str, Moderation]) -> tuple[str, ...]:
    """Every name that a model had before this one, in alphabetical order."""
    return tuple(
        sorted(name for name in moderation if name != model_id and current_name(name, moderation) == model_id)
    )


def all_names(model_id: str, moderation: Mapping[str, Moderation]) -> frozenset[str]:
    """Every name that a model has or had, whichever of them is asked for."""
    now = current_name(model_id, moderation)
    return frozenset({model_id, now, *former_names(now, moderation)})


def standing(model_id: str, moderation: Mapping[str, Moderation]) -> Moderation | None:
    """The flag or withdrawal that counts for a model, whichever of its names is asked for."""
    found = moderation.get(current_name(model_id, moderation))
    return found if found is not None and found.action is not ModerationAction.RENAMED else None


def follow(known: Mapping[str, Moderation], new: Moderation) -> tuple[Moderation, ...]:
    """Decide what a new decision adds to those that hold.

    A rename carries a flag or a withdrawal over to the new name. Saying again what holds adds nothing.

    Args:
        known: What holds, by name; lifted decisions are not in it.
        new: As :func:`checked` gave it.

    Raises:
        ModerationError: It contradicts what holds.
    """
    held = known.get(new.model_id)
    if held is not None and held.says_the_same(new):
        return ()
    if held is not None and held.action is ModerationAction.RENAMED:
        raise ModerationError(
            f"{new.model_id} is called {current_name(new.model_id, known)} now. Give that name."
        )
    match new.action:
        case ModerationAction.LIFTED:
            return () if held is None else (new,)
        case ModerationAction.FLAGGED:
            if held is not None and held.action is ModerationAction.WITHDRAWN:
                raise ModerationError(
                    f"{new.model_id} is withdrawn ({held.reason}): a flag would evaluate it again. "
                    f"First: palmares models reinstate {new.model_id}"
                )
            return (new,)
        case ModerationAction.RENAMED:
            return _renamed(known, new, held)
        case _:
            return (new,)


def _renamed(
    known: Mapping[str, Moderation], new: Moderation, held: Moderation | None
) -> tuple[Moderation, ...]:
    assert new.new_model_id is not None
    if new.new_model_id == new.model_id:
        raise ModerationError(f"{new.model_id} has this name already. Give the new one.")
    there = known.get(new.new_model_id)
    if there is not None and there.action is ModerationAction.RENAMED:
        if current_name(new.new_model_id, known) != new.model_id:
            raise ModerationError(
                f"{new.new_model_id} is an old name of {current_name(new.new_model_id, known)}. Give the "
                f"name that {new.model_id} has now."
            )
        # It goes back to a name that it had.
        back = held or replace(new, action=ModerationAction.LIFTED, new_model_id=None)
        return (replace(back, model_id=new.new_model_id), new)
    if held is not None and (there is None or held.action is ModerationAction.WITHDRAWN):
        return (replace(held, model_id=new.new_model_id), new)
    return (new,)
