"""How recordings are read: what was shortened in them, and how an answer is compared with one."""

from __future__ import annotations

import re
from typing import Any

HEX = re.compile(r"[0-9a-f]{32}")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}(\+00:00|Z)$")
COUNT = re.compile(r"^x\d+$")
CUT = re.compile(r"\.\.\(\d+\)$|^<.*>$")
OTHER_NAMES = {"tests": "palmares", "__tests__": "palmares"}
"""The recording server's user, and ours."""
MEASURED = {"active_duration"}
"""Depends on the clock: only the type is compared."""


def is_cut(value: Any) -> bool:
    """Whether the recording shortened *value* (long text, token, deep object)."""
    return isinstance(value, str) and (value == "{..}" or CUT.search(value) is not None)


def first_items(value: list[Any]) -> list[Any]:
    """A recorded list: its first item, and ``xN`` in place of the N items."""
    return value[:1] if len(value) == 2 and isinstance(value[1], str) and COUNT.match(value[1]) else value


def assert_alike(ours: Any, recorded: Any, path: str = "") -> None:
    """Same keys, types and values; ids, times, and what the recording cut are compared by form."""
    if is_cut(recorded):
        assert isinstance(ours, dict if recorded == "{..}" else str), f"{path}: {ours!r}"
    elif isinstance(recorded, dict):
        assert isinstance(ours, dict), f"{path}: {ours!r}"
        assert sorted(ours) == sorted(recorded), path
        for key, value in recorded.items():
            assert_alike(ours[key], value, f"{path}.{key}")
    elif isinstance(recorded, list):
        assert isinstance(ours, list), f"{path}: {ours!r}"
        for mine, theirs in zip(ours, first_items(recorded), strict=False):
            assert_alike(mine, theirs, f"{path}[]")
        assert len(ours) >= len(first_items(recorded)), path
    elif isinstance(recorded, str) and TIME.match(recorded):
        assert TIME.match(ours), f"{path}: {ours!r}"
    elif isinstance(recorded, str):
        expected = OTHER_NAMES.get(recorded, recorded).replace("__tests__", "palmares")
        assert HEX.sub("<id>", ours) == HEX.sub("<id>", expected), path
    else:
        assert type(ours) is type(recorded), f"{path}: {ours!r}"
        assert path.split(".")[-1] in MEASURED or ours == recorded, path


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    return first_items(value) if isinstance(value, list) else value


def whole_request(line: dict[str, Any]) -> Any:
    """The request with its shortened lists made whole again, as far as the answer tells how."""
    request = line["request"]
    if line["endpoint"] == "events.add_batch":
        if isinstance(request, dict):
            return request
        return [request[0] | {"iter": i} for i in range(int(request[1][1:]))]
    whole = {key: _whole(value) for key, value in (request or {}).items()}
    if "only_fields" in whole and line["status"] == 200:
        rows = next(iter(line["response_data"].values()))
        fields, count = sorted(rows[0]), int(request["only_fields"][1][1:])
        if count > len(fields):  # parts of the runtime, which show as one object, or as nothing
            fields = [field for field in fields if field != "runtime"]
            fields += [f"runtime.{part}" for part in rows[0].get("runtime", {})]
            fields += [f"runtime._abort_{i}" for i in range(count - len(fields))]
        whole["only_fields"] = (
            fields if line["endpoint"] != "queues.get_all_ex" else ["name", "id", "entries"]
        )
    return whole
