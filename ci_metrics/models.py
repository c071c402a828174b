"""Frozen records that travel between the parts: built at the edge, never raw JSON inside.

What belongs here: records and the closed sets of words they use (GitHub's and Dagster's own). No
I/O, no parsing of anybody's wire format, no decisions.

Times are timezone-aware UTC datetimes; durations are seconds; sizes are bytes; log
lines are 1-based and counted at ``\\n`` in the raw log; spans are inclusive ``(first,
last)`` pairs of such lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

LineSpan = tuple[int, int]

#: Conclusions of a job (GitHub's words) whose cause is looked for.
FAILED_CONCLUSIONS = frozenset({"failure", "timed_out", "cancelled", "startup_failure"})

#: What a failed job's document says of its classification (contract, "States").
ErrorState = Literal["classified", "unknown", "no_error_found", "no_log", "pending", "llm_failed", "off"]

#: Who gave a verdict (contract, `s_error_source`).
VerdictSource = Literal["rules", "model", "reused", "human"]

#: What became of a job's log: stored; 404; 410; the job never had one (died before any step);
#: could not be fetched yet.
LogState = Literal["stored", "not_found", "gone", "unavailable"]

#: What became of the search for a failed job's last passing run: its log is used; there is none
#: (any more); it could not be had now; the hour's share of requests was spent; switched off.
PassingState = Literal["used", "absent", "failed", "postponed", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStanding:
    """How a run stands: all that a look for re-runs needs of it."""

    run_id: int
    run_attempt: int  # the latest
    status: str
    conclusion: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt of one workflow run (GitHub's `workflow-run`)."""

    repo: str  # owner/name
    run_id: int
    run_attempt: int  # from 1
    workflow_name: str
    event: str
    status: str  # queued, in_progress, completed, ... passed through
    conclusion: str | None  # passed through, unknown ones too
    head_branch: str
    head_sha: str
    head_owner: str | None  # login of the head repository's owner; None when the fork is gone
    head_repo: str | None  # owner/name of the head repository
    actor: str  # login that triggered this attempt
    pr_id: str  # a pull request's number, or "N/A"
    created_at: datetime  # of the run: the same for all its attempts; decides the partition
    run_started_at: datetime | None  # of this attempt
    updated_at: datetime | None
    check_suite_id: int | None
    run_number: int
    display_title: str
    html_url: str
    workflow_id: int | None = (
        None  # of the workflow itself, not of its run; None: not said, or stored before it was asked
    )
    base_branch: str = ""  # of the pull request that GitHub names with the run; "" where it names none
    commit_author: str = ""  # of the head commit, as Git names them; "": not said, or stored before it was asked
    commit_pr_id: str = ""  # number of the pull request that it merged, as GitHub titles such a commit; "": none

    @property
    def finished(self) -> bool:
        """Whether this attempt will not change any more."""
        return self.status == "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a job, as GitHub names and numbers it."""

    number: int
    name: str
    status: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One annotation of a job's check run (GitHub's `check-annotation`)."""

    level: str  # failure, warning, notice
    message: str
    title: str = ""
    path: str = ""
    start_line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of one attempt (GitHub's `job`), with its steps and annotations."""

    repo: str
    run_id: int
    run_attempt: int  # the job's own, not the listing's
    job_id: int  # also its check run's id
    name: str
    workflow_name: str
    status: str
    conclusion: str | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    runner_id: int | None
    runner_name: str | None
    labels: tuple[str, ...]
    head_branch: str
    head_sha: str
    html_url: str
    steps: tuple[Step, ...] = ()
    annotations: tuple[Annotation, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether this job will not change any more."""
        return self.status == "completed"

    @property
    def failed(self) -> bool:
        """Whether a cause is looked for: failed, timed out, cancelled or never started."""
        return self.conclusion in FAILED_CONCLUSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One artifact that a run's jobs uploaded (GitHub's `artifact`)."""

    artifact_id: int
    name: str
    bytes: int  # of its archive
    expired: bool
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassingLog:
    """What became of the search for the last passing run of a failed
    job, whose log is background.
    """

    state: PassingState
    path: str = ""  # of the shapes of its lines, in the store's `backgrounds`; "" unless used
    detail: str = ""  # why it is not used


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLog:
    """What became of one failed job's log: an entry of an hour's manifest."""

    repo: str
    run_id: int
    run_attempt: int
    job_id: int
    state: LogState
    http_status: int | None = None
    path: str = ""  # relative to the hour's folder; "" unless stored
    raw_bytes: int = 0  # of the log as GitHub served it, before any cap
    truncated: bool = False  # a cap cut it; the file says where
    detail: str = ""  # why it is not there
    passing: PassingLog | None = None  # None: not looked for (yet)
    junit: str = (
        ""  # its JUnit reports: read, none, "unreadable: why", or why they could not be had; "": not looked for
    )
    failed_tests: tuple[str, ...] = ()  # that its JUnit reports name

    @property
    def has_background(self) -> bool:
        """Whether a passing run's log tells what of this one is background."""
        return self.passing is not None and self.passing.state == "used"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log, cleaned (no timestamp, no colour codes) and redacted."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class LineMessages:
    """The catalogue's messages on one line of a log, by their ids."""

    number: int
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractedError:
    """One error found in a job's log or annotations."""

    headline: str  # one redacted line that names the error
    line: int | None  # the headline's raw line; None when it stands only in an annotation
    spans: tuple[LineSpan, ...]
    lines: tuple[LogLine, ...]  # the error's own lines, those of `spans`, as far as the budget kept them
    step: str | None  # as GitHub's API names it
    step_number: int | None
    fingerprint: str  # versioned; see logs/fingerprint.py
    group: str  # versioned, coarser
    generic: bool = False  # the fingerprint says nothing about the cause ("exit code 1"): never new, flaky or blamed
    telling: bool = (
        False  # it names more than a tool's fixed sentence: a path, a symbol, a package, a test, a quoted value
    )
    source: Literal["log", "annotation"] = "log"
    tool: str = ""  # the family of tools that printed it, where known
    repeats: int = 1  # near-identical blocks that were collapsed into this one
    step_line: int | None = (
        None  # the headline's line within its step's log, from 1, as GitHub's page numbers it; None: not known
    )
    confidence: float = 0.0  # how often such a line names the cause, 0.0 to 1.0, by the ranking; 0.0: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What one job's log (and annotations) say of its failure, root
    cause first, within a budget.
    """

    state: Literal["errors", "no_error_found", "no_log"]
    excerpt: str = ""  # what a model would be sent: cleaned, redacted, gaps marked with their line ranges
    lines: tuple[LogLine, ...] = ()  # the excerpt's log lines with their raw numbers
    messages: tuple[LineMessages, ...] = ()  # of the excerpt's lines, where any were found
    spans: tuple[LineSpan, ...] = ()
    errors: tuple[ExtractedError, ...] = ()  # root cause first
    failed_step: str | None = None
    #: That step's lines, where GitHub names it (or the log marks several) and the log shows it.
    failed_span: LineSpan | None = None
    total_lines: int = 0
    log_bytes: int = 0
    truncated: bool = False  # a cap cut the log before or while it was read
    redactions: int = 0  # secrets masked in the excerpt
    version: str = ""  # of the extractor
    failed_tests: tuple[str, ...] = ()  # names that the log gives, masked
    command: str = ""  # of the failing step, masked, where the log shows one that fits in a line


@dataclass(frozen=True, slots=True)
class Evidence:
    """One quoted line that proves a verdict: it stands on that line of the raw log."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What one verdict cost: tokens (cached ones are part of `prompt_tokens`) and US dollars."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cost_usd + other.cost_usd,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.cached_tokens - other.cached_tokens,
            self.cost_usd - other.cost_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What kind of error, how sure, why, which lines prove it, what
    might fix it, and who said so.
    """

    state: ErrorState
    error_type: str | None  # a name of the taxonomy; None unless the state is "classified"
    confidence: float  # 0.0 to 1.0
    summary: str
    evidence: tuple[Evidence, ...] = ()
    suggested_fix: str = ""
    source: VerdictSource = "rules"
    fingerprint: str = ""
    classifier_version: str = ""
    model: str = ""  # the model that answered; "" for rules and humans
    rule: str = ""  # the id of the deciding rule; "" for models and humans
    guess: str | None = None  # the withheld type when the state is "unknown" because of the threshold
    detail: str = ""  # why this state or source (a fallback says so here)
    usage: Usage = field(default_factory=Usage)  # spent on this failure, tries in vain included; zero when reused
    origin: str = ""  # whose failure the model was asked about (`verdicts/log_origin.py`); "" for rules and humans
