"""The record of an attempt, as history reads it from a document."""

from __future__ import annotations

from datetime import UTC, datetime

from ci_metrics.history.attempts import ATTEMPT_FIELDS, attempt_of
from ci_metrics.index.document_index import Body, Document


def test_each_field_of_a_document_is_in_its_own_place() -> None:
    body: Body = {name: f"the {name}" for name in ATTEMPT_FIELDS if name.startswith("s_")}
    body |= {
        "@timestamp": "2026-03-02T05:06:07Z", "s_status": "failure", "s_error_state": "classified", "s_branch_kind": "default",
        "s_owner": ["@a", "@b"], "l_run_attempt": 2, "l_duration_sec": 33, "f_runner_cost_usd": 0.25, "f_error_confidence": 0.75,
        "b_error_generic": True,
    }  # fmt: skip
    found = attempt_of(Document("jobs", "j1", body))._asdict()
    named = {
        "repo": "s_repo", "run_id": "s_workflow_id", "workflow": "s_workflow_name", "job_id": "s_job_id", "job": "s_job_name",
        "branch": "s_branch", "pr": "s_pr_id", "commit": "s_commit_sha", "event": "s_github_event", "status": "s_status",
        "type": "s_error_type", "source": "s_error_source", "summary": "s_error_summary", "quote": "s_error_evidence",
        "fingerprint": "s_error_fingerprint", "group": "s_error_group", "partition": "s_partition", "domain": "s_error_domain",
        "first_bad": "s_first_bad_sha", "last_good": "s_last_good_sha", "branch_kind": "s_branch_kind",
    }  # fmt: skip
    others = {
        "id": "j1", "when": datetime(2026, 3, 2, 5, 6, 7, tzinfo=UTC), "failed": True, "number": 2, "seconds": 33.0, "generic": True,
        "suspected": False, "confirmed": False, "owners": ("@a", "@b"), "runner_usd": 0.25, "confidence": 0.75,
    }  # fmt: skip
    assert found == {name: body[field] for name, field in named.items()} | others
    flags = [
        attempt_of(Document("jobs", "j1", {"@timestamp": "2026-03-02T05:06:07Z", name: True}))
        for name in ("b_error_generic", "b_flaky_suspected", "b_flaky_confirmed")
    ]
    assert [(each.generic, each.suspected, each.confirmed) for each in flags] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
