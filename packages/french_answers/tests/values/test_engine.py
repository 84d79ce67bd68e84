"""Math-Verify's process: what it proves, how it is bounded, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
from french_answers.values import compare_values, engine, limits

ROOT = Path(__file__).parents[2]
IDENTITIES = [
    ("1+√2", "√(3+2√2)", True),
    ("arctan(1)", "π/4", True),
    ("arcsin(1/2)", "π/6", True),
    ("(√5+1)/4", "cos(π/5)", True),
]
HARD = IDENTITIES[0][:2]


@pytest.mark.parametrize(("gold", "text", "equal"), IDENTITIES)
def test_identities_that_need_algebra_are_proved(gold, text, equal):
    verdict = compare_values(gold, text)

    assert (verdict.equal, verdict.slow) == (equal, True)


def test_near_values_are_not_equal_to_the_engine():
    verdict = compare_values("arctan(2)", "1,1071487177940904")

    assert (verdict.equal, verdict.slow) == (False, True)


def test_formulas_of_another_value_never_reach_the_engine():
    assert not compare_values("√(3+2√2)", "2+√2").slow


def test_too_large_questions_are_not_asked():
    tower = ("^", ("n", Fraction(9)), ("^", ("n", Fraction(9)), ("n", Fraction(9))))

    assert engine.same_formula(tower, ("v", "x")) is None


def test_an_answer_that_does_not_come_in_time_is_too_hard_and_the_next_one_comes(monkeypatch):
    assert engine.warm_up()
    monkeypatch.setattr(engine, "ENGINE_CPU_SECONDS", 0.0)
    late = compare_values(*HARD)
    monkeypatch.undo()
    next_one = compare_values(*HARD)

    assert (late.equal, late.method, late.slow) == (False, "too_hard", True)
    assert next_one.equal


def test_a_killed_process_is_replaced():
    assert engine.warm_up()
    child = engine._ENGINE._child
    assert child is not None
    child.kill()
    child.wait()

    assert compare_values(*HARD).equal


def test_the_process_has_a_bound_on_its_memory():
    assert engine.warm_up()
    child = engine._ENGINE._child
    assert child is not None
    bound = next(
        line for line in Path(f"/proc/{child.pid}/limits").read_text().splitlines() if "address space" in line
    )

    assert str(limits.ENGINE_MEMORY_BYTES) in bound


def test_it_works_in_threads():
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda case: compare_values(case[0], case[1]), IDENTITIES * 3))

    assert all(verdict.equal for verdict in verdicts)


def _proved(case: tuple[str, str, bool]) -> bool:
    return compare_values(case[0], case[1]).equal


def test_it_works_in_worker_processes():
    engine.warm_up()
    with ProcessPoolExecutor(2) as pool:
        assert all(pool.map(_proved, IDENTITIES))


def test_a_fork_starts_its_own_and_leaves_its_parents():
    assert engine.warm_up()
    child = engine._ENGINE._child
    assert child is not None
    pid = os.fork()
    if pid == 0:
        proved = compare_values(*HARD).equal
        engine.stop()
        os._exit(0 if proved else 1)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert child.poll() is None
    assert engine._ENGINE._child is child


def test_the_process_ends_with_its_parent():
    program = (
        "from french_answers.values import engine\n"
        "engine.warm_up()\n"
        "print(engine._ENGINE._child.pid, flush=True)\n"
        "import os; os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)

    assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


def test_importing_the_package_imports_no_algebra_system():
    program = (
        "import sys; from french_answers import values; values.compare_values('1/2', '0,5');"
        "print(sorted({'sympy', 'math_verify', 'latex2sympy2_extended'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout.strip() == "[]"
