"""Writes the pages as files, for those who want no server, and the files of a Hugging Face Space."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml
from fastapi.testclient import TestClient

from palmares.leaderboard.errors import SettingsError
from palmares.site.app import STATIC, create_app
from palmares.site.settings import Secrets, SiteSettings
from palmares.texts import Language

MARKER = "palmares-site.txt"
"""Lies in a folder that we wrote: only such a folder, or an empty one, is written over."""
_PAGES = ("/", "/queue", "/charts", "/about", "/embed")
_ADDRESS = re.compile(r'(?P<name>href|src|action|data-source)="(?P<path>/[^"]*)"')


def build(settings: SiteSettings, folder: Path) -> int:
    """Write every page in every language; return how many.

    Forms and comparisons need a server and are left out; addresses are relative, so that the folder can lie
    anywhere.

    Raises:
        SettingsError: *folder* holds something else.
        HubError: The data cannot be read.
    """
    _claim(folder)
    app = create_app(settings.model_copy(update={"refresh_s": 1e9}), secrets_=Secrets())
    written = 0
    with TestClient(app, base_url=settings.base_url or "http://localhost") as client:
        snapshot = app.state.site.source.snapshot()
        addresses = [
            *_PAGES,
            *(f"/models/{name}" for name in dict.fromkeys(row.name for row in snapshot.rows)),
            *(f"/requests/{one.slug}" for one in snapshot.requests),
        ]
        known = {_file(address) for address in addresses}
        for language in settings.languages:
            for address in addresses:
                target = _file(address)
                depth = len(Path(target).parts)
                text = _get(client, address, language)
                _write(folder / language / target, _relative(text, depth=depth, known=known))
                written += 1
            _write(folder / language / "board.json", _relative_json(_get(client, "/board.json", language)))
    shutil.copytree(STATIC, folder / "static", dirs_exist_ok=True)
    first = settings.languages[0]
    _write(
        folder / "index.html",
        f'<!doctype html><meta http-equiv="refresh" content="0; url={first}/index.html">',
    )
    return written


def _get(client: TestClient, address: str, language: Language) -> str:
    answer = client.get(address, params={"lang": language})
    answer.raise_for_status()
    return answer.text


def _file(address: str) -> str:
    return "index.html" if address == "/" else f"{address.strip('/')}.html"


def _relative(text: str, *, depth: int, known: set[str]) -> str:
    """Make addresses of the site relative to a page *depth* levels below the copy's root."""
    up = "../" * depth

    def replaced(match: re.Match[str]) -> str:
        path = match["path"].partition("?")[0]
        if path.startswith("/static/"):
            return f'{match["name"]}="{up}{path[1:]}"'
        home = "../" * (depth - 1)
        if path == "/board.json":
            return f'{match["name"]}="{home}board.json"'
        if (target := _file(path)) in known:
            return f'{match["name"]}="{home}{target}"'
        return f'{match["name"]}="#" data-needs-server="{path}"'

    text = re.sub(
        r'<a href="\?lang=(\w+)"',
        lambda match: f'<a href="{up}{match[1]}/index.html"',
        text,
    )
    return _ADDRESS.sub(replaced, text)


def _relative_json(text: str) -> str:
    return re.sub(r'"url": "/models/([^"]*)"', r'"url": "models/\1.html"', text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


_SPACE_README = """---
title: {title}
emoji: 🏆
colorFrom: blue
colorTo: gray
sdk: docker
app_port: 7860
hf_oauth: true
pinned: true
---

The public pages of {title}. They read `{contents}` and the public datasets beside it.

Secrets, set in the Space's settings: `PALMARES_SITE_HUB_TOKEN` (commits submissions; without it the form is
closed) and `PALMARES_SITE_SECRET` (signs forms).
"""
_SPACE_DOCKERFILE = """FROM python:3.11-slim-bookworm
RUN useradd --uid 1000 --create-home user
WORKDIR /home/user/app
COPY --chown=user requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements.txt
COPY --chown=user . .
USER user
# Only the Hub's proxy reaches the container: its word for a visitor's address counts.
ENV FORWARDED_ALLOW_IPS=*
ENV PYTHONPATH=/home/user/app PYTHONUNBUFFERED=1 PALMARES_CONFIG_DIR=/home/user/app/config
EXPOSE 7860
CMD ["python", "-m", "palmares.site.serve", "--settings", "site.yaml", "--host", "0.0.0.0", "--port", "7860"]
"""


def export(settings: SiteSettings, folder: Path, *, config: Path) -> None:
    """Write the files of a Hugging Face Space of type Docker.

    Args:
        settings: The site's; they hold no secret.
        folder: Empty, or written by an earlier export.
        config: Folder of leaderboard.yaml and clusters.yaml, for the admission checks.

    Raises:
        SettingsError: *folder* holds something else.
    """
    import french_answers

    import palmares

    _claim(folder)
    for package in (palmares, french_answers):
        source = Path(str(package.__file__)).parent
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(source, folder / source.name, dirs_exist_ok=True, ignore=ignored)
    shutil.copytree(config, folder / "config", dirs_exist_ok=True)
    (folder / "requirements.txt").write_bytes((Path(__file__).with_name("requirements.txt")).read_bytes())
    _write(folder / "README.md", _SPACE_README.format(title=settings.title, contents=settings.contents_repo))
    _write(folder / "Dockerfile", _SPACE_DOCKERFILE)
    dumped = settings.model_dump(mode="json")
    _write(folder / "site.yaml", yaml.safe_dump(dumped, allow_unicode=True, sort_keys=False))


def _claim(folder: Path) -> None:
    """Make *folder* ours.

    Raises:
        SettingsError: It holds what we did not write.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise SettingsError(f"{folder} is not empty and nothing of ours. Name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / MARKER, "Written by `palmares site`. It may be written over.\n")
