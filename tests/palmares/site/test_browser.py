"""The pages in a real Chromium: the table, the address that keeps a view, keyboard, phones, the dark."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from palmares.leaderboard.settings import load_settings
from palmares.site.app import create_app
from palmares.site.board import Search, rows_of
from palmares.site.guard import digest_of
from palmares.site.settings import Secrets, SiteSettings

from devstack.servers.serve import bound_socket
from tests.fixtures.hub_server import running_hub
from tests.palmares.site import public_data
from tests.palmares.site.conftest import TOKEN

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install Debian's package chromium"),
    pytest.mark.stack,
]
MODELS = 5000
PAGES = (
    "/",
    "/queue",
    "/submit",
    "/compare?model=org/premier&model=org/perfect",
    "/charts",
    "/about",
    "/models/org/premier",
)


@pytest.fixture(scope="module")
def served(public_hub: Any) -> Iterator[str]:
    """The small board's site at an address."""
    settings = SiteSettings.of(load_settings(), endpoint=public_hub.endpoint)
    with serving(settings, hub_token=public_hub.token) as url:
        yield url


class serving:
    """The site of *settings* on a free port of the loopback, in a thread."""

    def __init__(self, settings: SiteSettings, *, hub_token: str) -> None:
        secrets = Secrets(hub_token=hub_token, sender_tokens={digest_of(TOKEN): "moi"})
        app = create_app(settings, settings=load_settings(), secrets_=secrets)
        self._listener = bound_socket(0, what="site")
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True
        )

    def __enter__(self) -> str:
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started:
            assert self._thread.is_alive(), "the site did not start"
            assert time.monotonic() < deadline, "the site took too long to start"
            self._thread.join(0.01)
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, served: str) -> Iterator[Any]:
    """A page in English; an error in its console fails the test."""
    context = browser.new_context(base_url=served, locale="en-GB")
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))

    def heard(message: Any) -> None:
        # The browser notes each answer of 4xx by itself; what a test expects of those, it asserts.
        if message.type == "error" and "Failed to load resource" not in message.text:
            errors.append(message.text)

    opened.on("console", heard)
    yield opened
    context.close()
    assert errors == []


def board(page: Any, address: str = "/") -> None:
    page.goto(address)
    page.wait_for_selector("#table[data-ready]")


def names(page: Any) -> list[str]:
    return list(page.locator(".tabulator-row a").all_inner_texts())


def test_the_table_sorts_searches_filters_and_keeps_the_view_in_its_address(page: Any) -> None:
    board(page)
    assert names(page)[:2] == ["org/premier", "org/deuxième"]
    page.fill("#q", "premier; license: mit")
    page.wait_for_function("document.querySelectorAll('.tabulator-row').length === 1")
    assert page.inner_text("#count") == "1 of 6 models"
    assert "q=premier" in page.url
    page.reload()
    page.wait_for_selector("#table[data-ready]")
    assert names(page) == ["org/premier"]
    page.click("text=Show all")
    page.wait_for_function("document.querySelectorAll('.tabulator-row').length === 6")
    page.click("summary")
    page.check("input[name=unflagged]")
    page.wait_for_function("document.querySelectorAll('.tabulator-row').length === 4")
    page.check("#columns input[value=license]")
    page.locator(".tabulator-col", has_text="Average").click()
    page.wait_for_function("location.search.includes('sort=average')")
    view = page.url
    page.goto("/about")
    board(page, view)
    assert page.is_checked("input[name=unflagged]")
    assert page.locator(".tabulator-col:visible", has_text="Licence").count() == 1


def test_the_scripts_search_finds_what_the_apis_search_finds(page: Any) -> None:
    board(page)
    rows = rows_of(public_data.small_board(), public_data.TITLES)
    for text in (
        "org",
        "ANCIEN",
        "license: mit",
        "org; license:mit",
        "type: merge; type: chat",
        "org: autre",
        "x; y",
    ):
        page.fill("#q", text)
        expected = [row.name for row in rows if Search.parse(text).matches(row)]
        page.wait_for_function(
            f"document.getElementById('count').textContent === '{len(expected)} of 6 models'"
        )
        assert sorted(names(page)) == sorted(expected), text


def test_nothing_of_a_strangers_runs(page: Any) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    for address in ("/", "/models/org/flagged", "/queue"):
        page.goto(address)
        page.wait_for_load_state("networkidle")


def test_a_model_is_submitted_through_the_form_with_the_keyboard_alone(page: Any) -> None:
    page.goto("/submit")
    page.focus("#model")
    page.keyboard.type("palmares-demo/petit")
    page.select_option("#precision", "float32")
    page.focus("#token")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector(".checked")
    page.focus("button[value=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/palmares-demo/petit_eval_request_False_float32_Original*")
    assert "waiting" in page.inner_text(".state")


def test_what_is_wrong_is_said_beside_the_field(page: Any) -> None:
    page.goto("/submit")
    page.fill("#model", "a/b/c/d")
    page.fill("#token", TOKEN)
    with page.expect_response("**/submit") as answer:
        page.click("button[value=check]")
    assert answer.value.status == 422
    assert "organisation/model" in page.inner_text("#model-problem")


@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_free_of_serious_barriers(page: Any, address: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.goto(address)
    page.wait_for_load_state("networkidle")
    found = Axe().run(page).response["violations"]
    serious = [
        (one["id"], [node["html"][:160] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
    assert serious == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1600, "light")])
def test_every_page_fits_its_screen_and_is_kept_as_a_picture(
    browser: Any, served: str, tmp_path: Path, width: int, scheme: str
) -> None:
    folder = Path(os.environ.get("PALMARES_SCREENSHOTS") or tmp_path)
    context = browser.new_context(
        base_url=served, viewport={"width": width, "height": 800}, color_scheme=scheme, locale="fr-FR"
    )
    page = context.new_page()
    for address in PAGES:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{address} is {wide} pixels wider than {width}"
        name = address.strip("/").partition("?")[0].replace("/", "_") or "board"
        page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")
    context.close()


def test_five_thousand_models_are_searched_without_missing_one(browser: Any, tmp_path: Path) -> None:
    rows = public_data.many(MODELS)
    with running_hub(tmp_path) as hub:
        public_data.publish(hub.endpoint, hub.token, rows, files=False)
        settings = SiteSettings.of(load_settings(), endpoint=hub.endpoint)
        with serving(settings, hub_token=hub.token) as url:
            page = browser.new_page(base_url=url, locale="en-GB")
            page.set_default_timeout(120_000)
            board(page)
            assert page.inner_text("#count") == f"{MODELS} of {MODELS} models"
            page.fill("#q", "qwen; license: mit")
            expected = sum("qwen" in row["fullname"].lower() and row["Hub License"] == "mit" for row in rows)
            page.wait_for_function(
                f"document.getElementById('count').textContent === '{expected} of {MODELS} models'"
            )
            page.close()
