"""The published queue: what the site shows of the requests that wait and run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from palmares.leaderboard.publishing.contents_table import QUEUE_PATH
from palmares.site.settings import SiteSettings
from palmares.site.snapshot import Source
from palmares.steps.leaderboard.queue import publish_queue
from palmares.steps.services import Services

from tests.palmares.steps.sweeping import admit

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def published(services: Services) -> dict[str, Any]:
    repo = services.settings.contents_repo
    content = services.hub.read_file(repo, QUEUE_PATH, commit=services.hub.head(repo))
    assert content is not None
    document: dict[str, Any] = json.loads(content)
    return document


def test_the_queue_is_written_once_and_again_when_it_changes(services: Services) -> None:
    first = publish_queue(services, now=NOON)
    again = publish_queue(services, now=NOON)
    assert (first["changed"], again["changed"]) == (True, False)
    places = [row["place"] for row in published(services)["requests"] if row["state"] == "waiting"]
    assert places == list(range(1, first["waiting"] + 1))
    assert first["waiting"] > 0
    admit(services)
    later = publish_queue(services, now=NOON)
    assert later["changed"]
    assert later["running"] == first["waiting"]


def test_the_site_shows_the_places_that_were_published(services: Services) -> None:
    publish_queue(services, now=NOON)
    source = Source(SiteSettings.of(services.settings, endpoint=services.hub.endpoint), services.hub)
    waiting = [one for one in source.snapshot().requests if one.place is not None]
    assert [one.place for one in waiting] == list(range(1, len(waiting) + 1))
    assert all(one.starts and one.why["fr"] and one.why["en"] for one in waiting)
    assert source.snapshot().queue_at == NOON
