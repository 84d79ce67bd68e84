"""What nothing but tests uses is deleted (vulture)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("include/palmares", "packages/french_answers/src", "plugins", "devstack", "performance", "dags")
KINDS = {"function", "method", "class", "property", "import", "unreachable_code"}
"""Of what is unused. Not variables: fields of records are read by their names from JSON, SQL and Airflow."""

CALLED_BY_DECORATOR = [
    "@endpoint", "@*.command", "@*.callback", "@*.get", "@*.post", "@*.exception_handler", "@*.middleware",
    "@field_validator", "@model_validator", "@field_serializer", "@model_serializer", "@computed_field",
]  # fmt: skip
CALLED_BY_NAME = {
    "upgrade": "Alembic runs it",
    "downgrade": "Alembic runs it",
    "get_provider_info": "Airflow's entry point",
    "stack_addresses": "an entry point of devstack's",
    "test_connection": "Airflow's connection form",
    "get_link": "Airflow's links",
    "execute_complete": "Airflow, when a trigger has fired",
    "resume": "Airflow, when a trigger has fired",
    "at_most": "a test holds the DAG's retries to it",
    "on_kill": "Airflow's triggerer",
    "serialize": "Airflow's triggerer",
    "deserialize": "Airflow reads a serialized retry policy",
    "PalmaresPages": "Airflow's plugins",
    "__getattr__": "Python, for names that are imported late",
    "capture_signals": "uvicorn",
    "convert": "Starlette's path convertors",
    "to_string": "Starlette's path convertors",
    "_local_oid": "huggingface_hub, of a file to commit",
    "add_partial": "lm-eval's engines",
    "process_results": "lm-eval's YAML",
    "mean_over_instructions": "lm-eval's YAML",
}


def test_all_that_is_written_is_used() -> None:
    from vulture import Vulture

    search = Vulture(ignore_names=list(CALLED_BY_NAME), ignore_decorators=CALLED_BY_DECORATOR)
    search.scavenge([ROOT / folder for folder in FOLDERS])
    unused = [item for item in search.get_unused_code(min_confidence=60) if item.typ in KINDS]

    assert [
        f"{Path(item.filename).relative_to(ROOT)}:{item.first_lineno} {item.typ} {item.name}"
        for item in unused
    ] == []
