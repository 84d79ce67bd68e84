"""Making the environments: old Pythons, interrupted and repeated installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack import install
from devstack.install import (
    Installer,
    InstallError,
    check_python,
    environments,
    fingerprint,
    install_variables,
    is_installed,
)

ROOT = Path(install.__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "requirements-dev.txt").write_text("a==1\n")
    (tmp_path / "requirements-evaluator-cpu.txt").write_text("b==1\n")
    return tmp_path


def finish(checkout: Path) -> None:
    for environment in environments(checkout):
        environment.python.parent.mkdir(parents=True)
        environment.python.touch()
        environment.marker.write_text(json.dumps(fingerprint(environment)))


@pytest.mark.parametrize(("version", "word"), [((3, 8), "old"), ((3, 10), "old"), ((3, 14), "new")])
def test_a_wrong_python_is_named_with_what_to_do(version, word):
    problem = check_python(version, "/usr/bin/python3")
    assert problem is not None
    assert f"too {word}" in problem
    assert "make setup PYTHON=" in problem
    assert check_python((3, 12)) is None


def test_make_refuses_an_old_python_in_one_line(tmp_path):
    # An old interpreter, as far as make can see.
    old = tmp_path / "python3.9"
    site = tmp_path / "sitecustomize.py"
    site.write_text("import sys; sys.version_info = (3, 9, 0, 'final', 0)\n")
    old.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    old.chmod(0o755)
    result = subprocess.run(["make", "setup", f"PYTHON={old}"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "Python 3.9" in result.stderr
    assert "too old" in result.stderr
    assert "Traceback" not in result.stderr


def test_make_refuses_a_python_that_is_not_there():
    result = subprocess.run(["make", "setup", "PYTHON=python9.9"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "python9.9: no such Python" in result.stderr


def test_a_finished_install_is_not_repeated(checkout, monkeypatch):
    finish(checkout)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("nothing is to be run"))
    Installer(checkout, "").run()


@pytest.mark.parametrize("change", ["marker", "lock", "moved"])
def test_an_install_is_due_after_an_interruption_or_a_change(checkout, change):
    finish(checkout)
    airflow, _ = environments(checkout)
    assert is_installed(airflow)
    if change == "marker":
        airflow.marker.unlink()
    elif change == "lock":
        airflow.lock.write_text("a==2\n")
    else:
        checkout = checkout.rename(checkout.with_name("moved"))
    assert not is_installed(environments(checkout)[0])


def test_a_failing_step_is_told_with_its_log_and_leaves_no_marker(checkout, monkeypatch):
    installer = Installer(checkout, "")
    monkeypatch.setattr(installer, "_make_environment", lambda one: one.folder.mkdir())
    monkeypatch.setattr(installer, "_pip", lambda _: ["sh", "-c", "echo no route to host; exit 3"])
    with pytest.raises(InstallError, match=r"(?s)status 3.*no route to host.*carries on"):
        installer.run()
    assert not any(environment.marker.exists() for environment in environments(checkout))
    assert not list(checkout.glob(".*-venv.log"))


def test_installs_write_bytecode_whatever_the_shell_says(checkout, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    installer = Installer(checkout, "")
    installer.airflow.folder.mkdir()
    command = ["sh", "-c", 'test -z "$PYTHONDONTWRITEBYTECODE"']
    installer._step(installer.airflow, "a look", command)
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"


def test_a_missing_lock_is_named(checkout):
    environments(checkout)[0].lock.unlink()
    with pytest.raises(InstallError, match=r"requirements-dev\.txt is missing"):
        Installer(checkout, "").run()


def test_what_would_send_packages_elsewhere_is_taken_from_pip_and_uv():
    variables = install_variables(
        {"PIP_TARGET": "/x", "PIP_USER": "1", "HOME": "/h", "PIP_INDEX_URL": "http://i"}
    )
    assert not {"PIP_TARGET", "PIP_USER"} & set(variables)
    assert (variables["HOME"], variables["UV_DEFAULT_INDEX"]) == ("/h", "http://i")


@pytest.mark.parametrize("is_complete", [True, False])
def test_an_interrupted_environment_is_made_from_nothing_and_a_complete_one_is_kept(checkout, is_complete):
    airflow, _ = environments(checkout)
    version = ".".join(map(str, sys.version_info[:2]))
    half_installed = airflow.folder / "lib" / f"python{version}" / "half"
    half_installed.mkdir(parents=True)
    if is_complete:
        airflow.marker.write_text("{}")
    Installer(checkout, "")._make_environment(airflow)
    assert half_installed.exists() is is_complete
    assert airflow.python.exists()
