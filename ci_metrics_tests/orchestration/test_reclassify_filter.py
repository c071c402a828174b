"""Which verdicts a reclassification touches."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ci_metrics.orchestration.reclassify_filter import Only

PARENTS = {"lint_failure": "assertion_failure", "slow_test": "timeout"}


def test_a_category_stands_for_the_projects_own_kinds_of_it() -> None:
    assert Only(types=["assertion_failure", "unknown"]).with_kinds(PARENTS).types == [
        "assertion_failure",
        "unknown",
        "lint_failure",
    ]
    assert Only(types=["lint_failure"]).with_kinds(PARENTS).types == ["lint_failure"]
    assert Only(below=0.5).with_kinds(PARENTS) == Only(below=0.5)


def test_empty_fields_choose_everything_and_a_confidence_is_between_0_and_1() -> None:
    assert not Only().chooses
    assert Only(below=0.1).chooses and Only(repos=["o/r"]).chooses and Only(types=["unknown"]).chooses
    with pytest.raises(ValidationError, match="below"):
        Only(below=1.5)
