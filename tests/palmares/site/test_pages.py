"""Every page answers, in both languages, shows what is public, and lets nothing of a stranger run."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient
from palmares.leaderboard.groups import Group
from palmares.leaderboard.settings import load_settings
from palmares.site.app import create_app
from palmares.site.i18n import number
from palmares.site.settings import Secrets, SiteSettings

from tests.fixtures.hub_server import failing_server
from tests.palmares.site.public_data import HOSTILE, TITLES, parquet, record, small_board

PAGES = (
    "/",
    "/embed",
    "/queue",
    "/submit",
    "/compare",
    "/compare?model=org/premier&model=autre/troisieme",
    "/charts",
    "/about",
    "/models/org/premier",
    "/models/org/flagged",
    "/models/org/withdrawn",
    "/requests/org/echoue_eval_request_False_bfloat16_Original",
)


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_page_answers_in_its_language_and_runs_nothing_of_a_stranger(site, address, language):
    answer = site.get(
        address,
        params={"lang": language} if "?" not in address else None,
        headers={"accept-language": language},
    )
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert HOSTILE not in answer.text
    assert "javascript:" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "<script>" not in answer.text
    assert " style=" not in answer.text


def test_numbers_are_written_as_the_language_does(site):
    assert "80,0" in site.get("/models/org/premier?lang=fr").text
    assert "80.0" in site.get("/models/org/premier?lang=en").text


def test_the_board_shows_ranks_as_intervals_and_flags_with_reasons(site):
    text = site.get("/?lang=en").text
    assert "2–3" in text
    assert "flagged" in text
    page = site.get("/models/org/flagged?lang=en").text
    assert "&lt;script&gt;" in page


def test_a_withdrawn_models_numbers_are_not_shown(site):
    rows = {row["name"]: row for row in site.get("/board.json?lang=en").json()["rows"]}
    assert rows["org/withdrawn"]["average_text"] == "–"
    assert rows["org/perfect"]["b0_text"] == "100.0"
    assert rows["org/premier"]["b0_text"] == "80.0 ± 3.0"


def test_a_former_name_leads_to_the_present_one(site):
    answer = site.get("/models/org/ancien")
    assert (answer.status_code, answer.headers["location"]) == (301, "/models/org/deuxi%C3%A8me")


def test_a_model_page_has_history_scorers_and_the_command(site):
    text = site.get("/models/org/premier?lang=en").text
    for part in (
        "70.0",
        "bac-fr 1",
        "bac-fr 2",
        "palmares evaluate org/premier --suite fr",
        "results_2026-02-04",
    ):
        assert part in text


def test_the_queue_tells_places_progress_and_failures(site):
    text = site.get("/queue?lang=fr").text
    assert text.index("org/attend2") < text.index(">org/attend<")
    assert "40 questions sur 144" in text
    assert "Première de son organisation." in text
    assert "There is no model" in text


def test_a_private_request_is_nowhere(site):
    assert "org/prive" not in site.get("/queue").text
    assert "org/prive" not in site.get("/api/v1/requests").text
    assert site.get("/requests/org/prive_eval_request_False_bfloat16_Original").status_code == 404


@pytest.mark.parametrize(
    "address", ["/nothing", "/models/nobody/here", "/requests/none", "/feeds/x.atom", "/models/../etc"]
)
def test_what_does_not_exist_is_a_page_that_says_so(site, address):
    answer = site.get(address, headers={"accept-language": "en"})
    assert answer.status_code == 404
    assert "does not exist" in answer.text


def test_feeds_and_the_site_map_are_well_formed(site):
    for address in ("/feeds/results.atom", "/feeds/failures.atom", "/sitemap.xml"):
        root = ElementTree.fromstring(site.get(address).content)
        assert len(root) > 0, address


def test_a_page_that_the_visitor_has_is_not_sent_again(site):
    first = site.get("/board.json?lang=en")
    again = site.get("/board.json?lang=en", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_site_goes_on_with_what_it_has_while_the_hub_is_away(site):
    assert site.get("/").status_code == 200
    source = site.app.state.site.source
    with failing_server() as away:
        source._hub._endpoint = away.endpoint
        answer = site.get("/?lang=en")
    assert answer.status_code == 200
    assert "does not answer" in answer.text
    assert "org/premier" in answer.text


def test_without_any_data_a_page_says_that_the_hub_does_not_answer(site_settings):
    from fastapi.testclient import TestClient

    with (
        failing_server() as away,
        TestClient(
            create_app(site_settings.model_copy(update={"endpoint": away.endpoint}), secrets_=Secrets())
        ) as client,
    ):
        page = client.get("/", headers={"accept-language": "en"})
        data = client.get("/api/v1/leaderboard")
    assert (page.status_code, data.status_code, data.headers["retry-after"]) == (503, 503, "60")


def test_an_empty_leaderboard_is_a_page_too(site_settings):
    from fastapi.testclient import TestClient

    nowhere = {f"{name}_repo": "org/nothing-yet" for name in ("contents", "requests", "results")}
    with TestClient(create_app(site_settings.model_copy(update=nowhere), secrets_=Secrets())) as client:
        for address in ("/", "/queue", "/charts", "/compare", "/feeds/results.atom", "/api/v1/leaderboard"):
            assert client.get(address).status_code == 200, address


def test_the_made_up_tables_are_parquet_as_the_publisher_writes_it():
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(parquet([*small_board(), record("a/b", 1.0)])))
    assert set(TITLES) <= set(table.column_names)


def test_the_table_is_made_once_until_it_changes_and_sent_as_the_visitor_takes_it(site, site_settings):
    source, tables = site.app.state.site.source, site.app.state.site.tables
    first = tables.get(source.snapshot(), site_settings, "fr")
    assert tables.get(source.snapshot(), site_settings, "fr") is first
    newer = replace(source.snapshot(), contents_commit="another", rows=())
    assert tables.get(newer, site_settings, "fr").content != first.content
    plain = site.get("/board.json?lang=en", headers={"accept-encoding": "identity"})
    packed = site.get("/board.json?lang=en", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()


@pytest.mark.parametrize(
    ("value", "french", "english"), [(1234.56, "1\u202f234,6", "1,234.6"), (-0.01, "0,0", "0.0")]
)
def test_numbers_are_grouped_as_the_language_does(value, french, english):
    assert (number(value, "fr"), number(value, "en")) == (french, english)


def test_a_group_is_a_column_and_its_tasks_are_on_the_models_page(public_hub, site_settings):
    group = Group.model_validate(
        {"name": "exams", "title": "Exams", "weight": 2, "members": ["bac-fr", "gpqa-fr"]}
    )
    settings = load_settings()
    suite = settings.suite().model_copy(update={"groups": (group,)})
    grouped = SiteSettings.of(
        settings.model_copy(update={"suites": {**settings.suites, suite.name: suite}}),
        endpoint=public_hub.endpoint,
    ).model_copy(update={"refresh_s": 0.0})

    with TestClient(create_app(grouped, secrets_=Secrets())) as client:
        board = client.get("/?lang=en").text
        model = client.get("/models/org/premier?lang=en").text

    assert [one.title for one in grouped.benchmarks] == ["IFEval-fr", "Exams"]
    assert '<th scope="col" class="num">Exams</th>' in board
    assert '<th scope="col" class="num">BAC-fr</th>' not in board
    assert "mean of 2 tasks" in board
    assert "The average is the weighted mean of the columns." in board
    assert '<th scope="row">BAC-fr</th><td class="num">80.0' in model
