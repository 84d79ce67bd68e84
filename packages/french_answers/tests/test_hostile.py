"""Hostile answers: a verdict within a second and bounded memory, whatever a model wrote."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from french_answers import grade_answer
from french_answers.values import compare_values, is_value, warm_up

ROOT = Path(__file__).parents[1]
LIMIT_S = 1.0
MEGABYTE = 1_000_000
HOSTILE = {
    "power tower": "9**9**9**9",
    "power tower in latex": "9^{9^{9^{9^{9}}}}",
    "ten to the ten to the ten": "10^10^10",
    "tower below a root": "√(9^9^9^9)",
    "tower in an exponent": "e^{9^{9^9}}",
    "exponent of digits": "1e999999999",
    "small exponent": "1e-999999999",
    "negative exponent": "10^{-999999999}",
    "factorial": "100000!",
    "factorials of factorials": "9!!!!!!!!!!",
    "factorial of a power": "(10^{9})!",
    "binomial": r"\binom{1000000}{500000}",
    "binomial of binomials": r"\binom{\binom{400}{200}}{\binom{400}{200}}",
    "sum": r"\sum_{n=1}^{10^{9}} n",
    "polynomial power": "(x+y+z+1)^{40}",
    "polynomial powers": "((a+b+c+d)^{30}+1)^{30}",
    "product of sums": "(a+b)" * 60,
    "long division": "/".join(["(a+b)"] * 60),
    "nested roots": "√" * 300 + "2",
    "nested sines": "sin(" * 200 + "x" + ")" * 200,
    "a few nested sines": "sin(" * 12 + "x" + ")" * 12,
    "nested logarithms": "ln(" * 20 + "7" + ")" * 20,
    "big prime": "√" + "9" * 300,
    "big semiprime": "ln(1000000016000000063)",
    "many digits": "7" * 4500,
    "more digits": "7" * MEGABYTE,
    "many decimals": "0," + "3" * MEGABYTE,
    "thousand parentheses": "(" * 1000 + "12" + ")" * 1000,
    "thousand braces": "{" * 1000 + "12" + "}" * 1000,
    "thousand brackets": "[" * 1000 + "1;2" + "]" * 1000,
    "open parentheses": "(" * MEGABYTE,
    "open boxes": r"\boxed{" * 50_000,
    "open fractions": r"\frac{" * 50_000,
    "open roots": r"\sqrt[" * 50_000,
    "open texts": r"\text{" * 50_000,
    "matrices in matrices": r"\begin{pmatrix}" * 20_000,
    "matrix without end": r"\begin{pmatrix}1&2" + r"\\1&2" * 200_000,
    "huge set": "{" + "1;" * 300_000 + "1}",
    "huge union": "]0;1[" + "∪]2;3[" * 100_000,
    "huge sum": "1" + "+1" * 400_000,
    "signs": "-" * MEGABYTE,
    "primes": "f" + "'" * MEGABYTE,
    "bars": "|" * MEGABYTE,
    "carets": "^" * MEGABYTE,
    "backslashes": "\\" * MEGABYTE,
    "dollars": "$" * MEGABYTE,
    "stars": "*" * MEGABYTE,
    "underscores": "_" * MEGABYTE,
    "backticks": "`" * MEGABYTE,
    "tildes": "~" * MEGABYTE,
    "spaces": " " * MEGABYTE,
    "thin spaces": "\u202f" * MEGABYTE,
    "new lines": "\n" * MEGABYTE,
    "thousands": "1 000 " * 150_000,
    "commas": "12," * 300_000,
    "equalities": "x=" * 400_000 + "12",
    "letters": "a" * MEGABYTE,
    "number words": "cent mille " * 90_000,
    "hyphened number words": "-".join(["quatre-vingt"] * 60_000),
    "conclusions": "la réponse est " * 60_000,
    "corrections": "non, pas 12 mais " * 50_000,
    "reasoning": "<think>" * 100_000,
    "nuls": "\0" * MEGABYTE,
    "nul inside": "1\x002",
    "surrogate": "\ud800",
    "surrogates": "\udcff\ud800" * 300_000,
    "right to left": "\u202e21",
    "combining marks": "1" + "\u0301" * MEGABYTE,
    "ligature that grows": "\ufdfa" * 50_000,
    "emoji": "🙂" * 250_000,
    "superscripts": "2" + "⁹" * 500_000,
    "subscripts": "x" + "₁" * 500_000,
    "vulgar fractions": "½" * 300_000,
    "import": "__import__('os').getpid()",
    "eval": "eval('6+6')",
    "lambda": "(lambda: 12)()",
    "attribute": "().__class__.__bases__[0].__subclasses__()",
    "macro": r"\def\x{12}\x",
    "input": r"\input{/etc/passwd}",
    "division by zero": "12/0",
    "zero to a negative": "0^{-12}",
    "logarithm of zero": "ln(0)",
    "infinity minus infinity": "∞-∞",
}
GOLDS = ["12", "S={-1;2}", "2x+1", "]0;1]", "sin(2x)", "25 km/h"]


@pytest.fixture(scope="module", autouse=True)
def _engine() -> None:
    assert warm_up()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_gets_a_verdict_within_a_second(name):
    for gold in GOLDS:
        started = time.process_time()
        verdict = compare_values(gold, HOSTILE[name])
        assert time.process_time() - started < LIMIT_S
        assert not verdict.equal


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_gold_gets_a_verdict_within_a_second(name):
    started = time.process_time()
    verdicts = [compare_values(HOSTILE[name], text) for text in ("12", "13", HOSTILE[name][:-1] + "8")]
    is_value(HOSTILE[name])

    assert time.process_time() - started < 4 * LIMIT_S
    assert not any(verdict.equal for verdict in verdicts)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_instruction_changes_nothing(name):
    started = time.process_time()
    verdict = compare_values("12", "x = 13", instruction=HOSTILE[name])

    assert time.process_time() - started < LIMIT_S
    assert not verdict.equal


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_generation_is_graded_within_a_second(name):
    started = time.process_time()
    grade = grade_answer("4711", HOSTILE[name])

    assert time.process_time() - started < LIMIT_S
    assert not grade.correct


def test_verdicts_on_hostile_answers_do_not_change():
    first = [compare_values("sin(2x)", text) for text in HOSTILE.values()]

    assert [compare_values("sin(2x)", text) for text in HOSTILE.values()] == first


def test_memory_stays_bounded():
    program = (
        "import resource, sys\n"
        "sys.path.insert(0, 'src')\n"
        "from tests.test_hostile import HOSTILE, compare_values\n"
        "compare_values('12', '1/2')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for text in HOSTILE.values():\n"
        "    compare_values('2x+1', text)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )

    assert int(done.stdout) < 64 * 1024  # kibibytes
