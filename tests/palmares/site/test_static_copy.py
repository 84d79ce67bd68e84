"""The static copy and the Space's files."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time

import httpx
import pytest
from palmares.leaderboard.errors import SettingsError
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR
from palmares.site.static_copy import build, export


def test_every_address_of_the_copy_leads_to_a_file_of_it(site_settings, copy_folder):
    count = build(site_settings, copy_folder)
    pages = list(copy_folder.rglob("*.html"))
    assert len(pages) == count + 1
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r'(?:href|src|data-source)="([^"#][^"]*)"', text):
            if "://" not in address and not address.startswith("mailto:"):
                assert (page.parent / address.partition("?")[0]).exists(), (page, address)
    assert "80,0" in (copy_folder / "fr/models/org/premier.html").read_text(encoding="utf-8")
    assert build(site_settings, copy_folder) == count


def test_a_folder_with_something_else_is_left_alone(site_settings, copy_folder):
    copy_folder.mkdir()
    (copy_folder / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match="nothing of ours"):
        build(site_settings, copy_folder)
    assert [path.name for path in copy_folder.iterdir()] == ["mine.txt"]


def test_the_spaces_files_serve_the_pages_without_this_checkout(site_settings, copy_folder):
    export(site_settings, copy_folder, config=DEFAULT_CONFIG_DIR)
    dockerfile = (copy_folder / "Dockerfile").read_text()
    command = re.search(r"^CMD \[(.*)\]$", dockerfile, re.MULTILINE)
    assert command is not None
    arguments = re.findall(r'"([^"]*)"', command[1])
    port = _free_port()
    arguments[arguments.index("--port") + 1] = str(port)
    arguments[arguments.index("--host") + 1] = "127.0.0.1"
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(copy_folder),
        "PALMARES_CONFIG_DIR": str(copy_folder / "config"),
    }
    process = subprocess.Popen([sys.executable, *arguments[1:]], cwd=copy_folder, env=environment)
    try:
        text = _page(f"http://127.0.0.1:{port}/", process)
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert "org/premier" in text
    for path in copy_folder.rglob("*"):
        assert "hf_demo_token" not in (
            path.read_text(errors="replace") if path.suffix in {".yaml", ".md"} else ""
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _page(url: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            return httpx.get(url, timeout=600).raise_for_status().text
        except httpx.ConnectError:
            process.poll()
    raise AssertionError("the server did not answer")
