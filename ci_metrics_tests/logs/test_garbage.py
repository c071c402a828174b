"""The garbage collector is as it was once the last extraction has ended, whatever threads were in one."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from ci_metrics.logs import extract
from ci_metrics.logs.garbage import OBJECTS, rare_collections


def test_inside_collections_are_rare_and_afterwards_as_before_even_when_threads_overlap() -> None:
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] == OBJECTS
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: extract(b"error: x\n"), range(40)))
        assert gc.get_threshold()[0] == OBJECTS
    assert gc.get_threshold() == before


def test_an_extraction_that_fails_leaves_the_collector_as_it_was() -> None:
    before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), rare_collections():
        raise ZeroDivisionError
    assert gc.get_threshold() == before


def test_a_collector_that_is_switched_off_stays_so() -> None:
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with rare_collections():
            assert gc.get_threshold()[0] == 0
        assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
