"""The messages people look for in the run log and in the command's output (contract, "Messages").

What belongs here: their wording, and a buffer that sends many of them as one log event (each event
costs the instance a write of some 30 ms on SQLite). Does not: when they are said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

from ci_metrics.models import Annotation, ErrorState, Verdict
from ci_metrics.verdicts.judge import unsettled

#: Log events are cut at this many characters, at a line's end.
EVENT_CHARACTERS = 20_000


def classification_enabled(how: str) -> str:
    """`how` says which classifier answers, and why."""
    return f"✅ Error classification enabled: {how}"


def processing_workflow(name: str, run_id: int) -> str:
    """One attempt of a run is looked at."""
    return f"📋 Processing workflow: {name} (ID: {run_id})"


def processing_job(name: str) -> str:
    """One job is looked at."""
    return f"  📤 Processing job: {name}"


def job_annotations(annotations: Iterable[Annotation]) -> str:
    """How many annotations a job has, by level."""
    levels = [annotation.level for annotation in annotations]
    failures, warnings = levels.count("failure"), levels.count("warning")
    return f"   📊 Job annotations: {len(levels)} total, {failures} failures, {warnings} warnings"


def classifying(name: str) -> str:
    """A failed job's error is about to be judged."""
    return f"   🤖 Classifying error for job: {name}"


def verdict_lines(state: ErrorState, verdict: Verdict | None) -> list[str]:
    """What came of judging a failed job."""
    if verdict is None or state in ("no_error_found", "no_log"):
        why = "" if verdict is None or not verdict.detail else f" ({verdict.detail})"
        return [f"   ⚠️ No errors extracted from job logs{why}"]
    if state == "classified":
        return [
            f"   ✅ Classified as: {verdict.error_type} ({verdict.confidence:.0%} confidence)",
            f"      Summary: {verdict.summary}",
            *([f"   ⚠️ Error during classification: {verdict.detail}"] if unsettled(verdict) else []),
        ]
    if state == "llm_failed":
        return [f"   ⚠️ Error during classification: {verdict.detail or 'the model gave no usable answer'}"]
    if state == "pending":
        why = verdict.detail.removeprefix("pending: ") or "it will be done in a later tick"
        return [
            f"   ⏳ Classification pending: {why}",
            *([f"      Summary: {verdict.summary}"] if verdict.summary else []),
        ]
    return [f"   ❔ Unknown error: {verdict.summary}"]


def posted(document_id: str) -> str:
    """A document was written."""
    return f"   ✅ Posted metrics for {document_id}"


class LineBuffer:
    """Collects lines and says them as few, long log events; as a context, the last at its end."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` takes one event's text, for example `context.log.info`."""
        self._say = say
        self._lines: list[str] = []
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, *lines: str) -> None:
        """Keep lines; say what is kept when it has grown long."""
        for line in lines:
            if self._size + len(line) > EVENT_CHARACTERS:
                self.flush()
            self._lines.append(line)
            self._size += len(line) + 1

    def flush(self) -> None:
        """Say what is kept."""
        if self._lines:
            self._say("\n".join(self._lines))
        self._lines, self._size = [], 0


#: Hours that all machines see, and documents that one does.
ONLY_HERE = (
    "HOURS_URL is shared, but documents and verdicts go to the embedded index of this machine: others see none of them, "
    "and pay for the same verdicts again. Set WORKFLOW_INDEX, JOB_INDEX and STEPS_INDEX"
)
