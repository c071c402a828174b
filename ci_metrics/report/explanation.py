"""One verdict, explained: from the category down to the log line, from this job out
to all that failed like it.

What belongs here: gathering everything known of one failed job into one record. Does not: files of
hours and GitHub (`orchestration/job_details.py`), the terminal (`commands/explain.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

from ci_metrics.errors import ContractError
from ci_metrics.history.attempts import Attempt, attempt_of, root_error
from ci_metrics.history.cause_whereabouts import Whereabouts, whereabouts
from ci_metrics.history.failures import compare_url
from ci_metrics.history.flakiness import FlakyEvidence
from ci_metrics.history.flaky_evidence import evidence_for
from ci_metrics.history.flaky_fields import STORM_TYPES
from ci_metrics.history.groups import groups
from ci_metrics.history.labels import HUMAN_VERSION
from ci_metrics.history.search import newest_first
from ci_metrics.history.time_range import TIME, moment_of
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where
from ci_metrics.models import LogLine, Verdict
from ci_metrics.report.verdict_reasons import WhyOfLog
from ci_metrics.verdicts.reuse import human_key, kept_apart, verdict_key

#: Other jobs of the group that are named.
_MOST_OTHERS = 5

#: Jobs among which they are looked for first.
_OTHERS_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What only the stored hour (or a fresh look) knows of a job; a job whose
    files are elsewhere has none.
    """

    verdict: Verdict | None = None  # of the root cause, as the judge gave it
    extractor: str = ""  # version
    context: tuple[LogLine, ...] = ()  # lines of the log around the quoted ones, redacted
    why_no_context: str = ""
    account: WhyOfLog | None = None  # of the log, read again: what weighed for and against its lines, and the category


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownQuote:
    """One line of the log: quoted as proof, or shown around it."""

    line: int
    text: str
    proves: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Who decided, by what, at which price."""

    source: str  # rules, model, reused, human
    in_words: str
    rule: str
    model: str
    classifier_version: str
    extractor_version: str
    detail: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_usd: float
    human: str  # who labelled it
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupHistory:
    """What all of history says of the job's group."""

    id: str
    generic: bool
    first_seen: datetime
    last_seen: datetime
    count: int
    runs: int
    jobs: tuple[str, ...]
    branches: tuple[str, ...]
    repos: tuple[str, ...]
    lost_minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherJob:
    """Another job that failed with the same group."""

    document: str
    job: str
    repo: str
    branch: str
    when: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything known of one failed job. "" and None: not known."""

    document: str
    in_index: bool
    repo: str
    workflow: str
    job: str
    job_id: str
    attempt: int
    branch: str
    pr: str
    commit: str
    actor: str  # who started the attempt
    status: str
    when: datetime
    minutes: float
    state: str  # contract, "States"; "off" when nothing was classified
    error_type: str
    guess: str  # the category withheld for its low confidence
    type_by_log: str  # what the log alone said, when history says something else
    confidence: float | None
    summary: str
    step: str
    quotes: tuple[ShownQuote, ...]
    no_context: str  # why only the quoted lines are shown
    why: Why | None
    other_errors: tuple[str, ...]  # of the same job, after the root cause
    fingerprint: str
    group: GroupHistory | None
    others: tuple[OtherJob, ...]
    flaky: FlakyEvidence | None
    suggested_fix: str
    log_url: str
    job_url: str
    partition: str
    dagster_run_id: str
    account: WhyOfLog | None = None  # asked for with --why, where the log is there
    domain: str = ""  # who has to act: code, platform, unknown
    path: str = ""  # the repository's file that the error names
    owners: tuple[str, ...] = ()
    last_good: str = ""  # commits of the default branch, between which it began to fail
    first_bad: str = ""
    compare_url: str = ""
    whereabouts: Whereabouts | None = None  # of its group


def explain_job(
    index: DocumentIndex,
    document: Document,
    details: Details | None = None,
    *,
    in_index: bool = True,
    storm_types: Collection[str] = STORM_TYPES,
) -> Explanation:
    """Everything known of a failed job. Raises ContractError when the job did not fail."""
    body = document.body
    attempt = attempt_of(document)
    if not attempt.failed and "s_error_state" not in body:
        raise ContractError(f"{document.id} is “{attempt.status}”: there is no failure to explain")
    known = details or Details()
    root = root_error(body)
    own = str(root.get("s_error_type") or "")
    confidence = body.get("f_error_confidence")
    history = _history(index, attempt)
    return Explanation(
        document=document.id,
        in_index=in_index,
        repo=attempt.repo,
        workflow=attempt.workflow,
        job=attempt.job,
        job_id=attempt.job_id,
        attempt=attempt.number,
        branch=attempt.branch,
        pr=attempt.pr,
        commit=attempt.commit,
        actor=str(body.get("s_user_alias") or ""),
        status=attempt.status,
        when=attempt.when,
        minutes=attempt.seconds / 60,
        state=str(body.get("s_error_state") or "off"),
        error_type=attempt.type,
        guess=(known.verdict.guess or "") if known.verdict and attempt.source != "human" else "",
        type_by_log=own if attempt.type and own != attempt.type and attempt.source != "human" else "",
        confidence=None if confidence is None else float(confidence),
        summary=attempt.summary,
        step=str(root.get("s_step_name") or ""),
        quotes=_quotes(body, known),
        no_context="" if known.context else known.why_no_context,
        why=_why(index, document, known),
        other_errors=_other_errors(body),
        fingerprint=attempt.fingerprint,
        group=history,
        others=_others(index, attempt),
        flaky=evidence_for(index, attempt, storm_types),
        suggested_fix=str(body.get("s_suggested_fix") or ""),
        log_url=str(body.get("s_error_log_url") or ""),
        job_url=str(body.get("s_html_url") or ""),
        partition=attempt.partition,
        dagster_run_id=str(body.get("s_dagster_run_id") or ""),
        account=known.account,
        domain=attempt.domain,
        path=str(body.get("s_error_path") or ""),
        owners=attempt.owners,
        last_good=attempt.last_good,
        first_bad=attempt.first_bad,
        compare_url=compare_url(str(body.get("s_html_url") or ""), attempt.last_good, attempt.first_bad),
        whereabouts=whereabouts(index, [attempt.group]).get(attempt.group)
        if attempt.group and not attempt.generic
        else None,
    )


def _quotes(body: Body, known: Details) -> tuple[ShownQuote, ...]:
    """The quoted lines in their context; without the log, the quoted lines alone."""
    if known.verdict is not None and known.verdict.evidence:
        proof = {evidence.line: evidence.text for evidence in known.verdict.evidence}
    else:
        texts = str(body.get("s_error_evidence") or "").split("\n")
        line = body.get("l_error_line")
        # Only the first line's number is in the document.
        proof = {int(line): texts[0]} if line is not None and texts[0] else {}
    shown = {line.number: line.text for line in known.context} | proof
    return tuple(ShownQuote(line=number, text=shown[number], proves=number in proof) for number in sorted(shown))


def _why(index: DocumentIndex, document: Document, known: Details) -> Why | None:
    body = document.body
    source = str(body.get("s_error_source") or "")
    if not body.get("s_error_state"):
        return None
    verdict = known.verdict
    fingerprint = str(body.get("s_error_fingerprint") or "")
    version = str(body.get("s_classifier_version") or "")
    own = verdict_key(kept_apart(fingerprint, str(body.get("s_error_origin") or body.get("s_repo") or "")), version)
    keys = [human_key(document.id), human_key(fingerprint), verdict_key(fingerprint, version), own]
    kept = index.get("verdicts", keys)
    label = (kept.get(keys[0]) or kept.get(keys[1]) or {}) if source == "human" else {}
    stored = kept.get(keys[2]) or kept.get(own) or {}
    rule = (verdict.rule if verdict is not None else "") or (
        str(stored.get("s_error_rule") or "") if source == "rules" else ""
    )
    model = str(body.get("s_model") or "")
    return Why(
        source=source,
        in_words=_in_words(source, rule, model, stored, label, str(body.get("s_error_origin") or "")),
        rule=rule,
        model=model,
        classifier_version=HUMAN_VERSION if source == "human" else version,
        extractor_version=known.extractor,
        detail=verdict.detail if verdict is not None and source != "human" else "",
        prompt_tokens=int(body.get("l_prompt_tokens") or 0),
        completion_tokens=int(body.get("l_completion_tokens") or 0),
        cached_tokens=int(body.get("l_cached_tokens") or 0),
        cost_usd=float(body.get("f_cost_usd") or 0),
        human=str(label.get("s_user_alias") or ""),
        note=str(label.get("s_note") or ""),
    )


def _in_words(source: str, rule: str, model: str, stored: Body, label: Body, origin: str) -> str:
    if source == "human":
        who = label.get("s_user_alias") or "a person"
        return f"{who} said so" + (f" on {str(label[TIME])[:10]}" if TIME in label else "")
    if source == "rules":
        return f"the embedded classifier's rule {rule}" if rule else "the embedded classifier"
    if source == "model":
        return f"the model {model}"
    if source == "reused":
        when = f" on {str(stored[TIME])[:10]}" if TIME in stored else ""
        where = f" in {origin}" if origin else ""
        return f"reused: {model or 'it'} judged the same error{where}{when} before"
    return "nobody yet"


def _other_errors(body: Body) -> tuple[str, ...]:
    root = root_error(body)
    rest = [error for error in body.get("errors") or [] if error != root]
    return tuple(
        f"{error.get('s_error_type') or error.get('s_error_state')}: {error.get('s_error_summary') or ''}".strip()
        for error in rest
    )


def _history(index: DocumentIndex, attempt: Attempt) -> GroupHistory | None:
    if not attempt.group:
        return None
    found = groups(index, Where(equals={"s_error_group": attempt.group}))
    if not found:
        return None
    return GroupHistory(**{field.name: getattr(found[0], field.name) for field in fields(GroupHistory)})


def _others(index: DocumentIndex, attempt: Attempt) -> tuple[OtherJob, ...]:
    """The newest other jobs of the group, one of each name, repository and branch; none for a
    generic group: they are not alike.
    """
    if not attempt.group or attempt.generic:
        return ()
    found: dict[tuple[str, str, str], OtherJob] = {}
    here = (attempt.repo, attempt.job, attempt.branch)
    fields = (TIME, "s_repo", "s_job_name", "s_branch")
    where = Where(equals={"s_error_group": attempt.group})
    for document in newest_first(index, "jobs", where, fields, _OTHERS_AT_ONCE):
        body = document.body
        key = (str(body["s_repo"]), str(body.get("s_job_name") or ""), str(body.get("s_branch") or ""))
        if document.id == attempt.id or key == here or key in found:
            continue
        found[key] = OtherJob(
            document=document.id, job=key[1], repo=key[0], branch=key[2], when=moment_of(str(body[TIME]))
        )
        if len(found) == _MOST_OTHERS:
            break
    return tuple(found.values())
