"""What Airflow is told of the provider."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import pytest
from clearml_provider import get_provider_info
from clearml_provider.hook import ClearMLHook

INFO: dict[str, Any] = get_provider_info()


def test_airflow_accepts_it():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)


def test_everything_it_names_can_be_imported():
    modules = [
        m
        for kind in ("operators", "sensors", "hooks", "triggers")
        for e in INFO[kind]
        for m in e["python-modules"]
    ]
    paths = [*INFO["extra-links"], *(c["hook-class-name"] for c in INFO["connection-types"])]
    for module in modules:
        import_module(module)
    for path in paths:
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name)


def test_the_connection_type_has_its_form_and_its_test_button():
    from airflow.providers_manager import ProvidersManager

    values = {e.value for e in entry_points(group="apache_airflow_provider")}
    if "clearml_provider:get_provider_info" not in values:
        pytest.skip("the project is not installed")
    manager = ProvidersManager()
    widgets = {k for k in manager.connection_form_widgets if k.startswith("extra__clearml__")}
    assert widgets == {f"extra__clearml__{f}" for f in INFO["connection-types"][0]["conn-fields"]}
    assert manager.field_behaviours["clearml"]["relabeling"]["password"] == "Secret key"


def test_it_bears_the_name_of_the_distribution_that_brings_it():
    """Airflow stops where the two differ."""
    brought = [
        e.dist.name
        for e in entry_points(group="apache_airflow_provider", value="clearml_provider:get_provider_info")
        if e.dist
    ]
    assert INFO["package-name"] == (brought[0] if brought else "airflow-provider-clearml")


def test_the_form_and_the_hook_agree_on_the_type():
    (connection,) = INFO["connection-types"]
    assert connection["connection-type"] == ClearMLHook.conn_type
    assert connection["hook-name"] == ClearMLHook.hook_name
