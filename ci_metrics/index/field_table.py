"""The one table of the documents' fields: name, type, which documents carry it, what it means.

What belongs here: the table and look-ups in it. Does not: mappings, validation and
docs/documents.md, which are made from it. The prefix of a name says its type: `s_` string, `l_`
long, `f_` float, `b_` boolean, `ts_` date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ci_metrics.errors import ContractError
from ci_metrics.index.document_index import Kind

FieldType = Literal["keyword", "text", "long", "float", "boolean", "date", "nested"]

KINDS: tuple[Kind, ...] = ("workflows", "jobs", "steps", "verdicts")

#: Longer keywords are stored but cannot be searched, counted or sorted by (OpenSearch refuses
#: terms over 32,766 bytes).
IGNORE_ABOVE = 1024


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `many`: its value is a list. `in_errors`: the entries of the
    nested `errors` carry it too.
    """

    name: str
    type: FieldType
    kinds: tuple[Kind, ...]
    meaning: str
    many: bool = False
    in_errors: bool = False


_RUNS: tuple[Kind, ...] = ("workflows", "jobs", "steps")
_ANNOTATED: tuple[Kind, ...] = ("workflows", "jobs")
_JOBS: tuple[Kind, ...] = ("jobs",)
_STEPS: tuple[Kind, ...] = ("steps",)
_JOBS_STEPS: tuple[Kind, ...] = ("jobs", "steps")
_JUDGED: tuple[Kind, ...] = ("jobs", "steps", "verdicts")
_VERDICTS: tuple[Kind, ...] = ("verdicts",)

