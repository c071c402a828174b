"""Every fault of the table: what is missing is named, and once the fault is gone nothing is.

`make test` tries those of the table that are marked as bounded, `make campaign` all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ci_metrics_tests.reliability.campaign import Campaign, Case, campaign
from ci_metrics_tests.reliability.cases import CASES

WHOLE = os.environ.get("CAMPAIGN") == "whole"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    with campaign(tmp_path_factory.mktemp("campaign")) as going:
        yield going


def tried() -> list[object]:
    return [
        pytest.param(
            case, id=case.name, marks=[pytest.mark.xfail(reason=case.known, strict=True)] if case.known else []
        )
        for case in CASES
        if case.bounded or WHOLE
    ]


@pytest.mark.slow
@pytest.mark.parametrize("case", tried())
def test_what_is_missing_is_named_and_once_the_fault_is_gone_nothing_is(case: Case, held: Campaign) -> None:
    try:
        outcome = held.go_through(case, f"case-{CASES.index(case)}")
    except PermissionError as error:
        pytest.skip(f"not tried on this machine: {error}")
    assert outcome.held, f"{outcome.happened}\n" + "\n".join(outcome.wrong)


def test_no_two_cases_have_one_name() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)
