"""Writes the page of what the embedded servers implement: ``python -m devstack.servers.implemented``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from starlette.routing import Route

from devstack.servers.clearml.app import ENDPOINTS
from devstack.servers.hub import api, pages

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "embedded_servers.md"

_HEAD = """# What the embedded servers implement

This page is generated from the servers' registries (`python -m devstack.servers.implemented`); a test
compares it with them. Whatever is not listed answers 404, as the original does for what it does not know.

## ClearML

The API answers as ClearML server 2.3.0 (API 2.34) does. `tests/devstack/servers/clearml/test_real_server.py`
sends it the 382 requests that a real server was sent, and compares status, sub-code, keys, types and values.
Beside the endpoints below there are `auth.login`, `debug.ping`, and the file server: `POST /`, `GET /PATH`,
`DELETE /PATH`.

| endpoint | changes state | note |
|---|---|---|
"""
_HUB = """
## Hub

The real `huggingface_hub` client is its client in the tests. There is no LFS, no xet and no pull request:
every file is committed whole, up to 50 MiB.

| request | note |
|---|---|
"""
_PAGES = """
Pages for a browser:

| address | note |
|---|---|
"""


def page() -> str:
    """The page's text."""
    endpoints = (
        f"| `{name}` | {'yes' if endpoint.writes else ''} | {_note(endpoint.handler)} |\n"
        for name, endpoint in sorted(ENDPOINTS.items())
    )
    return "".join([_HEAD, *endpoints, _HUB, *_rows(api.ROUTES), _PAGES, *_rows(pages.ROUTES)])


def _rows(routes: Iterable[Route]) -> Iterable[str]:
    for route in sorted(routes, key=lambda each: (each.path, sorted(each.methods or ()))):
        methods = " ".join(sorted((route.methods or set()) - {"HEAD"}))
        path = route.path.replace("{kind:kind}", "{models,datasets}").replace(":path}", "}")
        yield f"| `{methods} {path}` | {_note(route.endpoint)} |\n"


def _note(handler: Callable[..., Any]) -> str:
    """The first sentence of the handler's docstring."""
    text = " ".join((inspect.getdoc(handler) or "").split("\n\n")[0].split())
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
