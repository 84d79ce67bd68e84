"""Supervisor's configuration, read back by supervisor itself; and a real supervisor."""

from __future__ import annotations

import shlex
from configparser import RawConfigParser
from pathlib import Path

import pytest
from palmares.leaderboard.errors import StackError
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import UnhosedConfigParser

from devstack.supervisor.ports import USUAL_PORTS
from devstack.supervisor.postgres import Server
from devstack.supervisor.processes import stack_processes
from devstack.supervisor.programs import Program, stack_programs
from devstack.supervisor.state import StackState
from devstack.supervisor.supervision import SupervisorClient, configuration
from tests.devstack.conftest import wait_until


def program(command: tuple[str, ...] = ("true",), environment: dict[str, str] | None = None) -> Program:
    return Program(
        name="part",
        command=command,
        environment=environment or {},
        directory=Path("/"),
        log=Path("/tmp/part.log"),
    )


def read_back(text: str) -> RawConfigParser:
    parser: RawConfigParser = UnhosedConfigParser()
    parser.read_string(text)
    return parser


def expand(value: str) -> str:
    return value % {}  # what supervisor does with its own expansions


def test_commands_and_environments_arrive_as_they_were_meant(paths):
    command = ("/bin/a folder/program", "--option=it's", '"quoted"', "100%", "a=b,c")
    environment = {
        "PLAIN": "x",
        "JSON": '{"a": "b, c=d"}',
        "PERCENT": "a%40b",
        "COLON": "http://h:1/p?q=1&r#s",
    }
    text = configuration(paths, StackState(), [program(command, environment)])
    section = read_back(text)["program:part"]
    assert tuple(shlex.split(expand(section["command"]))) == command
    assert dict_of_key_value_pairs(expand(section["environment"])) == environment


def test_the_whole_stack_survives_the_way_through_supervisors_parser(paths):
    state = StackState(ports=dict(USUAL_PORTS), agents=3)
    programs = stack_programs(paths, state, Server(Path("/pg/bin"), ("setpriv", "--reuid=nobody")))
    parsed = read_back(configuration(paths, state, programs))
    for one in programs:
        section = parsed[f"program:{one.name}"]
        assert dict_of_key_value_pairs(expand(section["environment"])) == one.environment
        assert tuple(shlex.split(expand(section["command"]))) == one.command


@pytest.mark.parametrize("value", ["both ' and \"", '"at the edge"', "two\nlines", "a ;comment"])
def test_what_supervisor_cannot_hold_is_refused_and_not_mangled(paths, value):
    with pytest.raises(StackError, match=r"VARIABLE|environment"):
        configuration(paths, StackState(), [program(environment={"VARIABLE": value})])


@pytest.mark.stack
def test_logs_are_their_owners_alone(small_stack):
    """Supervisor heeds its own umask only as a daemon, and opens the parts' logs itself."""
    paths, _ = small_stack
    logs = [paths.logs / name for name in ("supervisord.out", "supervisor.log", "postgres.log")]
    assert {log.name: oct(log.stat().st_mode & 0o777) for log in logs} == {log.name: "0o600" for log in logs}


@pytest.mark.stack
def test_a_killed_part_is_started_again_and_stopping_leaves_nothing(small_stack):
    paths, state = small_stack
    client = SupervisorClient(paths, state)
    (part,) = client.parts()
    for process in stack_processes(paths, state):
        if process.pid == part.pid:
            process.kill()
    wait_until(lambda: client.parts()[0].pid not in (0, part.pid), "started again")
    assert client.stop([part.name], deadline_s=30) == []
    assert [one.pid for one in stack_processes(paths, state)] == [state.supervisor.pid]
