"""The lines people look for are there, in these words."""

from __future__ import annotations

import pytest

from ci_metrics.models import Annotation, ErrorState, Verdict
from ci_metrics.orchestration.run_messages import (
    EVENT_CHARACTERS,
    LineBuffer,
    classification_enabled,
    classifying,
    job_annotations,
    posted,
    processing_job,
    processing_workflow,
    verdict_lines,
)
from ci_metrics_tests.builders import a_verdict


def said(state: ErrorState, **changes: object) -> list[str]:
    verdict: Verdict = a_verdict(state=state, **changes)
    return [line.strip() for line in verdict_lines(state, verdict)]


def test_a_job_that_failed_is_told_in_the_words_people_look_for() -> None:
    annotations = [Annotation(level="failure", message="a"), Annotation(level="notice", message="b")]
    assert classification_enabled("by rules").startswith("✅ Error classification enabled")
    assert (
        processing_workflow("CI Test Suite", 21689681963) == "📋 Processing workflow: CI Test Suite (ID: 21689681963)"
    )
    assert processing_job("build").strip() == "📤 Processing job: build"
    assert job_annotations(annotations).strip() == "📊 Job annotations: 2 total, 1 failures, 0 warnings"
    assert classifying("build").strip() == "🤖 Classifying error for job: build"
    assert posted("github-job-1-attempt-1").strip() == "✅ Posted metrics for github-job-1-attempt-1"
    classified = said("classified", error_type="timeout", confidence=0.92, summary="It hung.")
    assert classified == ["✅ Classified as: timeout (92% confidence)", "Summary: It hung."]
    assert [line.strip() for line in verdict_lines("no_log", None)] == ["⚠️ No errors extracted from job logs"]


def test_a_failing_model_is_told_also_where_the_rules_have_answered() -> None:
    why = "the model failed: refused"
    assert said("llm_failed", detail=why) == [f"⚠️ Error during classification: {why}"]
    assert said("classified", detail=f"{why}; the rules answered instead")[-1].startswith(
        "⚠️ Error during classification"
    )


def test_a_reason_is_not_announced_twice() -> None:
    assert said("pending", detail="pending: it waits for a message batch", summary="The guess is timeout.") == [
        "⏳ Classification pending: it waits for a message batch",
        "Summary: The guess is timeout.",
    ]


def test_lines_of_many_hours_are_few_events_and_none_is_lost_when_an_hour_fails() -> None:
    events: list[str] = []
    lines = [f"{hour:03d} {'x' * 500}" for hour in range(100)]
    with pytest.raises(ZeroDivisionError), LineBuffer(events.append) as buffer:
        for line in lines:
            buffer.add(line)
        raise ZeroDivisionError
    assert len(events) == 3
    assert all(len(event) <= EVENT_CHARACTERS for event in events)
    assert "\n".join(events).split("\n") == lines
