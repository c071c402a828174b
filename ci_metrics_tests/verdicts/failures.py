"""Made-up failures to judge, and stand-ins for what surrounds a judge: a clock,
rules, a store in memory.

What belongs here: test data. Does not: a model (`model_server.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ci_metrics.models import ErrorState, Evidence, ExtractedError, Extraction, Job, Run, Verdict
from ci_metrics.settings import Settings, load_settings
from ci_metrics.verdicts.judge_request import JudgeRequest
from ci_metrics.verdicts.reuse import StoredVerdict
from ci_metrics_tests.builders import a_job, an_extraction
from ci_metrics_tests.llm.model_server import KEY, ModelServer

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def extraction_of(
    text: str, *, headline_line: int, fingerprint: str, generic: bool = False, telling: bool = True
) -> Extraction:
    """An extraction whose lines are those of `text`, from line 100 on."""
    error = {
        "step": "Run tests",
        "step_number": 4,
        "fingerprint": fingerprint,
        "group": f"g-{fingerprint}",
        "generic": generic,
        "telling": telling and not generic,
    }
    return an_extraction(text.splitlines(), headline=headline_line, first=100, error=error, version="e-test")


def failure(
    number: int = 1,
    *,
    text: str = "",
    fingerprint: str = "",
    job_id: int = 1,
    hour: datetime = NOON,
    generic: bool = False,
    telling: bool = True,
    repo: str = "acme/shop",
    **more: object,
) -> JudgeRequest:
    """A failed assertion numbered `number`; the same number is the same error."""
    text = text or f"$ run-tests\nAssertionError: case {number} expected 3, got 4\n1 failed, 20 passed"
    extraction = extraction_of(
        text, headline_line=101, fingerprint=fingerprint or f"f1-{number:04d}", generic=generic, telling=telling
    )
    made = replace(job(job_id, hour), repo=repo)
    given: dict[str, Any] = {"run": run(repo, hour), **more}
    return JudgeRequest(extraction=extraction, error=extraction.errors[0], job=made, **given)


def run(repo: str = "acme/shop", hour: datetime = NOON, *, event: str = "push", head_repo: str | None = "") -> Run:
    """A run created in that hour, of the repository's own branch unless a head repository is
    given (None: it is gone).
    """
    return Run(
        repo=repo,
        run_id=7,
        run_attempt=1,
        workflow_name="CI",
        event=event,
        status="completed",
        conclusion="failure",
        head_branch="main",
        head_sha="0" * 40,
        head_owner=None,
        head_repo=repo if head_repo == "" else head_repo,
        actor="dev",
        pr_id="N/A",
        created_at=hour + timedelta(minutes=7),
        run_started_at=None,
        updated_at=None,
        check_suite_id=None,
        run_number=1,
        display_title="",
        html_url="",
    )


def job(job_id: int = 1, hour: datetime = NOON) -> Job:
    """A failed job created in that hour."""
    return a_job(
        repo="acme/shop", run_id=7, job_id=job_id, name="unit tests", created_at=hour + timedelta(minutes=7), steps=()
    )


class Clock:
    """A clock that stands until it is told to go on."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class FixedRules:
    """Rules that always say the same, quoting the error's line."""

    version = "rules-1"

    def __init__(self, error_type: str | None = "runtime_error", confidence: float = 0.6) -> None:
        self.error_type, self.confidence = error_type, confidence

    def judge(self, extraction: Extraction, error: ExtractedError | None = None, job: Job | None = None) -> Verdict:
        if extraction.state != "errors" or error is None:
            state: ErrorState = "no_log" if extraction.state == "no_log" else "no_error_found"
            return Verdict(state=state, error_type=None, confidence=0.0, summary="nothing there")
        return Verdict(
            state="classified" if self.error_type else "unknown",
            error_type=self.error_type,
            confidence=self.confidence,
            summary=f"rules saw: {error.headline}",
            evidence=(Evidence(error.line, error.headline),) if error.line else (),
            source="rules",
            rule="test-rule",
        )


class MemoryStore:
    """A verdict store for one process, with real claims."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.kept: dict[str, StoredVerdict] = {}
        self.claims: dict[str, tuple[str, datetime]] = {}
        self.spent: dict[tuple[str, datetime], float] = {}
        self._lock = threading.Lock()

    def get(self, keys: Sequence[str]) -> Mapping[str, StoredVerdict]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    def of_fingerprints(self, fingerprints: Sequence[str], classifier_version: str) -> Sequence[StoredVerdict]:
        return [
            v
            for v in self.kept.values()
            if v.sketch and v.verdict.fingerprint in fingerprints and v.verdict.classifier_version == classifier_version
        ]

    def put(self, verdicts: Sequence[StoredVerdict]) -> None:
        self.kept.update({v.key: replace(v, created_at=v.created_at.replace(microsecond=0)) for v in verdicts})

    def serve(self, partitions: Mapping[str, Sequence[str]]) -> None:
        for key, hours in partitions.items():
            self.kept[key] = replace(self.kept[key], partitions=tuple(hours))

    def claim(self, key: str, owner: str, ttl: float) -> bool:
        with self._lock:
            held = self.claims.get(key)
            if held is not None and held[0] != owner and held[1] > self.clock():
                return False
            self.claims[key] = owner, self.clock() + timedelta(seconds=ttl)
            return True

    def release(self, key: str, owner: str) -> None:
        with self._lock:
            if self.claims.get(key, ("",))[0] == owner:
                del self.claims[key]

    def spent_since(self, since: datetime) -> float:
        return sum(dollars for (_, hour), dollars in self.spent.items() if hour >= since)

    def note_spent(self, process: str, hour: datetime, dollars: float) -> None:
        self.spent[process, hour] = dollars


def settings_for(server: ModelServer, **given: Any) -> Settings:
    """Settings that ask the model server."""
    fmt = given.get("api_format", "anthropic")
    values: dict[str, Any] = {
        "enable_error_classification": True,
        "anthropic_api_key": KEY,
        "api_base_url": server.url + ("/v1" if fmt == "openai" else ""),
        "max_rpm": 100_000,
        "max_tpm": 100_000_000,
    }
    return load_settings({}, **{**values, **given})