FIELDS: tuple[Field, ...] = (
    # Who, what, when
    Field("@timestamp", "date", KINDS, "When it completed; else when it was last heard of. Verdicts: when it was given."),
    Field("s_repo", "keyword", KINDS, "Repository, owner/name. Verdicts: where the error was first met."),
    Field("s_workflow_id", "keyword", _RUNS, "The run's id."),
    Field("s_workflow_name", "keyword", _RUNS, "The workflow's name."),
    Field("s_github_event", "keyword", _RUNS, "What started the run: push, pull_request, schedule …"),
    Field("s_branch", "keyword", _RUNS, "Head branch."),
    Field("s_pr_id", "keyword", _RUNS, "Pull request's number; “N/A” where there is none or it is ambiguous."),
    Field("s_commit_sha", "keyword", _RUNS, "Head commit."),
    Field("s_commit_author", "keyword", ("workflows",), "Its author, as Git names them."),
    Field("s_commit_pr_id", "keyword", ("workflows",), "The pull request that it merged, by the title that GitHub gives such a commit."),
    Field(
        "s_branch_kind",
        "keyword",
        _RUNS,
        "default: ran on the repository's default branch; pull_request: of a pull request; other: another branch or a tag. Absent "
        "where the default branch was not known.",
    ),
    Field("s_user_alias", "keyword", KINDS, "Who started this attempt. Verdicts: the person whose verdict it is."),
    Field("s_status", "keyword", _RUNS, "GitHub's conclusion, passed through; before there is one, its status."),
    Field("l_status_number", "long", _RUNS, "1 failure, 0 success; absent for every other conclusion."),
    Field("l_run_attempt", "long", _RUNS, "Attempt, from 1."),
    Field("l_retry_count", "long", _RUNS, "Attempts before this one: l_run_attempt - 1."),
    Field("ts_creation_time", "date", _RUNS, "When the run (the same for all its attempts) or the job was created; steps: their job."),
    Field("ts_start_time", "date", _RUNS, "When this attempt, job or step started."),
    Field("ts_end_time", "date", _RUNS, "When it completed. Workflows: when the attempt's last job did."),
    Field("l_duration_sec", "long", _RUNS, "Seconds from ts_start_time to ts_end_time; absent when one is missing or the result negative."),
    Field(
        "l_queue_time_sec",
        "long",
        _RUNS,
        "Seconds of waiting. Workflows: from this attempt's start to its first job's start; jobs: from this attempt's "
        "creation of the job to its start; steps do not queue. Absent when a time is missing or the result negative.",
    ),
    Field("s_html_url", "keyword", _RUNS, "Its page on GitHub; steps: the job's page opened at the step."),
    # Annotations
    Field("l_annotation_count", "long", _ANNOTATED, "Annotations; workflows: of all jobs of the attempt."),
    Field("l_annotation_failure_count", "long", _ANNOTATED, "Of these, failures."),
    Field("l_annotation_warning_count", "long", _ANNOTATED, "Of these, warnings."),
    Field("l_annotation_notice_count", "long", _ANNOTATED, "Of these, notices."),
    Field(
        "s_annotation_messages",
        "text",
        _ANNOTATED,
        "Their messages, redacted, one a line as “[level] message”, failures first; a cut says how much it left out.",
    ),
    # Jobs and steps
    Field("s_job_id", "keyword", (*_JOBS_STEPS, "verdicts"), "The job's id. Verdicts: the job in which the error was first met."),
    Field("s_job_name", "keyword", _JOBS_STEPS, "The job's name, matrix values included."),
    Field("s_runner_id", "keyword", _JOBS, "The runner's id; absent when none took the job."),
    Field("s_runner_name", "keyword", _JOBS, "The runner's name; absent when none took the job."),
    Field("s_runner_prefix", "keyword", _JOBS, "The runner's name without its random or counting suffix: the pool it came from."),
    Field("s_runner_labels", "keyword", _JOBS, "Labels the job asked for.", many=True),
    Field("s_step_id", "keyword", _STEPS, "{job_id}_{step_number}."),
    Field("s_step_run_id", "keyword", _STEPS, "Id of the run in which the step ran."),
    Field("s_step_name", "keyword", _STEPS, "The step's name. In `errors`: the step in which that error stands.", in_errors=True),
    Field("l_step_number", "long", _STEPS, "The step's number in its job, from 1."),
    # Tests, money
    Field(
        "s_failed_tests",
        "keyword",
        _JOBS,
        "Names of the tests that failed, as the log or a JUnit report gives them, redacted; at most 200, of 300 characters each.",
        many=True,
    ),
    Field(
        "s_failed_command",
        "keyword",
        _JOBS,
        "The failed step's command, as the runner echoed it, redacted, in one line; absent where it is none that can be typed.",
    ),
    Field(
        "l_runner_minutes",
        "long",
        _ANNOTATED,
        "Minutes of runners, each job's rounded up as GitHub bills it; workflows: of all jobs of the attempt. Absent where none ran.",
    ),
    Field(
        "f_runner_cost_usd",
        "float",
        _ANNOTATED,
        "US dollars of these minutes at list price (RUNNER_PRICES_FILE), free and included minutes not taken off; self-hosted 0. "
        "Absent where the price of a job's labels is not known.",
    ),
    # Verdicts
    Field("s_error_type", "keyword", _JUDGED, "Category; absent unless s_error_state is “classified”.", in_errors=True),
    Field(
        "s_error_base_type",
        "keyword",
        _JOBS_STEPS,
        "Which of the ten categories s_error_type counts under: the parent that the taxonomy names for it, else itself.",
        in_errors=True,
    ),
    Field("s_error_summary", "text", _JUDGED, "The root cause in one to three sentences.", in_errors=True),
    Field("f_error_confidence", "float", _JUDGED, "How sure, 0.0 to 1.0.", in_errors=True),
    Field(
        "s_error_state",
        "keyword",
        _JUDGED,
        "classified, unknown, no_error_found, no_log, pending or llm_failed; absent when classification is off.",
        in_errors=True,
    ),
    Field("s_error_source", "keyword", _JUDGED, "Who said so: rules (the embedded classifier), model, reused or human.", in_errors=True),
    Field(
        "s_error_origin",
        "keyword",
        _JUDGED,
        "Whose failure a model was asked about, also where its verdict is reused: owner/name, for a pull request or fork followed by "
        "`from` and the head repository; absent where no model judged.",
        in_errors=True,
    ),
    Field("s_error_evidence", "text", _JUDGED, "The log lines that prove it, word for word, redacted, one a line.", in_errors=True),
    Field("l_error_line", "long", _JUDGED, "Number of the first of these lines in the raw log, from 1.", in_errors=True),
    Field("s_error_log_url", "keyword", _JOBS_STEPS, "That line, or its step, on GitHub.", in_errors=True),
    Field("s_error_fingerprint", "keyword", _JUDGED, "What makes two errors the same; carries its algorithm's version.", in_errors=True),
    Field("s_error_group", "keyword", _JUDGED, "What makes two errors of one cause; coarser, versioned too.", in_errors=True),
    Field(
        "b_error_generic",
        "boolean",
        _JOBS_STEPS,
        "True when the fingerprint says nothing of the cause (“exit code 1”): such an error is never new, flaky or blamed; else absent.",
        in_errors=True,
    ),
    Field(
        "b_error_background",
        "boolean",
        _JOBS_STEPS,
        "Whether the log of a run in which the job passed was used: what both print is no cause. False where there was none.",
    ),
    Field("s_suggested_fix", "text", _JUDGED, "What might fix it: a hint, not a finding.", in_errors=True),
    Field("s_classifier_version", "keyword", _JUDGED, "Version of taxonomy, prompt, classifier and extractor together.", in_errors=True),
    Field("s_model", "keyword", _JUDGED, "The model that answered; absent for the embedded classifier and people.", in_errors=True),
    Field("l_prompt_tokens", "long", _JUDGED, "Tokens sent for this document; 0 when the verdict was reused.", in_errors=True),
    Field("l_completion_tokens", "long", _JUDGED, "Tokens answered for this document.", in_errors=True),
    Field("l_cached_tokens", "long", _JUDGED, "Of the tokens sent, those read from the prompt cache.", in_errors=True),
    Field("f_cost_usd", "float", _JUDGED, "US dollars spent for this document.", in_errors=True),
    Field("b_flaky_suspected", "boolean", _JOBS_STEPS, "The same commit and job passed in a later attempt."),
    Field("b_flaky_confirmed", "boolean", _JOBS_STEPS, "History confirms it: also elsewhere, or on the base branch before."),
    Field("errors", "nested", _JOBS, "All errors of the job, root cause first; the job's own fields are the root cause's."),
    # Whose it is
    Field(
        "s_error_domain",
        "keyword",
        _JOBS_STEPS,
        "Who has to act: code (the repository's own files), platform (runners, networks, services) or unknown; absent when "
        "classification is off.",
    ),
    Field(
        "s_error_path",
        "keyword",
        _JOBS_STEPS,
        "The repository's file that the error names, as its log writes it; absent where it names none that is surely the repository's.",
    ),
    Field("s_owner", "keyword", _JOBS_STEPS, "Its owners by OWNERS_FILE or CODEOWNERS; absent where unknown.", many=True),
    Field(
        "s_last_good_sha",
        "keyword",
        _JOBS_STEPS,
        "Failures on the default branch: the last commit at which the same job passed there before, at most 14 days earlier.",
    ),
    Field(
        "s_first_bad_sha",
        "keyword",
        _JOBS_STEPS,
        "The first commit after it at which the job failed with the same cause. Both are absent where that is not known, where the "
        "cause is the platform's or names nothing, and where the job passed at the same commit.",
    ),
    # Where it came from
    Field("s_partition", "keyword", _RUNS, "The hour (UTC) whose partition the document belongs to."),
    Field("s_dagster_run_id", "keyword", _RUNS, "The Dagster run that wrote it last."),
    # Only in the verdict index
    Field("s_error_headline", "text", _VERDICTS, "The line that names the error."),
    Field("s_error_guess", "keyword", _VERDICTS, "The category withheld because the confidence was below the threshold."),
    Field("s_error_rule", "keyword", _VERDICTS, "The deciding message; `words` where only the failure's words spoke."),
    Field("s_error_detail", "text", _VERDICTS, "Why this state or source: a fallback says so here."),
    Field("l_evidence_lines", "long", _VERDICTS, "Numbers of the evidence's lines in the log of s_job_id.", many=True),
    Field("s_note", "text", _VERDICTS, "What the person who gave the verdict noted."),
    Field("s_claimed_by", "keyword", _VERDICTS, "The process that is asking a model about this error right now."),
    Field("ts_claim_time", "date", _VERDICTS, "When it began to; an old claim may be taken over."),
    Field("ts_claimed_until", "date", _VERDICTS, "When its claim ends, if it does not give it back before."),
    Field("l_model_calls", "long", _VERDICTS, "How often a model was asked for this verdict; 0 for the embedded classifier and people."),
    Field("f_spent_usd", "float", _VERDICTS, "US dollars a process spent in a clock hour, batches apart: a document of its own."),
    Field(
        "s_excerpt_sketch",
        "keyword",
        _VERDICTS,
        "Hashes of the excerpt's lines, by which a nearly equal one of another repository is known; absent where the fingerprint "
        "names the cause.",
    ),
    Field(
        "b_error_doubted",
        "boolean",
        _VERDICTS,
        "True when a model's verdict holds for its own failure only, until a second one says the same: it contradicts what the embedded "
        "classifier was sure of, or its log speaks to a model; else absent.",
    ),
    Field("s_partitions", "keyword", _VERDICTS, "The hours whose failures this verdict has served.", many=True),
)  # fmt: skip

