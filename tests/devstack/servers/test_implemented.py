"""The page of what the embedded servers implement is that of their registries."""

from __future__ import annotations

from devstack.servers.implemented import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m devstack.servers.implemented"


def test_the_page_lists_endpoints_of_both_servers() -> None:
    text = page()
    assert "| `queues.move_task_to_front` | yes |" in text
    assert "| `POST /api/{models,datasets}/{ns}/{name}/commit/{rev}` |" in text
