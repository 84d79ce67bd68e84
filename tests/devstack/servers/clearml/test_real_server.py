"""A real ClearML server's answers to 382 requests in a row, and ours to the same requests."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from devstack.servers.clearml.app import create_api_app
from tests.devstack.servers.clearml.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY

STEPS = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "data/clearml_contract.jsonl").read_text().splitlines()
]

_OTHERS = "the answer shows what else that server held"
_SEARCH = "a search of events, which that server's stand-in for Elasticsearch answered"
_NUMBER = "values that are no numbers, which that server's stand-in for Elasticsearch took in"
_STATISTICS = "that server's stand-ins kept the statistics of the last event only"
UNDECIDED: dict[str, tuple[str, str]] = {
    "json list": (_OTHERS, "data"),
    "json null": (_OTHERS, "data"),
    "t emptyid": (_OTHERS, "data"),
    "w all": (_OTHERS, "data"),
    "w count": (_OTHERS, "data"),
    "t search_text": ("a text search, which that server's database did not have", "all"),
    "ev nan": (_NUMBER, "all"),
    "ev null": (_NUMBER, "all"),
    "ev str": (_NUMBER, "all"),
    "hist nan": (_NUMBER, "data"),
    "t nan": (_NUMBER, "data"),
    "events": (_SEARCH, "all"),
    "events all": (_SEARCH, "data"),
    "t metrics": (_STATISTICS, "metric"),
    "stopped get": (_STATISTICS, "metric"),
}
"""Steps, by label, that do not decide what a real server answers.

Each has the reason, and what is not compared: ``all``, the ``data`` (status and sub-code are), or the fields
with ``metric`` in their name.
"""

_NAME = re.compile(r"\$\{(\w+)\}")
_HEX = re.compile(r"[0-9a-f]{32}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}(\+00:00|Z)?")


class Replay:
    """One server, the requests in their order, and the ids that earlier answers gave."""

    def __init__(self, state: Path) -> None:
        app = create_api_app(state, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
        self._http = TestClient(app, client=("127.0.0.1", 50000))
        self._names = {"U": "u7", "access_key": ACCESS_KEY}
        self._basic = "Basic " + base64.b64encode(f"{ACCESS_KEY}:{SECRET_KEY}".encode()).decode()
        login = self._http.post("/auth.login", headers={"Authorization": self._basic})
        self._names["token"] = login.json()["data"]["token"]

    def send(self, request: dict[str, Any]) -> Any:
        headers = dict(request.get("headers", {}))
        if authorization := self._authorization(request.get("auth")):
            headers["Authorization"] = authorization
        if "raw" in request:
            content: str | None = self.filled(request["raw"])
        else:
            content = self.filled(json.dumps(request["body"])) if "body" in request else None
        if "body" in request:
            headers["Content-Type"] = "application/json"
        version = f"/v{request['version']}" if "version" in request else ""
        path = f"{version}/{request['endpoint']}"
        answer = self._http.request(request["method"], path, content=content, headers=headers)
        for name, where in request.get("save", {}).items():
            self._names[name] = _at(answer.json()["data"], where)
        return answer

    def filled(self, text: str) -> str:
        return _NAME.sub(lambda match: self._names.get(match[1], "<id>"), text)

    def _authorization(self, recorded: str | None) -> str | None:
        if recorded is None or "${to" in recorded:  # the end of the token was replaced
            return recorded and f"Bearer {self._names['token'][:-4]}AAAA"
        if recorded == "bearer":
            return f"Bearer {self._names['token']}"
        placeholders = base64.b64encode(b"<access_key>:<secret_key>").decode()
        return self._basic if recorded == f"Basic {placeholders}" else recorded


def _at(data: Any, where: str) -> str:
    for part in where.split("."):
        data = data[int(part)] if part.isdigit() else data[part]
    return str(data)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[httpx.Response, Any]]:
    """Our answers, each with the recorded data in which ids are ours."""
    replay = Replay(tmp_path_factory.mktemp("real server"))
    found = []
    for step in STEPS:
        answer = replay.send(step["request"])
        found.append((answer, json.loads(replay.filled(json.dumps(step["answer"]["data"])))))
    return found


def differences(ours: Any, recorded: Any, path: str = "data") -> list[str]:
    """Where keys or types differ, or a value that is no id, time or name."""
    if path.endswith(".timestamp"):
        return [] if type(ours) is type(recorded) else [f"{path}: {ours!r}, not {recorded!r}"]
    if isinstance(recorded, dict) and isinstance(ours, dict):
        if path.endswith("last_metrics") or "<id>" in recorded:  # keys are hashes
            return differences(list(ours.values()), list(recorded.values()), path)
        missing = [f"{path}: no {key}" for key in recorded.keys() - ours.keys()]
        extra = [f"{path}: also {key}" for key in ours.keys() - recorded.keys()]
        return [
            *sorted(missing),
            *sorted(extra),
            *(
                line
                for key in recorded.keys() & ours.keys()
                for line in differences(ours[key], recorded[key], f"{path}.{key}")
            ),
        ]
    if isinstance(recorded, list) and isinstance(ours, list):
        if len(ours) != len(recorded):
            return [f"{path}: {len(ours)} items, not {len(recorded)}"]
        return [
            line
            for i, (mine, theirs) in enumerate(zip(ours, recorded, strict=True))
            for line in differences(mine, theirs, f"{path}[{i}]")
        ]
    if isinstance(recorded, bool) or isinstance(ours, bool) or not isinstance(recorded, (int, float)):
        if type(ours) is not type(recorded):
            return [f"{path}: {ours!r}, not {recorded!r}"]
    elif not isinstance(ours, (int, float)):
        return [f"{path}: {ours!r}, not {recorded!r}"]
    if isinstance(recorded, str):
        return _text_differences(ours, recorded, path)
    return [] if ours == recorded else [f"{path}: {ours!r}, not {recorded!r}"]


def _text_differences(ours: str, recorded: str, path: str) -> list[str]:
    if recorded == "<time>":
        return [] if _TIME.fullmatch(ours) else [f"{path}: {ours!r} is no time"]
    if "<" in recorded or "Default User" in recorded or "tests" in recorded:
        return []
    return (
        []
        if _HEX.sub("<id>", ours) == _HEX.sub("<id>", recorded)
        else [f"{path}: {ours!r}, not {recorded!r}"]
    )


_DECIDED = [
    pytest.param(number, id=step["request"]["label"])
    for number, step in enumerate(STEPS)
    if UNDECIDED.get(step["request"]["label"], ("", ""))[1] != "all"
]


@pytest.mark.parametrize("number", _DECIDED)
def test_a_request_is_answered_as_the_real_server_answered_it(
    number: int, answers: list[tuple[httpx.Response, Any]]
) -> None:
    request, recorded = STEPS[number]["request"], STEPS[number]["answer"]
    answer, data = answers[number]
    meta = answer.json()["meta"]
    _, left_out = UNDECIDED.get(request["label"], ("", ""))
    ours = (answer.status_code, meta["result_code"], meta["result_subcode"])
    assert ours == (recorded["status"], recorded["code"], recorded["sub"]), meta["result_msg"]
    if left_out != "data":
        found = differences(answer.json()["data"], data)
        assert [line for line in found if not left_out or left_out not in line] == []


def test_few_steps_decide_nothing() -> None:
    labels = [step["request"]["label"] for step in STEPS]
    assert all(labels.count(label) == 1 for label in UNDECIDED)
    assert (len(labels), len(UNDECIDED)) == (382, 15)