_BY_KIND: Mapping[Kind, Mapping[str, Field]] = {
    kind: {field.name: field for field in FIELDS if kind in field.kinds} for kind in KINDS
}

#: The fields of an entry of the nested `errors`.
ERROR_FIELDS: Mapping[str, Field] = {field.name: field for field in FIELDS if field.in_errors}


def fields_of(kind: Kind) -> Mapping[str, Field]:
    """The fields of one kind of document, by name, in the table's order."""
    return _BY_KIND[kind]


def known_field(kind: Kind, name: str) -> Field:
    """The field. Raises ContractError when documents of the kind have none of that name."""
    field = _BY_KIND[kind].get(name)
    if field is None:
        raise ContractError(f"{kind} have no field “{name}”. docs/documents.md lists those they have")
    return field


def exact_field(kind: Kind, name: str) -> Field:
    """The field, when it can be compared and sorted by. Raises ContractError when there is
    none or it is text or nested.
    """
    field = known_field(kind, name)
    if field.type in ("text", "nested"):
        raise ContractError(f"“{name}” is {field.type}: it can be searched for words, not compared or sorted by")
    return field


def countable_field(kind: Kind, name: str) -> Field:
    """The field, when its values can be counted. Raises ContractError when there is none
    or each value is its own.
    """
    field = exact_field(kind, name)
    if field.type in ("float", "date"):
        raise ContractError(f"“{name}” is a {field.type}: count documents in a range of it instead")
    return field


def tallied_field(kind: Kind, name: str) -> Field:
    """The field, when documents can be told apart by it. Raises ContractError when there is none or
    it is text, nested or a float.
    """
    field = exact_field(kind, name)
    if field.type == "float":
        raise ContractError(f"“{name}” is a float: documents are not told apart by it")
    return field


def text_fields(kind: Kind) -> tuple[str, ...]:
    """The names of the fields in which words are searched."""
    return tuple(name for name, field in _BY_KIND[kind].items() if field.type == "text")
