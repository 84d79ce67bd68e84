"""Work is done here or in processes; one that is killed is found out, and the others are not lost."""

from __future__ import annotations

import os
import signal
from concurrent.futures import BrokenExecutor

import pytest
from palmares.rescoring.pool import Pool


def square(number):
    return number * number


def fail(number):
    raise ValueError(number)


def pid(_):
    return os.getpid()


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_one_worker_works_in_this_process():
    with Pool(1) as pool:
        assert pool.submit(pid, 0).result() == os.getpid()
        assert isinstance(pool.submit(fail, 1).exception(), ValueError)


def test_one_worker_can_be_kept_apart():
    with Pool(1, isolated=True) as pool:
        assert pool.submit(pid, 0).result() != os.getpid()
        assert pool.wait_for(die, 0) is None
        assert pool.wait_for(square, 3) == 9


def test_several_workers_work_elsewhere_and_outlive_one_that_is_killed():
    with Pool(2) as pool:
        assert pool.submit(pid, 0).result() != os.getpid()
        assert isinstance(pool.submit(fail, 1).exception(), ValueError)
        assert isinstance(pool.submit(die, 0).exception(), BrokenExecutor)
        assert pool.submit(square, 3).result() == 9


def test_a_task_that_kills_its_process_is_found_out_alone():
    pool = Pool(2)

    assert pool.alone(square, 3) == 9
    with pytest.raises(BrokenExecutor):
        pool.alone(die, 0)
