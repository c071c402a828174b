"""Flaky flags, and the type that follows from them: what a job's document and
its steps' should say. Pure.

What belongs here: evidence -> fields. Does not: deciding what is flaky (`flakiness.py`), asking all
of history (`history_pass.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_metrics.history.attempts import attempt_of, root_error
from ci_metrics.history.flakiness import FlakyEvidence, flaky_evidence, later_passes, storms
from ci_metrics.history.job_documents import Changes, differing, failed_with_jobs, shares_error
from ci_metrics.index.document_index import Body, Document

if TYPE_CHECKING:  # it loads numpy, which those who only read history need not
    from ci_metrics.classifier.taxonomy import Taxonomy

#: The type that only history (or the log's own word) may give.
FLAKY_TYPE = "flaky_test"

#: What the log alone says of a flaky test. An outage of the network, a full disk and the like keep
#: the type of their cause.
TEST_TYPES = frozenset({"assertion_failure", "runtime_error", "timeout"})

#: The categories that an outage has.
STORM_TYPES = frozenset({"infrastructure_error", "network_error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRules:
    """Which categories mean what, in the taxonomy in force: a project's own kinds of
    the ten are added to theirs.
    """

    storm_types: frozenset[str] = STORM_TYPES
    test_types: frozenset[str] = TEST_TYPES
    flaky_type: str | None = FLAKY_TYPE  # None: the taxonomy has none, and types stay


def flag_rules(taxonomy: Taxonomy) -> FlagRules:
    """What a taxonomy calls an outage, a test's failure and a flaky test: a project's kinds
    of the ten count as theirs.
    """

    def kinds_of(parents: frozenset[str]) -> frozenset[str]:
        return frozenset(name for name in taxonomy.names if taxonomy.parent_of(name) in parents)

    return FlagRules(
        storm_types=kinds_of(STORM_TYPES) or STORM_TYPES,
        test_types=kinds_of(TEST_TYPES),
        flaky_type=FLAKY_TYPE if taxonomy.get(FLAKY_TYPE) else None,
    )


def evidence_within(jobs: Iterable[Document], rules: FlagRules) -> dict[str, FlakyEvidence]:
    """What jobs' documents prove of each other: of an hour's, since a run's attempts all belong to
    its hour. First attempts that passed prove nothing, but on which branches schedules run.
    """
    attempts = [attempt_of(document) for document in jobs]
    return flaky_evidence(
        (attempt for attempt in attempts if attempt.failed),
        passes=later_passes(attempts),
        stormy=storms(attempts, rules.storm_types),
        scheduled={(attempt.repo, attempt.branch) for attempt in attempts if attempt.event == "schedule"},
    )


def flag_changes(documents: Sequence[Document], said: Mapping[str, FlakyEvidence], rules: FlagRules) -> Changes:
    """The fields in which jobs and their failed steps differ from what the evidence (by
    the job's document id) says.
    """
    return {
        (document.kind, document.id): diff
        for document, job in failed_with_jobs(documents)
        if document is job or shares_error(document, job)
        if (diff := differing(document.body, _wanted(job.body, said.get(job.id), rules)))
    }


def _wanted(body: Body, said: FlakyEvidence | None, rules: FlagRules) -> Body:
    """The flags, and the type, that a job's document should have. Flags
    that are not true are absent.
    """
    suspected = said is not None and said.suspected
    confirmed = said is not None and said.confirmed
    wanted: Body = {
        "b_flaky_suspected": True if suspected else None,
        "b_flaky_confirmed": True if confirmed else None,
        "s_error_type": body.get("s_error_type"),
        "s_error_base_type": body.get("s_error_base_type"),
    }
    # The nested error keeps what the log alone said, so that the type can be given back
    # when the evidence is gone.
    own = root_error(body).get("s_error_type")
    if rules.flaky_type is None or own is None or body.get("s_error_source") == "human":
        return wanted
    if confirmed and own in rules.test_types and body.get("s_status") == "failure":
        wanted["s_error_type"] = wanted["s_error_base_type"] = rules.flaky_type
    elif body.get("s_error_type") == rules.flaky_type:
        wanted["s_error_type"], wanted["s_error_base_type"] = own, root_error(body).get("s_error_base_type")
    return wanted
