"""Every test of the package that names no configuration gets the tests' own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from palmares.leaderboard.settings import CONFIG_DIR_VARIABLE

from tests.fixtures.config import CONFIG_DIR


@pytest.fixture(scope="session", autouse=True)
def own_configuration() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONFIG_DIR_VARIABLE, str(CONFIG_DIR))
        yield
