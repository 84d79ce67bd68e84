"""The provider's page: its examples are DAGs, its tables name the arguments that there are."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from clearml_provider import get_provider_info, operators, sensors

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs/reference/clearml_provider.md", ROOT / "plugins/README.md"]
PAGE = PAGES[0].read_text()
BLOCKS = {
    f"{page.name} {number}": block
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL), 1)
}


def public_classes() -> dict[str, type]:
    """What users may name: operators, sensor, triggers and hook, by the modules that Airflow is told of."""
    info: Any = get_provider_info()
    modules = [
        import_module(name)
        for kind in ("operators", "sensors", "triggers", "hooks")
        for entry in info[kind]
        for name in entry["python-modules"]
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and name.startswith("ClearML")
    }


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_every_example_is_a_dag_that_airflow_accepts(tmp_path, block):
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    (tmp_path / "example.py").write_text(block)
    bag = DagBag(tmp_path)
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    assert DagSerialization.to_dict(dag)["dag"]["tasks"]


def test_airflow_is_told_of_every_module_with_a_public_class():
    told = {cls.__name__ for cls in public_classes().values()}
    assert {*operators.__all__, *sensors.__all__} <= told
    info: Any = get_provider_info()
    modules = {m for entry in info["operators"] for m in entry["python-modules"]}
    files = {f.stem for f in (ROOT / "plugins/clearml_provider/operators").glob("*.py")}
    assert modules == {f"clearml_provider.operators.{stem}" for stem in files - {"__init__", "base"}}


@pytest.mark.parametrize("name", sorted(public_classes()))
def test_every_public_class_has_its_arguments_in_its_docstring_and_on_the_page(name):
    parameters = inspect.signature(public_classes()[name].__init__).parameters  # type: ignore[misc]
    expected = [p for p in parameters if p not in {"self", "kwargs"}]
    heading = "Hook and client" if name == "ClearMLHook" else name
    (section,) = re.findall(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    table = section[section.index("| argument | |") :].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == expected
    docstring = inspect.getdoc(public_classes()[name]) or ""
    assert re.findall(r"^    (\w+): ", docstring.partition("Args:")[2], re.MULTILINE) == expected


@pytest.mark.parametrize("name", operators.__all__)
def test_every_operator_is_in_an_example(name):
    assert any(f"{name}(" in block for block in BLOCKS.values())


@pytest.mark.parametrize("name", [*operators.__all__, *sensors.__all__])
def test_every_operator_has_its_buttons(name):
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    kind: Any = public_classes()[name]
    required = {
        p.name: [] if p.name == "clearml_queues" else "x"
        for p in inspect.signature(kind.__init__).parameters.values()
        if p.default is inspect.Parameter.empty and p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    with DAG("d", schedule=None) as dag:
        kind(task_id="t", **required)
    (task,) = DagSerialization.to_dict(dag)["dag"]["tasks"]
    links = set(task["__var"]["_operator_extra_links"])
    alone = name == "ClearMLQueueStatisticsOperator"
    assert links == ({"ClearML queues"} if alone else {"ClearML task", "ClearML log"})


def test_templated_fields_are_arguments():
    for name, kind in public_classes().items():
        fields = set(getattr(kind, "template_fields", ()))
        assert fields <= set(inspect.signature(kind.__init__).parameters), name  # type: ignore[misc]
        assert not fields or "clearml_conn_id" in fields, name


def test_a_module_that_is_no_operator_is_not_found():
    with pytest.raises(AttributeError, match="no attribute 'ClearMLNoSuchOperator'"):
        operators.ClearMLNoSuchOperator  # noqa: B018 - reading the attribute raises
