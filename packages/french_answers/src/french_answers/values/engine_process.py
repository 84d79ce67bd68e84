"""The child process in which Math-Verify and sympy run: trees in, one word a line out.

Run as a script, so that it imports nothing of the project and starts below daemonic workers too.
"""

from __future__ import annotations

import json
import os
import select
import sys
from typing import Any

IDLE_SECONDS = 5.0
"""After which the child looks whether its parent is still there."""


def main(memory_bytes: int) -> None:
    """Answer questions until the parent goes away."""
    import resource

    parent = os.getppid()
    import logging

    logging.disable(logging.CRITICAL)
    import math_verify  # type: ignore[import-untyped]

    builder = _Builder()
    # Touch what is slow at first use, before the address space is limited and the clock runs.
    x = builder.build(["v", "x"])
    math_verify.verify([x + 1], [1 + x * 1], timeout_seconds=None)
    builder.build(["f", "sin", ["*", ["n", "2"], ["v", "x"]]]).simplify()
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    print("ready", flush=True)
    while os.getppid() == parent:
        if not select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
            continue
        line = sys.stdin.readline()
        if not line:
            return
        print(_answer(builder, json.loads(line)), flush=True)


def _answer(builder: _Builder, question: dict[str, Any]) -> str:
    from math_verify import verify

    try:
        gold, text = builder.build(question["gold"]), builder.build(question["text"])
        equal = verify([gold], [text], strict=True, timeout_seconds=None, raise_on_error=True)
    except (MemoryError, RecursionError):
        return "too_hard"
    except Exception:  # noqa: BLE001 - sympy raises anything; what it cannot compare is not equal
        return "no"
    return "yes" if equal else "no"


class _Builder:
    """Makes sympy objects of trees, with exact numbers and real letters."""

    def __init__(self) -> None:
        import sympy  # type: ignore[import-untyped]

        self._sympy = sympy
        self._functions = {
            "ln": sympy.log, "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "arcsin": sympy.asin,
            "arccos": sympy.acos, "arctan": sympy.atan, "sinh": sympy.sinh, "cosh": sympy.cosh,
            "tanh": sympy.tanh, "cot": sympy.cot, "abs": sympy.Abs, "binom": sympy.binomial,
        }  # fmt: skip
        self._constants = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I}

    def build(self, node: list[Any]) -> Any:
        """Make one object.

        Raises:
            KeyError: An infinity or a function that sympy is not asked about.
        """
        sympy, kind = self._sympy, node[0]
        if kind == "n":
            return sympy.Rational(node[1])
        if kind == "v":
            return sympy.Symbol(node[1], real=True)
        if kind == "c":
            return self._constants[node[1]]
        if kind == "neg":
            return -self.build(node[1])
        if kind == "!":
            return sympy.factorial(self.build(node[1]))
        if kind == "f":
            arguments = [self.build(part) for part in node[2:]]
            if node[1] == "log":
                return sympy.log(arguments[0]) / sympy.log(10)
            return self._functions[node[1]](*arguments)
        left, right = self.build(node[1]), self.build(node[2])
        if kind == "+":
            return left + right
        if kind == "-":
            return left - right
        if kind == "*":
            return left * right
        return left / right if kind == "/" else left**right


if __name__ == "__main__":
    main(int(sys.argv[1]))
