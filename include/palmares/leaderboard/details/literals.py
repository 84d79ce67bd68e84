"""Undoes the Python reprs and JSON texts that early details files hold in place of lists and mappings."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

LONGEST_LITERAL = 1 << 20
"""Characters that are parsed; a parsed character can take 300 bytes."""

_CALLS = frozenset({"array", "tensor", "float64", "float32", "float16", "int64", "int32", "bool_", "str_"})
"""Constructors in the reprs of numpy and torch; their first argument is the value."""
_NAMES = {"nan": float("nan"), "inf": float("inf"), "null": None, "true": True, "false": False}
_ENUM = re.compile(r"<[A-Za-z_][\w.]*: ('[^'\\\n]*'|\d+)>")
"""The repr of an enum's member, e.g. ``<SamplingMethod.GENERATIVE: 'GENERATIVE'>``."""


def undo(text: str) -> Any:
    """Read a JSON text or a Python repr; nothing in it is ever run.

    Raises:
        ValueError: It is neither, or longer than :data:`LONGEST_LITERAL`.
    """
    if len(text) > LONGEST_LITERAL:
        raise ValueError(f"longer than {LONGEST_LITERAL:,} characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of texts such as "1or": not our code
            try:
                tree = ast.parse(text, mode="eval")
            except SyntaxError:
                tree = ast.parse(_ENUM.sub(r"\1", text), mode="eval")
        return _value(tree.body)
    except (SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise ValueError("neither JSON nor a Python literal") from error


def list_of_texts(text: str) -> list[str] | None:
    """Undo the text of a list of strings, nested or not; None: it is a text of its own, such as ``[0;1]``.

    Raises:
        ValueError: It opens as a list of strings, but is too long to be read.
    """
    stripped = text.strip()
    if not stripped.startswith("[") or not stripped.endswith("]"):
        return None
    if re.match(r"\[[\s\[]*['\"]", stripped) is None:
        return [] if re.fullmatch(r"\[[\s\[\],]*\]", stripped) else None
    single = _only_string(stripped)
    if single is not None:
        return [single]
    try:
        return _leaves(undo(stripped))
    except ValueError:
        if len(stripped) > LONGEST_LITERAL:
            raise
        return None


def _only_string(text: str) -> str | None:
    """The string of a list that holds one; quick, and of any length."""
    body = text[1:-1]
    quote = body[:1]
    if quote not in {"'", '"'} or len(body) < 2 or body[-1] != quote or "\n" in body:
        return None
    inner = body[1:-1]
    if re.search(rf"(?:\\.|[^\\{quote}])*+", inner).end() != len(inner):  # type: ignore[union-attr]
        return None
    if "\\" not in inner:
        return inner
    try:
        value = ast.literal_eval(body)
    except (ValueError, SyntaxError):
        return None
    return value if isinstance(value, str) else None


def _leaves(value: Any) -> list[str] | None:
    """Strings of a nested list, in order; None: something else is in it."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list | tuple):
        return None
    found: list[str] = []
    for item in value:
        inner = _leaves(item)
        if inner is None:
            return None
        found += inner
    return found


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return None if node.value is Ellipsis else node.value
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {
            _value(key): _value(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name in _NAMES:
            return _NAMES[name]
    if isinstance(node, ast.Call) and node.args:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in _CALLS:
            return _value(node.args[0])
    raise ValueError(f"{type(node).__name__} is no literal")
