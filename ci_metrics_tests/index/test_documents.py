"""Documents say exactly what the contract promises, field by field."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.errors import ContractError
from ci_metrics.index.annotations import messages_text
from ci_metrics.index.documents import document_digest, job_document, step_documents, workflow_document
from ci_metrics.index.error_fields import JobOutcome
from ci_metrics.index.field_reference import field_reference
from ci_metrics.index.field_table import FIELDS, KINDS, fields_of
from ci_metrics.index.runners import runner_prefix
from ci_metrics.index.validation import problem_of
from ci_metrics.index.verdict_documents import verdict_document
from ci_metrics.models import Annotation, Usage
from ci_metrics_tests.builders import HOUR, RUN_ID, a_job, a_run, a_step, a_verdict, an_error
from ci_metrics_tests.index.corpus import PROVENANCE, an_outcome, corpus

ERROR_FIELDS = {name for name in fields_of("jobs") if "error" in name and not name.startswith("s_error_log")} | {
    "errors"
}


def test_a_failed_job_whole() -> None:
    verdict = a_verdict(model="m-1", source="model", usage=Usage(1000, 50, 800, 0.0021))
    annotations = (
        Annotation(level="warning", message="Node 16 is old"),
        Annotation(level="failure", message="Process completed with exit code 1."),
    )
    job = a_job(annotations=annotations, labels=("self-hosted", "gpu"), runner_name="gpu-large-x7k9z-runner-b4dfq")
    outcome = an_outcome((an_error(step_line=17), verdict), flaky_suspected=True, background=True)
    document = job_document(a_run(), job, outcome, PROVENANCE)
    of_the_error = {
        "s_error_type": "assertion_failure",
        "s_error_base_type": "assertion_failure",
        "s_error_summary": "tests/test_widgets.py expected 4 widgets and got 3.",
        "f_error_confidence": 0.9,
        "s_error_state": "classified",
        "s_error_source": "model",
        "s_error_evidence": "AssertionError: 3 widgets, not 4",
        "l_error_line": 42,
        "s_error_log_url": f"https://github.com/octo/widgets/actions/runs/{RUN_ID}/job/500#step:2:17",
        "s_error_fingerprint": "v1-aaaa",
        "s_error_group": "v1-gggg",
        "s_suggested_fix": "Look at how widgets are counted.",
        "s_classifier_version": "c1",
        "s_model": "m-1",
        "l_prompt_tokens": 1000,
        "l_completion_tokens": 50,
        "l_cached_tokens": 800,
        "f_cost_usd": 0.0021,
    }
    assert document.kind == "jobs"
    assert document.id == "github-job-500-attempt-1"
    assert document.body == {
        "@timestamp": "2026-03-02T05:10:00Z",
        "s_repo": "octo/widgets",
        "s_workflow_id": str(RUN_ID),
        "s_workflow_name": "CI",
        "s_github_event": "push",
        "s_branch": "main",
        "s_pr_id": "N/A",
        "s_commit_sha": "0123456789abcdef0123456789abcdef01234567",
        "s_user_alias": "ann",
        "s_status": "failure",
        "l_status_number": 1,
        "l_run_attempt": 1,
        "l_retry_count": 0,
        "ts_creation_time": "2026-03-02T05:00:00Z",
        "ts_start_time": "2026-03-02T05:00:20Z",
        "ts_end_time": "2026-03-02T05:10:00Z",
        "l_duration_sec": 580,
        "l_queue_time_sec": 20,
        "s_html_url": f"https://github.com/octo/widgets/actions/runs/{RUN_ID}/job/500",
        "l_annotation_count": 2,
        "l_annotation_failure_count": 1,
        "l_annotation_warning_count": 1,
        "l_annotation_notice_count": 0,
        "s_annotation_messages": "[failure] Process completed with exit code 1.\n[warning] Node 16 is old",
        "s_job_id": "500",
        "s_job_name": "test (3.12)",
        "s_runner_id": "9",
        "s_runner_name": "gpu-large-x7k9z-runner-b4dfq",
        "s_runner_prefix": "gpu-large",
        "s_runner_labels": ["self-hosted", "gpu"],
        "l_runner_minutes": 10,
        "f_runner_cost_usd": 0.0,
        **of_the_error,
        "b_error_background": True,
        "b_flaky_suspected": True,
        "errors": [{**of_the_error, "s_step_name": "Step 2"}],
        "s_partition": "2026-03-02T05",
        "s_dagster_run_id": "6f1c0d6e",
    }


def test_a_workflow_whole() -> None:
    run = a_run(run_attempt=3, pr_id="17", run_started_at=HOUR + timedelta(days=2))
    later = HOUR + timedelta(days=2)
    own = [
        a_job(
            job_id=1, run_attempt=3, started_at=later + timedelta(seconds=9), completed_at=later + timedelta(minutes=5)
        ),
        a_job(
            job_id=2,
            run_attempt=3,
            started_at=later + timedelta(seconds=7),
            completed_at=later + timedelta(minutes=4),
            annotations=(Annotation(level="notice", message="hello"),),
        ),
    ]
    carried_over = a_job(job_id=3, run_attempt=1, annotations=(Annotation(level="failure", message="old"),))
    document = workflow_document(run, [*own, carried_over], PROVENANCE)
    assert document.id == f"github-workflow-{RUN_ID}-attempt-3"
    assert document.body == {
        "@timestamp": "2026-03-04T05:05:00Z",
        "s_repo": "octo/widgets",
        "s_workflow_id": str(RUN_ID),
        "s_workflow_name": "CI",
        "s_github_event": "push",
        "s_branch": "main",
        "s_pr_id": "17",
        "s_commit_sha": "0123456789abcdef0123456789abcdef01234567",
        "s_user_alias": "ann",
        "s_status": "failure",
        "l_status_number": 1,
        "l_run_attempt": 3,
        "l_retry_count": 2,
        "ts_creation_time": "2026-03-02T05:00:00Z",
        "ts_start_time": "2026-03-04T05:00:00Z",
        "ts_end_time": "2026-03-04T05:05:00Z",
        "l_duration_sec": 300,
        "l_queue_time_sec": 7,
        "s_html_url": f"https://github.com/octo/widgets/actions/runs/{RUN_ID}",
        "l_runner_minutes": 9,
        "f_runner_cost_usd": 0.054,
        "l_annotation_count": 1,
        "l_annotation_failure_count": 0,
        "l_annotation_warning_count": 0,
        "l_annotation_notice_count": 1,
        "s_annotation_messages": "[notice] hello",
        "s_partition": "2026-03-02T05",
        "s_dagster_run_id": "6f1c0d6e",
    }


def test_a_passed_step_whole() -> None:
    documents = step_documents(a_run(), a_job(), an_outcome(), PROVENANCE)
    assert [document.id for document in documents] == ["github-step-500_1-attempt-1", "github-step-500_2-attempt-1"]
    assert documents[0].body == {
        "@timestamp": "2026-03-02T05:01:30Z",
        "s_repo": "octo/widgets",
        "s_workflow_id": str(RUN_ID),
        "s_workflow_name": "CI",
        "s_github_event": "push",
        "s_branch": "main",
        "s_pr_id": "N/A",
        "s_commit_sha": "0123456789abcdef0123456789abcdef01234567",
        "s_user_alias": "ann",
        "s_status": "success",
        "l_status_number": 0,
        "l_run_attempt": 1,
        "l_retry_count": 0,
        "ts_creation_time": "2026-03-02T05:00:00Z",
        "ts_start_time": "2026-03-02T05:01:00Z",
        "ts_end_time": "2026-03-02T05:01:30Z",
        "l_duration_sec": 30,
        "s_html_url": f"https://github.com/octo/widgets/actions/runs/{RUN_ID}/job/500#step:1:1",
        "s_job_id": "500",
        "s_job_name": "test (3.12)",
        "s_step_id": "500_1",
        "s_step_run_id": str(RUN_ID),
        "s_step_name": "Step 1",
        "l_step_number": 1,
        "s_partition": "2026-03-02T05",
        "s_dagster_run_id": "6f1c0d6e",
    }


@pytest.mark.parametrize(
    ("conclusion", "status", "expected", "number"),
    [
        ("success", "completed", "success", 0),
        ("failure", "completed", "failure", 1),
        ("cancelled", "completed", "cancelled", None),
        ("timed_out", "completed", "timed_out", None),
        ("skipped", "completed", "skipped", None),
        ("neutral", "completed", "neutral", None),
        ("startup_failure", "completed", "startup_failure", None),
        ("paused_by_moon", "completed", "paused_by_moon", None),
        (None, "in_progress", "in_progress", None),
        (None, "queued", "queued", None),
    ],
)
def test_status_is_the_conclusion_and_only_two_have_a_number(
    conclusion: str | None, status: str, expected: str, number: int | None
) -> None:
    step = a_step(1, conclusion, status=status)
    job = a_job(conclusion=conclusion, status=status, steps=(step,))
    run = a_run(conclusion=conclusion, status=status)
    for document in (workflow_document(run, [job]), job_document(run, job), *step_documents(run, job)):
        assert document.body["s_status"] == expected
        assert document.body.get("l_status_number", None) == number
        assert ("l_status_number" in document.body) is (number is not None)


HALF_AN_HOUR = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("changes", "duration", "queue", "timestamp"),
    [
        ({}, 580, 20, "2026-03-02T05:10:00Z"),
        ({"started_at": None}, None, None, "2026-03-02T05:10:00Z"),
        ({"completed_at": None}, None, 20, "2026-03-02T05:10:02Z"),
        ({"created_at": None}, 580, None, "2026-03-02T05:10:00Z"),
        ({"created_at": HOUR + HALF_AN_HOUR}, 580, None, "2026-03-02T05:10:00Z"),
        ({"started_at": HOUR + HALF_AN_HOUR}, None, 1800, "2026-03-02T05:10:00Z"),
        ({"started_at": HOUR, "completed_at": HOUR}, 0, 0, "2026-03-02T05:00:00Z"),
        # less than a second is not 0 seconds the wrong way round
        ({"started_at": HOUR + timedelta(milliseconds=500), "completed_at": HOUR}, None, 0, "2026-03-02T05:00:00Z"),
    ],
)
def test_a_time_that_is_missing_or_negative_is_absent_not_zero(
    changes: dict[str, Any], duration: int | None, queue: int | None, timestamp: str
) -> None:
    body = job_document(a_run(), a_job(**changes)).body
    assert body.get("l_duration_sec") == duration
    assert body.get("l_queue_time_sec") == queue
    assert body["@timestamp"] == timestamp
    assert None not in body.values()


def test_the_queue_of_a_rerun_counts_from_its_own_attempt() -> None:
    later = HOUR + timedelta(days=14)
    run = a_run(run_attempt=2, run_started_at=later)
    job = a_job(
        run_attempt=2, created_at=HOUR, started_at=later + timedelta(seconds=12), completed_at=later + HALF_AN_HOUR
    )
    assert job_document(run, job).body["l_queue_time_sec"] == 12
    assert job_document(run, replace(job, created_at=later + timedelta(seconds=2))).body["l_queue_time_sec"] == 10


def test_a_run_that_still_goes_has_no_end() -> None:
    run = a_run(status="in_progress", conclusion=None)
    body = workflow_document(
        run, [a_job(), a_job(job_id=2, status="in_progress", conclusion=None, completed_at=None)]
    ).body
    assert "ts_end_time" not in body
    assert "l_duration_sec" not in body
    assert body["@timestamp"] == "2026-03-02T05:10:02Z"


def test_a_finished_run_whose_jobs_are_not_known_ended_at_its_last_update() -> None:
    for jobs in ([], [a_job(completed_at=None)]):
        assert workflow_document(a_run(), jobs).body["ts_end_time"] == "2026-03-02T05:10:02Z"


def test_what_is_not_known_is_absent() -> None:
    job = a_job(runner_id=0, runner_name="", labels=(), html_url="", head_branch="", workflow_name="")
    run = a_run(actor="", head_branch="", updated_at=None, pr_id="")
    body = job_document(run, job).body
    for name in (
        "s_runner_id",
        "s_runner_name",
        "s_runner_prefix",
        "s_runner_labels",
        "s_html_url",
        "s_branch",
        "s_user_alias",
    ):
        assert name not in body
    assert body["s_workflow_name"] == "CI"
    assert body["s_pr_id"] == "N/A"


@pytest.mark.parametrize(
    "outcome", [None, JobOutcome(state="off"), JobOutcome(state="off", verdicts=((an_error(), a_verdict()),))]
)
def test_with_classification_off_there_is_no_error_field_at_all(outcome: JobOutcome | None) -> None:
    documents = [job_document(a_run(), a_job(), outcome), *step_documents(a_run(), a_job(), outcome)]
    for document in documents:
        leftover = {name for name in document.body if "error" in name or "token" in name or name.startswith("b_flaky")}
        assert leftover == set()


def test_a_job_that_did_not_fail_has_no_error_fields() -> None:
    for conclusion in ("success", "skipped", "neutral", "action_required", None):
        body = job_document(a_run(), a_job(conclusion=conclusion), an_outcome()).body
        assert not ERROR_FIELDS & set(body)


@pytest.mark.parametrize("used", [True, False])
def test_a_failed_job_and_its_failed_steps_say_whether_a_passing_run_was_background(used: bool) -> None:
    job = a_job(steps=(a_step(1), a_step(2, "failure"), a_step(3, "cancelled")))
    outcome = an_outcome((an_error(), a_verdict()), background=used)
    bodies = [document.body for document in step_documents(a_run(), job, outcome)]
    assert job_document(a_run(), job, outcome).body["b_error_background"] is used
    assert [body.get("b_error_background") for body in bodies] == [None, used, used]


@pytest.mark.parametrize("state", ["unknown", "no_error_found", "no_log", "pending", "llm_failed"])
def test_a_type_stands_only_where_the_state_is_classified(state: Any) -> None:
    verdict = a_verdict(state=state, error_type="timeout", confidence=0.4, guess="timeout")
    for outcome in (an_outcome((an_error(), verdict), state=state), JobOutcome(state=state)):
        job = job_document(a_run(), a_job(), outcome).body
        step = step_documents(a_run(), a_job(), outcome)[1].body
        for body in (job, step, *job.get("errors", [])):
            assert not {"s_error_type", "s_error_base_type"} & set(body)
        assert job["s_error_state"] == state
        assert job["l_prompt_tokens"] == 0
        assert step["s_error_state"] == state
        assert ("f_error_confidence" in job) is (state == "unknown" and bool(outcome.verdicts))


def test_a_project_s_own_category_stands_beside_the_one_of_the_ten_it_counts_under() -> None:
    lint = (an_error(step="Step 2", step_number=2), a_verdict(error_type="lint_failure"))
    other = (an_error(fingerprint="v1-2222", step="Step 3", step_number=3), a_verdict(error_type="timeout"))
    outcome = an_outcome(lint, other, parents={"lint_failure": "assertion_failure"})
    job = job_document(a_run(), a_job(), outcome).body
    step = step_documents(a_run(), a_job(), outcome)[1].body
    for body in (job, step, job["errors"][0]):
        assert (body["s_error_type"], body["s_error_base_type"]) == ("lint_failure", "assertion_failure")
    assert (job["errors"][1]["s_error_type"], job["errors"][1]["s_error_base_type"]) == ("timeout", "timeout")


def test_all_errors_are_kept_and_the_state_s_own_leads() -> None:
    first = (an_error(fingerprint="v1-1111"), a_verdict(error_type="dependency_error", usage=Usage(10, 2, 0, 0.5)))
    second = (an_error(fingerprint="v1-2222", step="Step 3", step_number=3), a_verdict(usage=Usage(5, 1, 0, 0.25)))
    body = job_document(a_run(), a_job(), an_outcome(first, second)).body
    assert body["s_error_type"] == "dependency_error"
    assert [error["s_error_fingerprint"] for error in body["errors"]] == ["v1-1111", "v1-2222"]
    assert [error["s_step_name"] for error in body["errors"]] == ["Step 2", "Step 3"]
    assert (body["l_prompt_tokens"], body["f_cost_usd"]) == (15, 0.75), "what the document cost is the sum"

    unsure = (first[0], a_verdict(state="unknown", error_type=None, confidence=0.2))
    body = job_document(a_run(), a_job(), an_outcome(unsure, second)).body
    assert (body["s_error_type"], body["s_error_fingerprint"]) == ("assertion_failure", "v1-2222")


def test_a_failed_step_carries_its_own_error() -> None:
    job = a_job(
        steps=(a_step(1), a_step(2, "failure"), a_step(3, "failure"), a_step(4, "failure"), a_step(5, "skipped"))
    )
    second = (an_error(fingerprint="v1-2222"), a_verdict(error_type="timeout", confidence=0.7))
    third = (an_error(fingerprint="v1-3333", step="Step 3", step_number=None), a_verdict(error_type="network_error"))
    bodies = [document.body for document in step_documents(a_run(), job, an_outcome(third, second))]
    assert [body.get("s_error_state") for body in bodies] == [None, "classified", "classified", "no_error_found", None]
    assert [body.get("s_error_type") for body in bodies] == [None, "timeout", "network_error", None, None]
    assert bodies[1]["s_error_fingerprint"] == "v1-2222"
    assert bodies[1]["f_error_confidence"] == 0.7
    assert all("errors" not in body for body in bodies)


def test_an_annotation_s_error_belongs_to_the_only_failed_step() -> None:
    pair = (an_error(line=None, step=None, step_number=None, source="annotation"), a_verdict(evidence=()))
    one = step_documents(a_run(), a_job(), an_outcome(pair))
    assert one[1].body["s_error_type"] == "assertion_failure"
    two_failed = a_job(steps=(a_step(1, "failure"), a_step(2, "failure")))
    states = [document.body["s_error_state"] for document in step_documents(a_run(), two_failed, an_outcome(pair))]
    assert states == ["no_error_found", "no_error_found"]
    job = job_document(a_run(), a_job(), an_outcome(pair)).body
    assert job["s_error_log_url"] == job["s_html_url"]
    assert "l_error_line" not in job


def test_a_link_to_an_unknown_line_opens_the_step_not_another_line() -> None:
    body = job_document(a_run(), a_job(), an_outcome((an_error(step_line=None, line=4200), a_verdict()))).body
    assert body["s_error_log_url"].endswith("/job/500#step:2:1")


def test_annotation_messages_are_cut_visibly() -> None:
    annotations = [Annotation(level="warning", message="w" * 90)] * 200 + [
        Annotation(level="failure", message="the cause")
    ]
    text = messages_text(annotations)
    assert text.startswith("[failure] the cause\n[warning] www")
    kept, _, mark = text.rpartition("\n")
    assert len(kept) == 10_000
    whole = messages_text(annotations, budget=10**6)
    assert mark == f"[cut: {len(whole) - 10_000} more characters]"


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("GitHub Actions 1000012345", "GitHub Actions"),
        ("GitHub Actions 3", "GitHub Actions"),
        ("gpu-large-x7k9z-runner-b4dfq", "gpu-large"),
        ("linux-amd64-cpu8-6f7d8c9b5d-2xkzq", "linux-amd64-cpu8"),
        ("arc-x86_64-runners-qz4tw", "arc-x86_64-runners"),
        ("i-0abc123def4567890", "i"),
        ("build-0a1b2c3d4e5f", "build"),
        ("ubuntu-2204-x7k9z", "ubuntu-2204"),
        ("mac-mini-07", "mac-mini"),
        ("builder", "builder"),
        ("linux-runner", "linux-runner"),
        ("windows-latest", "windows-latest"),
        ("gpu-h100x8", "gpu-h100x8"),
        ("macos-arm64", "macos-arm64"),
        ("42", "42"),
    ],
)
def test_a_runner_s_prefix_is_its_name_without_the_random_part(name: str, prefix: str) -> None:
    assert runner_prefix(name) == prefix


def test_half_a_character_does_not_spoil_a_document() -> None:
    body = job_document(a_run(), a_job(name="test \ud83d", labels=("a\udc00",))).body
    assert body["s_job_name"] == "test ?"
    assert body["s_runner_labels"] == ["a?"]


def test_the_digest_tells_changed_from_unchanged_whichever_run_wrote_it() -> None:
    one = job_document(a_run(), a_job(), an_outcome(), PROVENANCE)
    again = job_document(a_run(), a_job(), an_outcome(), replace(PROVENANCE, dagster_run_id="another"))
    assert document_digest(one) == document_digest(again)
    changed = [
        job_document(a_run(), a_job(), an_outcome(flaky_suspected=True), PROVENANCE),
        job_document(a_run(), a_job(job_id=501), an_outcome(), PROVENANCE),
        job_document(a_run(), a_job(), None, PROVENANCE),
    ]
    assert len({document_digest(one), *(document_digest(document) for document in changed)}) == 4


def test_every_document_built_is_valid_and_free_of_empty_values() -> None:
    verdict = verdict_document(
        a_verdict(), judged_at=HOUR, error=an_error(), repo="octo/widgets", job_id=1, user="ann", note="n"
    )
    for document in [*corpus()[0], verdict]:
        assert problem_of(document.kind, document.body) is None
        assert not [name for name, value in document.body.items() if value in (None, "", [])]
        assert "_id" not in document.body
        assert json.loads(json.dumps(document.body)) == document.body


def test_a_verdict_nothing_could_find_again_is_not_stored() -> None:
    for lacking in ({"fingerprint": ""}, {"classifier_version": ""}):
        with pytest.raises(ContractError, match="cannot be stored"):
            verdict_document(a_verdict(**lacking), judged_at=HOUR)


def test_the_names_tell_the_types() -> None:
    prefixes = {"s_": ("keyword", "text"), "l_": ("long",), "f_": ("float",), "b_": ("boolean",), "ts_": ("date",)}
    for field in FIELDS:
        if field.name not in ("@timestamp", "errors"):
            prefix = next(prefix for prefix in ("ts_", "s_", "l_", "f_", "b_") if field.name.startswith(prefix))
            assert field.type in prefixes[prefix], field.name
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert all(fields_of(kind)["@timestamp"].type == "date" for kind in KINDS)


def test_the_field_reference_is_made_from_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "documents.md"
    assert page.read_text() == field_reference(), "run: python -m ci_metrics.index.field_reference > docs/documents.md"
