"""One page: its entries, what of it cannot be used, and whether it is short, each as GitHub's own
answer shows it.
"""

from __future__ import annotations

from typing import Any

import pytest

from ci_metrics.errors import TransientError
from ci_metrics.github.pages import Shape
from ci_metrics.github.run_search import run_shape
from ci_metrics.github.schemas import CheckAnnotation, Pull, WorkflowJob

URL = "https://api.github.com/repos/acme/basket/pulls?per_page=100"
RUN = {"id": 1, "event": "push", "head_sha": "a" * 40, "created_at": "2026-03-02T09:00:00Z"}


def link(page: int, last: int) -> str:
    """The `Link` header of a page."""
    return f'<{URL}&page={page + 1}>; rel="next", <{URL}&page={last}>; rel="last"'


@pytest.mark.parametrize(
    ("count", "page", "header", "short"),
    [
        (100, 1, link(1, 3), False),
        (99, 1, link(1, 3), True),
        (0, 2, link(2, 3), True),
        (7, 3, "", False),
        (7, 1, "", False),
    ],
)
def test_a_bare_list_is_short_when_pages_follow_one_that_is_not_full(
    count: int, page: int, header: str, short: bool
) -> None:
    found = Shape(Pull, "acme/basket", "").page([{"number": n} for n in range(count)], header, f"{URL}&page={page}")
    assert (len(found.items), found.short) == (count, short)


@pytest.mark.parametrize(
    ("name", "moved", "usable"),
    [("acme/basket", False, 1), ("Acme/Basket", False, 1), ("other/basket", False, 0), ("acme/renamed", True, 1)],
)
def test_a_run_of_another_repository_is_refused_unless_ours_was_renamed(name: str, moved: bool, usable: int) -> None:
    answer = {"total_count": 1, "workflow_runs": [{**RUN, "repository": {"full_name": name}}]}
    found = run_shape("acme/basket").page(answer, "", URL, moved=moved)
    assert (len(found.items), len(found.refused)) == (usable, 1 - usable)
    assert all("workflow run 1 of acme/basket: it belongs to other/basket" in str(error) for error in found.refused)


@pytest.mark.parametrize(
    "answer",
    [[], None, {}, {"jobs": []}, {"total_count": None, "jobs": []}, {"total_count": -1, "jobs": []},
     {"total_count": "3", "jobs": []}, {"total_count": True, "jobs": []}, {"total_count": 0, "jobs": {}}],
    ids=str,
)  # fmt: skip
def test_what_is_no_counted_listing_is_no_empty_one(answer: Any) -> None:
    with pytest.raises(TransientError, match="has not “jobs”, counted, in it"):
        Shape(WorkflowJob, "acme/basket", "jobs").page(answer, "", URL)


def test_one_entry_that_cannot_be_read_costs_no_other() -> None:
    notes = [{"message": "a"}, {"message": 5}, "text", {"message": "b"}]
    found = Shape(CheckAnnotation, "job 5 of acme/basket", "").page(notes, "", URL)
    assert [item.message for item in found.items] == ["a", "b"]
    assert [str(error) for error in found.refused] == [
        "annotation of job 5 of acme/basket: field “message” should be a string, but is 5",
        "annotation of job 5 of acme/basket: expected a JSON object, got 'text'",
    ]
