"""What a stack remembers."""

from __future__ import annotations

import pytest
from palmares.leaderboard.errors import StackError

from devstack.supervisor.state import StackState, load_state, prepare_home


def test_a_stack_reads_back_as_it_was_saved(paths):
    prepare_home(paths)
    state = StackState(ports={"airflow": 12345})
    state.save(paths)
    assert load_state(paths) == state


def test_only_its_owner_may_read_the_file_with_the_keys(paths):
    prepare_home(paths)
    StackState().save(paths)
    assert paths.state_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("part", ["agent", "airflow", "clearml", "hub", "logs", "run", "storage"])
def test_no_other_user_gets_into_a_part(paths, part):
    prepare_home(paths)
    assert (paths.home / part).stat().st_mode & 0o777 == 0o700


def test_two_stacks_share_no_key():
    first, second = StackState().keys.model_dump(), StackState().keys.model_dump()
    assert not set(first.values()) & set(second.values())


def test_there_is_no_state_before_the_first_start(paths):
    assert load_state(paths) is None


def test_a_broken_file_is_refused_with_what_to_do(paths):
    prepare_home(paths)
    paths.state_file.write_text('{"ports": {"airflow": "eighty"}}')
    with pytest.raises(StackError, match=r"stack\.json: ports\.airflow: .* make clean"):
        load_state(paths)


def test_a_folder_that_cannot_be_made_is_refused_with_what_to_do(paths):
    paths.home.write_text("in the way")
    with pytest.raises(StackError, match="PALMARES_HOME"):
        prepare_home(paths)
