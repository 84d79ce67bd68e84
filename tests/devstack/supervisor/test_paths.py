"""Where a stack keeps things."""

from __future__ import annotations

from pathlib import Path

from devstack.supervisor.paths import SOCKET_PATH_BYTES, StackPaths


def test_the_state_folder_is_in_the_checkout_unless_the_environment_says_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("PALMARES_HOME", raising=False)
    paths = StackPaths.locate()
    assert paths.home == paths.root / ".palmares"
    assert (paths.root / "pyproject.toml").exists()
    monkeypatch.setenv("PALMARES_HOME", str(tmp_path))
    assert StackPaths.locate().home == tmp_path
    assert StackPaths.locate(tmp_path / "given").home == tmp_path / "given"


def test_the_socket_of_a_deep_state_folder_still_has_an_address_short_enough():
    shallow = StackPaths(root=Path("/x"), home=Path("/x/.palmares"))
    deep = StackPaths(root=Path("/x"), home=Path("/x") / ("d" * 120))
    assert shallow.socket("abc").is_relative_to(shallow.home)
    assert len(str(deep.socket("abc"))) <= SOCKET_PATH_BYTES
