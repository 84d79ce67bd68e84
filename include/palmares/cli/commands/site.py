"""`palmares site`: serve the public pages, write them as files, or write the files of a Space."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palmares.cli.output import console

if TYPE_CHECKING:
    from palmares.site.settings import SiteSettings

Hub = Annotated[
    str | None,
    typer.Option(
        "--hub", help="Address of the Hub that is read.", show_default="HF_ENDPOINT, else the stack's"
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="site.yaml.", show_default="derived from the leaderboard's settings"),
]
Home = Annotated[Path | None, typer.Option(help="State folder of the embedded stack.")]


def register(app: typer.Typer) -> None:
    site = typer.Typer(help="The public pages: leaderboard, queue, submissions, API.", no_args_is_help=True)
    for command in (run, build, export, token):
        site.command(command.__name__)(command)
    app.add_typer(site, name="site")


def run(
    hub: Hub = None,
    settings: SettingsFile = None,
    home: Home = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
) -> None:
    """Serve the pages until Ctrl-C. Submissions are open where PALMARES_SITE_HUB_TOKEN is set."""
    import uvicorn

    from palmares.leaderboard.settings import load_settings
    from palmares.site.app import create_app

    app = create_app(_settings(hub, settings, home), settings=load_settings())
    console.print(f"http://{host}:{port}")
    uvicorn.run(app, host=host, port=port, log_level="warning", proxy_headers=True)


def build(
    folder: Annotated[Path, typer.Argument(help="Empty, or written by an earlier build.")],
    hub: Hub = None,
    settings: SettingsFile = None,
    home: Home = None,
) -> None:
    """Write every page as a file, for those who want no server; forms and the API are left out."""
    from palmares.site.static_copy import build as build_pages

    with console.status("Writing pages"):
        count = build_pages(_settings(hub, settings, home), folder)
    console.print(f"{count} pages in {folder}; begin at {folder / 'index.html'}", markup=False)


def export(
    folder: Annotated[Path, typer.Argument(help="Empty, or written by an earlier export.")],
    hub: Hub = None,
    settings: SettingsFile = None,
    home: Home = None,
) -> None:
    """Write the files of a Hugging Face Space of type Docker that serves the pages."""
    from palmares.leaderboard.settings import CONFIG_DIR_VARIABLE, DEFAULT_CONFIG_DIR
    from palmares.site.static_copy import export as export_files

    config = Path(os.environ.get(CONFIG_DIR_VARIABLE) or DEFAULT_CONFIG_DIR)
    export_files(_settings(hub, settings, home), folder, config=config)
    console.print(
        f"A Space's files are in {folder}. Push them to a Space, and set its secrets as README.md says.",
        markup=False,
    )


def token(sender: Annotated[str, typer.Argument(help="Who gets it; shown on requests.")]) -> None:
    """Make a token for a submitter; only its hash is kept, by you."""
    from palmares.leaderboard.errors import SettingsError
    from palmares.site.guard import digest_of

    if not sender.isprintable() or not sender.strip() or set(sender) & set(",:"):
        raise SettingsError(
            f"{sender!r} cannot be a sender's name: leave out commas, colons and control signs."
        )
    made = secrets.token_urlsafe(24)
    console.print(f"For {sender}: {made}", markup=False)
    console.print(f"Add to PALMARES_SITE_SENDER_TOKENS: {sender}:{digest_of(made)}", markup=False)


def _settings(hub: str | None, path: Path | None, home: Path | None) -> SiteSettings:
    from palmares.cli.requests.addresses import hub_address
    from palmares.leaderboard.settings import load_settings
    from palmares.site.settings import SiteSettings

    if path is not None:
        return SiteSettings.read(path)
    return SiteSettings.of(load_settings(), endpoint=hub_address(hub, home))
