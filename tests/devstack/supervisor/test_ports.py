"""Choosing ports, with real listeners."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from palmares.leaderboard.errors import StackError

from devstack.supervisor.ports import choose_ports, is_free, who_listens
from devstack.supervisor.state import PORT_NAMES, StackState


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_every_part_gets_a_free_port_of_its_own():
    state, moved = choose_ports(StackState(), {})
    assert set(state.ports) == set(PORT_NAMES)
    assert len(set(state.ports.values())) == len(PORT_NAMES)
    assert all(is_free(port) for port in state.ports.values())
    assert not moved


def test_ports_are_remembered():
    first, _ = choose_ports(StackState(), {})
    second, moved = choose_ports(first, {})
    assert second.ports == first.ports
    assert not moved


def test_a_remembered_port_that_is_taken_moves(taken_port):
    state, moved = choose_ports(StackState(ports={"hub": taken_port}), {})
    assert moved == {"hub": (taken_port, state.ports["hub"])}
    assert is_free(state.ports["hub"])


def test_a_port_that_a_person_set_is_kept_for_later_starts():
    free, _ = choose_ports(StackState(), {})
    wanted = free.ports["hub"]
    state, _ = choose_ports(StackState(), {"hub": wanted, "airflow": None})
    assert state.pinned_ports == ("hub",)
    assert choose_ports(state, {})[0].ports["hub"] == wanted


def test_a_port_that_a_person_set_and_that_is_taken_is_refused_with_its_holder(taken_port):
    with pytest.raises(StackError, match=rf"Port {taken_port}, set for airflow, .*process {os.getpid()}"):
        choose_ports(StackState(), {"airflow": taken_port})


def test_one_port_for_two_parts_is_refused():
    with pytest.raises(StackError, match="set twice"):
        choose_ports(StackState(), {"airflow": 23456, "hub": 23456})


def test_the_holder_of_a_port_is_named(taken_port):
    assert str(os.getpid()) in who_listens(taken_port)
