"""The command line itself."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from palmares.cli import main
from palmares.leaderboard.errors import StackError


def palmares(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "palmares.cli.main", *arguments], capture_output=True, text=True, timeout=600
    )


def test_help_names_every_command():
    output = palmares("--help").stdout
    for command in ("up", "down", "status", "doctor", "demo", "plan", "requests", "models"):
        assert f" {command} " in output


def test_a_foreseen_failure_is_one_line_without_a_traceback(monkeypatch, capsys):
    def failing() -> None:
        raise StackError("The [disk] is full. Free some space.")

    monkeypatch.setattr(main, "build_app", lambda: lambda **_: failing())
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "Error: The [disk] is full. Free some space.\n"


def test_status_and_down_of_nothing_say_so(tmp_path):
    status = palmares("status", "--json", "--home", str(tmp_path / "state"))
    assert status.returncode == 3
    assert json.loads(status.stdout)["running"] is False
    down = palmares("down", "--home", str(tmp_path / "state"))
    assert down.returncode == 0
    assert "Nothing runs" in down.stdout
    assert not (tmp_path / "state").exists()


def test_doctor_gives_programs_one_object(tmp_path):
    report = json.loads(palmares("doctor", "--json", "--home", str(tmp_path / "state")).stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert {"python", "install-airflow", "install-evaluator", "state-folder", "disk", "ports"} <= set(checks)
    assert report["healthy"] == all(check["level"] != "error" for check in checks.values())


def test_doctor_fails_on_a_broken_state_folder(tmp_path):
    (tmp_path / "state").write_text("in the way")
    result = palmares("doctor", "--home", str(tmp_path / "state"))
    assert result.returncode == 1
    assert "not a folder" in result.stdout


def test_the_help_page_does_not_load_heavy_libraries():
    heavy = "airflow|pandas|pyarrow|huggingface_hub|clearml|torch|sqlalchemy|psycopg"
    code = (
        "import sys; from palmares.cli.main import build_app; build_app();"
        f"found = set({heavy.split('|')}) & set(sys.modules); print(sorted(found)); sys.exit(bool(found))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_version_is_the_distributions():
    result = palmares("--version")

    assert (result.returncode, result.stdout) == (0, f"palmares {version('palmares')}\n")


def test_a_shell_completes_commands_and_options():
    def completions(*words: str) -> str:
        return subprocess.run(
            [Path(sys.executable).with_name("palmares")],
            capture_output=True,
            text=True,
            timeout=60,
            env={
                "PATH": "/usr/bin:/bin",
                "_PALMARES_COMPLETE": "complete_bash",
                "COMP_WORDS": " ".join(words),
                "COMP_CWORD": str(len(words) - 1),
            },
        ).stdout

    assert "requests" in completions("palmares", "req")
    assert "--status" in completions("palmares", "requests", "list", "--st")
