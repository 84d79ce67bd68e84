"""`palmares models`: flag, withdraw or rename a model, take that back, and list what was decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palmares.cli.options import AsJson, Home
from palmares.cli.output import console
from palmares.cli.requests.addresses import WHERE, HubOption, StoreOption, find_addresses, open_services
from palmares.cli.requests.complaints import unusable_input_is_told, who

if TYPE_CHECKING:
    from palmares.leaderboard.submissions.moderation import Moderation

app = typer.Typer(no_args_is_help=True, help="What people decide about models; every decision is kept.")

Model = Annotated[str, typer.Argument(metavar="MODEL", help="organisation/name")]
Reason = Annotated[str, typer.Option(help="A sentence; readers of the leaderboard see it.")]
Link = Annotated[str | None, typer.Option(help="Where it was discussed: http(s)://…")]
By = Annotated[str | None, typer.Option(help="Who decides.", show_default="your user name")]


def register(main: typer.Typer) -> None:
    main.add_typer(app, name="models")


@app.command(epilog=WHERE)
def flag(
    model_id: Model,
    reason: Reason,
    link: Link = None,
    by: By = None,
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Flag a model: it stays on the leaderboard, marked, with the reason."""
    _decide(
        "flagged", model_id, reason=reason, link=link, by=by, hub=hub, store=store, home=home, as_json=as_json
    )


@app.command(epilog=WHERE)
def unflag(
    model_id: Model,
    reason: Reason,
    link: Link = None,
    by: By = None,
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take a flag back."""
    _decide(
        "lifted", model_id, reason=reason, link=link, by=by, hub=hub, store=store, home=home, as_json=as_json,
        lifts="flagged",
    )  # fmt: skip


@app.command(epilog=WHERE)
def withdraw(
    model_id: Model,
    reason: Reason,
    link: Link = None,
    by: By = None,
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw a model: it is not evaluated, its open requests are CANCELLED, its job is stopped."""
    _decide(
        "withdrawn", model_id, reason=reason, link=link, by=by, hub=hub, store=store, home=home,
        as_json=as_json,
    )  # fmt: skip


@app.command(epilog=WHERE)
def reinstate(
    model_id: Model,
    reason: Reason,
    link: Link = None,
    by: By = None,
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take a withdrawal back; its requests stay CANCELLED until they are submitted again."""
    _decide(
        "lifted", model_id, reason=reason, link=link, by=by, hub=hub, store=store, home=home, as_json=as_json,
        lifts="withdrawn",
    )  # fmt: skip


@app.command(epilog=WHERE)
def rename(
    model_id: Model,
    new_model_id: Annotated[str, typer.Argument(metavar="NEW", help="The name that it has now.")],
    reason: Reason,
    link: Link = None,
    by: By = None,
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Note that a model has another name: its results and its history stay, open requests follow."""
    _decide(
        "renamed", model_id, new_model_id=new_model_id, reason=reason, link=link, by=by, hub=hub, store=store,
        home=home, as_json=as_json,
    )  # fmt: skip


@app.command("list", epilog=WHERE)
def list_decisions(
    hub: HubOption = None, store: StoreOption = None, home: Home = None, as_json: AsJson = False
) -> None:
    """List what holds: flagged, withdrawn and renamed models."""
    with unusable_input_is_told():
        addresses = find_addresses(hub=hub, store=store, home=home)
        with open_services(addresses) as services:
            held = services.store.moderation.current()
    rows = [_json(one) for _, one in sorted(held.items())]
    if as_json:
        print(json.dumps({"models": rows}, indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    from palmares.cli.output import printable

    table = Table(title="Decisions", title_justify="left")
    for heading in ("Model", "Decision", "New name", "Reason", "Link", "By", "At"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        cells = (
            row[name] or "" for name in ("model_id", "action", "new_model_id", "reason", "link", "by", "at")
        )
        table.add_row(*(printable(cell) for cell in cells))
    console.print(table, soft_wrap=False)


def _decide(
    action: str,
    model_id: str,
    *,
    reason: str,
    link: str | None,
    by: str | None,
    hub: str | None,
    store: str | None,
    home: Path | None,
    as_json: bool,
    new_model_id: str | None = None,
    lifts: str | None = None,
) -> None:
    with unusable_input_is_told():
        person = who(by)
        from palmares.leaderboard.submissions.moderation import Moderation, ModerationAction, checked
        from palmares.steps.requests.moderation import check_lifts, moderate, now

        decision = checked(
            Moderation(
                model_id=model_id,
                action=ModerationAction(action),
                reason=reason,
                link=link,
                new_model_id=new_model_id,
                at=now(),
                by=person,
            )
        )
        addresses = find_addresses(hub=hub, store=store, home=home)
        with open_services(addresses) as services:
            if lifts is not None:
                check_lifts(services, decision, ModerationAction(lifts))
            done = moderate(services, decision)
    if as_json:
        answer = _json(decision) | {
            "is_new": done.is_new,
            "requests": list(done.requests),
            "cancelled": list(done.cancelled),
        }
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    name = f"{model_id} → {new_model_id}" if new_model_id else model_id
    console.print(f"{name}: {action if lifts is None else f'no longer {lifts}'}", markup=False)
    if not done.is_new:
        console.print("It was so already: nothing was added.")
    else:
        console.print("Readers see it once publish_leaderboard has run.")
    for path in done.requests:
        console.print(f"  request {path}", markup=False)
    for one in done.cancelled:
        console.print(f"  evaluation of {one} is closed; reconcile_requests stops its job", markup=False)


def _json(one: Moderation) -> dict[str, Any]:
    return {
        "model_id": one.model_id,
        "action": one.action.value,
        "reason": one.reason,
        "link": one.link,
        "new_model_id": one.new_model_id,
        "at": one.at.isoformat(),
        "by": one.by,
    }
