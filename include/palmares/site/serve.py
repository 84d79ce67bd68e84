"""Serves the site: ``python -m palmares.site.serve --settings site.yaml``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from palmares.leaderboard.errors import LeaderboardError
from palmares.leaderboard.settings import load_settings
from palmares.site.app import create_app
from palmares.site.settings import SiteSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m palmares.site.serve", description=__doc__)
    parser.add_argument(
        "--settings", type=Path, help="site.yaml; default: derived from the leaderboard's settings"
    )
    parser.add_argument(
        "--hub", default="https://huggingface.co", help="address of the Hub, without --settings"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        leaderboard = load_settings()
        settings = (
            SiteSettings.read(options.settings)
            if options.settings
            else SiteSettings.of(leaderboard, endpoint=options.hub)
        )
        app = create_app(settings, settings=leaderboard)
    except LeaderboardError as error:
        print(error, file=sys.stderr)
        return 2
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", proxy_headers=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
