"""`palmares requests`: the queue and its reasons, one request, a new one, and parked ones that go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palmares.cli.options import AsJson, Home
from palmares.cli.output import console, errors
from palmares.cli.requests.addresses import (
    WHERE,
    Addresses,
    HubOption,
    StoreOption,
    UnusableInputError,
    find_addresses,
    open_services,
)
from palmares.cli.requests.complaints import unusable_input_is_told, who

if TYPE_CHECKING:
    from palmares.cli.requests.jobs import Job
    from palmares.steps.requests.overview import Row
    from palmares.steps.services import Services

app = typer.Typer(no_args_is_help=True, help="The requests dataset: the queue, and what became of others.")


def register(main: typer.Typer) -> None:
    main.add_typer(app, name="requests")


@app.command("list", epilog=WHERE)
def list_requests(
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only with this status; may be given several times.", show_default="what is open"),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the queue in its order: position, estimated start, and why; then what is under way or refused.

    Asks the Hub about every model that waits, as the next sweep will.
    """
    with unusable_input_is_told():
        wanted = _statuses(status)
        addresses = find_addresses(hub=hub, store=store, home=home)
        from palmares.cli.requests.show import show_requests
        from palmares.steps.requests.overview import overview

        with open_services(addresses) as services:
            seen = overview(services)
            jobs = _jobs(addresses, services)
    rows = [row for row in seen.rows if _is_wanted(row, wanted, everything=everything)]
    if as_json:
        print(
            json.dumps(
                {
                    "commit": seen.commit,
                    "next_sweep": seen.next_sweep.isoformat(),
                    "requests": [row.to_json() | {"job": _job_json(jobs.get(row.path))} for row in rows],
                },
                indent=2,
                ensure_ascii=False,
            )
        )
    else:
        show_requests(rows, seen, jobs)


def _jobs(addresses: Addresses, services: Services) -> dict[str, Job]:
    """The live ClearML job of each request that has one, by the request's path."""
    from palmares.cli.requests.jobs import jobs_at

    if addresses.clearml_api is None:
        return {}
    live = jobs_at(addresses.clearml_api, addresses.clearml_keys)
    if live is None:
        errors.print(f"ClearML does not say what runs: {addresses.clearml_api}", style="yellow", markup=False)
        return {}
    return {
        one.request_path: live[one.clearml_task_id]
        for one in services.store.evaluations.find()
        if one.clearml_task_id in live
    }


def _job_json(job: Job | None) -> dict[str, Any] | None:
    if job is None:
        return None
    since = None if job.since is None else job.since.isoformat()
    return {
        "place": job.place,
        "waiting": job.waiting,
        "worker": job.worker or None,
        "since": since,
        "percent": job.percent,
    }


@app.command("show", epilog=WHERE)
def show(
    name: Annotated[
        str, typer.Argument(metavar="MODEL|PATH", help="A model, or the path of a request file.")
    ],
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of a model's requests: place, reasons, evaluations, decisions."""
    with unusable_input_is_told():
        addresses = find_addresses(hub=hub, store=store, home=home)
        from palmares.cli.requests.show import show_request
        from palmares.steps.requests.describe import describe

        with open_services(addresses) as services:
            found = describe(services, name)
        if not found:
            raise UnusableInputError(f"No request names {name!r}. See them all: palmares requests list --all")
    if as_json:
        print(json.dumps({"requests": found}, indent=2, ensure_ascii=False))
        return
    for one in found:
        show_request(one)


@app.command("add", epilog=WHERE)
def add(
    model_id: Annotated[str, typer.Argument(metavar="MODEL", help="organisation/name")],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "main",
    precision: Annotated[str, typer.Option(help="To load it in.")] = "bfloat16",
    weight_type: Annotated[str, typer.Option(help="Original, Adapter or Delta.")] = "Original",
    base_model: Annotated[str | None, typer.Option(help="Of an adapter or a delta.")] = None,
    chat_template: Annotated[
        bool | None,
        typer.Option("--chat-template/--no-chat-template", show_default="the leaderboard's default"),
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Who asks; quotas count it.")] = None,
    model_type: Annotated[str | None, typer.Option(help="As the leaderboard shows it.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask for a new result though there is one.")] = False,
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Submit a model: write its request file, unless a sweep would refuse it. Exit status 2: it would."""
    with unusable_input_is_told():
        addresses = find_addresses(hub=hub, store=store, home=home)
        from palmares.steps.requests.submit import SubmissionRequest, submit

        asked = SubmissionRequest(
            model_id=model_id,
            revision=revision,
            precision=precision,
            weight_type=weight_type,
            base_model=base_model,
            use_chat_template=chat_template,
            sender=sender,
            model_type=model_type,
        )
        with open_services(addresses) as services:
            added = submit(services, asked, again=again)
    answer: dict[str, Any] = {
        "path": added.path,
        "status": added.status.value,
        "is_new": added.is_new,
        "commit": added.commit,
        "revision": added.revision,
    }
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        what = "Submitted" if added.is_new else "Submitted again"
        console.print(
            f"{what}: {added.path} is {added.status.value} (commit {added.commit[:10]}). "
            f"The model's {revision} is {added.revision[:10]} now. "
            f"Its place: palmares requests show {model_id}",
            markup=False,
        )


@app.command("unpark", epilog=WHERE)
def unpark(
    name: Annotated[
        str, typer.Argument(metavar="MODEL|PATH", help="A model, or the path of a request file.")
    ],
    by: Annotated[str | None, typer.Option(help="Who decides.", show_default="your user name")] = None,
    hub: HubOption = None,
    store: StoreOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Let a parked evaluation go on: the next run fetches and grades its results again, and publishes.

    Nothing is computed anew. A gate that still objects parks it again.
    """
    with unusable_input_is_told():
        person = who(by)
        addresses = find_addresses(hub=hub, store=store, home=home)
        from palmares.steps.requests.on_hold import unpark as let_go_on

        with open_services(addresses) as services:
            going_on = let_go_on(services, name, by=person)
        if not going_on:
            raise UnusableInputError(
                f"Nothing of {name!r} is parked. See what is: palmares requests list --status RUNNING"
            )
    if as_json:
        found = [{"job_key": one.job_key, "model": one.model_id, "was": one.reason} for one in going_on]
        print(json.dumps({"unparked": found}, indent=2, ensure_ascii=False))
        return
    for one in going_on:
        console.print(
            f"{one.model_id} at {one.revision[:10]} is looked at again by the next run. "
            f"It was parked: {one.reason}",
            markup=False,
        )


def _statuses(given: list[str] | None) -> frozenset[str] | None:
    from palmares.leaderboard.submissions.request_file import RequestStatus

    known = {*RequestStatus.__members__, "UNREADABLE"}
    wanted = frozenset(one.upper() for one in given or ())
    if unknown := sorted(wanted - known):
        raise UnusableInputError(
            f"There is no status {', '.join(unknown)[:80]}; take one of {sorted(known)}."
        )
    return wanted or None


def _is_wanted(row: Row, wanted: frozenset[str] | None, *, everything: bool) -> bool:
    """Whether a row is listed: by its status, or without one, what is open."""
    if wanted is not None:
        return row.status in wanted
    return (
        everything
        or row.position is not None
        or row.status in {"PENDING", "RERUN", "PENDING_NEW_EVAL", "RUNNING"}
    )
