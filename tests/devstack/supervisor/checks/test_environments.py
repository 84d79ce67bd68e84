"""Interrupted and outdated installs, provoked on environments of a few packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from palmares.leaderboard.errors import StackError

from devstack.install import environments, fingerprint
from devstack.supervisor.checks import refuse_if_broken
from devstack.supervisor.checks.environments import installs
from devstack.supervisor.paths import EVALUATOR_VARIABLE, StackPaths

LOCK = """\
# by uv
alpha-beta==1.0 \\
    --hash=sha256:00
    # via gamma
gamma==2.0 ; python_full_version >= '3.11' \\
    --hash=sha256:00
only-elsewhere==3.0 ; sys_platform == 'win32'
torch==2.13.0
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> StackPaths:
    """A checkout whose two environments are complete."""
    monkeypatch.delenv(EVALUATOR_VARIABLE, raising=False)
    (tmp_path / "pyproject.toml").write_text("")
    for environment in environments(tmp_path):
        environment.lock.write_text(LOCK)
        packages = environment.folder / "lib" / "python3.11" / "site-packages"
        for name in ("alpha_beta-1.0", "Gamma-2.0", "torch-2.13.0+cpu"):
            (packages / f"{name}.dist-info").mkdir(parents=True)
        environment.python.parent.mkdir()
        environment.python.touch()
        environment.marker.write_text(json.dumps(fingerprint(environment)))
    return StackPaths(root=tmp_path, home=tmp_path / "state")


def remove(checkout: StackPaths, name: str) -> None:
    next((checkout.root / ".venv").rglob(f"{name}*.dist-info")).rmdir()


def test_complete_environments_are_fine(checkout):
    assert [finding.level for finding in installs(checkout)] == ["ok", "ok"]


def test_a_missing_package_is_an_interrupted_install(checkout):
    remove(checkout, "Gamma")
    airflow, evaluator = installs(checkout)
    assert airflow.level == "error"
    assert "gamma 2.0 is missing" in airflow.message
    assert "make setup" in airflow.fix
    assert evaluator.level == "ok"


def test_a_package_of_another_version_is_an_outdated_install(checkout):
    lock = environments(checkout.root)[0].lock
    lock.write_text(LOCK.replace("alpha-beta==1.0", "alpha-beta==1.1"))
    assert "alpha-beta is 1.0, not 1.1" in installs(checkout)[0].message


def test_an_environment_that_was_not_begun_is_named(checkout):
    environments(checkout.root)[1].python.unlink()
    evaluator = installs(checkout)[1]
    assert evaluator.level == "error"
    assert ".venv-evaluator" in evaluator.message


def test_an_install_without_its_marker_is_told_but_not_refused(checkout):
    environments(checkout.root)[0].marker.unlink()
    assert installs(checkout)[0].level == "warning"


def test_a_missing_lock_is_named(checkout):
    environments(checkout.root)[0].lock.unlink()
    assert "requirements-dev.txt is missing" in installs(checkout)[0].message


def test_up_refuses_an_interrupted_install_in_one_line(checkout):
    remove(checkout, "Gamma")
    with pytest.raises(StackError) as caught:
        refuse_if_broken(checkout)
    assert "\n" not in str(caught.value)
    assert str(Path(".venv")) in str(caught.value)
