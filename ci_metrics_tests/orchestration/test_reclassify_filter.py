"""Which verdicts a reclassification touches."""

from __future__ import annotations

from ci_metrics.orchestration.reclassify_filter import Only, only_of

PARENTS = {"lint_failure": "assertion_failure", "slow_test": "timeout"}


def test_a_category_stands_for_the_projects_own_kinds_of_it() -> None:
    assert Only(types=("assertion_failure", "unknown")).with_kinds(PARENTS).types == (
        "assertion_failure",
        "unknown",
        "lint_failure",
    )
    assert Only(types=("lint_failure",)).with_kinds(PARENTS).types == ("lint_failure",)
    assert Only(below=0.5).with_kinds(PARENTS) == Only(below=0.5)


def test_a_choice_survives_its_way_through_a_runs_tags() -> None:
    only = Only(types=("timeout", "slow_test"), below=0.7, repos=("o/r",))
    assert only_of(only.tags()) == only
    assert only_of({"dagster/partition": "x"}) is None
