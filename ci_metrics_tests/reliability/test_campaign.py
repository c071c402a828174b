"""Every fault of the table: what is missing is named, and once the fault is gone nothing is.

Tried here are the cases that are marked as bounded; `make campaign` tries all
(`tools/reliability.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ci_metrics_tests.reliability.campaign import Campaign, Case, NotPossibleError, campaign
from ci_metrics_tests.reliability.cases import CASES
from tools.reliability import PAGE, shown_name


@pytest.fixture(scope="module")
def held() -> Iterator[Campaign]:
    with campaign() as going:
        yield going


def tried() -> list[object]:
    return [
        pytest.param(
            case, id=case.name, marks=[pytest.mark.xfail(reason=case.known, strict=True)] if case.known else []
        )
        for case in CASES
        if case.bounded
    ]


@pytest.mark.slow
@pytest.mark.parametrize("case", tried())
def test_what_is_missing_is_named_and_once_the_fault_is_gone_nothing_is(case: Case, held: Campaign) -> None:
    try:
        outcome = held.go_through(case)
    except NotPossibleError as error:
        pytest.skip(f"not tried on this machine: {error}")
    assert outcome.held, f"{outcome.happened}\n" + "\n".join(outcome.wrong)


def test_the_page_is_of_the_same_table_of_cases() -> None:
    told: dict[str, list[str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        heading, row = re.match(r"## (.*)", line), re.match(r"\| (.+?) \| (?:yes|no: )", line)
        if heading:
            part = told.setdefault(heading[1], [])
        elif row:
            part.append(row[1])
    assert told == {part: [shown_name(case) for case in CASES if case.part == part] for part in told}
    assert told.keys() == {case.part for case in CASES}


def test_no_two_cases_have_one_name() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)
