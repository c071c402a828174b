"""What the contract decides, whatever was learned: few decisions, each named and tested as such.

Belongs here: these decisions, and what an error is named by. Does not: the learned
decision (`classifier.py`).
"""

from __future__ import annotations

from ci_metrics.catalogue import Message
from ci_metrics.classifier.features import AGGREGATE, SeenEvidence
from ci_metrics.models import Job

#: The tag of messages that say that pytest could not collect tests.
COLLECTION = "pytest-collection"
#: The message of a test that ran into its own time limit.
TEST_LIMIT = "test-timeout"
#: A category that only the log's own word can give.
FLAKY = "flaky_test"
#: Roles that name nothing by themselves.
_EMPTY = frozenset({"frame", "epilogue", "status", "title", "banner", "echo", "hint", "step-end", "noise"})


def gate(seen: SeenEvidence) -> str:
    """What a gate says that only waits for other jobs, where nothing else in its
    log names a cause; else "".
    """
    gates = [each for each in seen.found if AGGREGATE in each.message.tags]
    if not gates:
        return ""
    lines = {each.line.number for each in gates}
    others = [
        each
        for each in seen.found
        if each.line.number not in lines
        and each.place in ("head", "first")
        and each.message.role in ("cause", "test")
        and each.message.family != "generic"
    ]
    return "" if others else gates[0].message.headline or "Another job that this one waits for failed"


def by_contract(seen: SeenEvidence, job: Job | None) -> tuple[str, Message | None]:
    """What the contract itself decides, and by which message; ("", None) where it decides nothing.

    Tests that pytest could not collect are infrastructure_error. A test's own time limit is a
    timeout. A job that the runner stopped at its time limit is a timeout, where nothing else names
    a cause. Tests that passed when tried again are flaky_test, where the log counts none that
    failed.
    """
    if collection := next((f.message for f in seen.found if COLLECTION in f.message.tags), None):
        return collection.category, collection
    if limit := next((f.message for f in seen.found if f.place == "head" and f.message.id == TEST_LIMIT), None):
        return limit.category, limit
    if job is not None and job.conclusion == "timed_out" and (named_by_nothing(seen) or not spoken_for(seen)):
        return "timeout", None
    flaky = next((f.message for f in seen.found if f.message.category == FLAKY), None)
    if flaky is not None and not any(
        f.message.role == "count" and f.message.category and f.message.category != FLAKY for f in seen.found
    ):
        return FLAKY, flaky
    return "", None


def spoken_for(seen: SeenEvidence) -> bool:
    """Whether any message, command or step's name speaks for a category."""
    return any(name.startswith(("category:", "command-category:", "step-category:")) for name in seen.features)


def named_by_nothing(seen: SeenEvidence) -> bool:
    """Whether the first error holds nothing but frames, closing words and the like,
    or nothing that is known.
    """
    roles = {each.message.role for each in seen.found if each.place in ("head", "first")}
    return bool(roles) and roles <= _EMPTY
