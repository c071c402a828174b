"""What an explanation needs beyond a job's document: from the stored hour, or from GitHub
for a job never ingested.

What belongs here: reading the job's verdict and log lines from its hour's files; fetching and
judging one job without storing anything. Does not: what is made of it (`report/explanation.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO, cast

from ci_metrics.errors import ContractError, IncompleteError, NotFoundError, SettingsError
from ci_metrics.history.job_documents import merged_body
from ci_metrics.history.job_reference import JobReference
from ci_metrics.history.owners import answering
from ci_metrics.index.document_index import Document
from ci_metrics.index.documents import Provenance, branch_kind, job_document
from ci_metrics.logs import Background, redact
from ci_metrics.logs.encodings import in_utf8
from ci_metrics.logs.lines import text_of
from ci_metrics.logs.ranking_reasons import extract_with_ranking
from ci_metrics.models import Extraction, Job, JobLog, LogLine, Run, Verdict
from ci_metrics.orchestration.judged_job import extract_job, judged, outcome_of, questions
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import Parts
from ci_metrics.orchestration.storage.repository_facts import default_branches, known_repositories, owners_in_force
from ci_metrics.orchestration.storage.rows import JobExtraction, JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.report.explanation import Details
from ci_metrics.report.verdict_reasons import WhyOfLog
from ci_metrics.verdicts.judge import Judge
from ci_metrics.verdicts.reuse import StoredVerdict, VerdictStore

#: Lines shown before and after a quoted one.
_AROUND = 4

#: Lines before and after those asked for that are masked with them: a private key has some fifty.
MASKED_AROUND = 300


class ReadOnlyVerdicts:
    """A `VerdictStore` that gives what is kept and keeps nothing: for a look
    that must leave no trace.
    """

    def __init__(self, store: VerdictStore) -> None:
        self._store = store

    def get(self, keys: Sequence[str]) -> Mapping[str, StoredVerdict]:
        """As the store has them; none where there is no store yet."""
        try:
            return self._store.get(keys)
        except NotFoundError:
            return {}

    def of_fingerprints(self, fingerprints: Sequence[str], classifier_version: str) -> Sequence[StoredVerdict]:
        """As the store has them; none where there is no store yet."""
        try:
            return self._store.of_fingerprints(fingerprints, classifier_version)
        except NotFoundError:
            return ()

    def put(self, verdicts: Sequence[StoredVerdict]) -> None:
        """Nothing is kept."""

    def claim(self, key: str, owner: str, ttl: float) -> bool:  # noqa: ARG002 - the protocol names them
        """Always granted: nobody else is told."""
        return True

    def release(self, key: str, owner: str) -> None:
        """Nothing was claimed."""

    def serve(self, partitions: Mapping[str, Sequence[str]]) -> None:
        """Nothing is noted."""

    def note_spent(self, process: str, hour: datetime, dollars: float) -> None:
        """Noted: what a look costs is money of the hour like any other."""
        self._store.note_spent(process, hour, dollars)

    def spent_since(self, since: datetime) -> float:
        """As the store says: the hour's budget holds for people too."""
        return self._store.spent_since(since)


def stored_details(store: HourStore, document: Document) -> Details:
    """What the stored hour knows of a job; says why when the hour's
    files are not on this machine.
    """
    hour = str(document.body.get("s_partition") or "")
    key = (int(document.body["s_job_id"]), int(document.body["l_run_attempt"]))
    verdicts = {row.key: row for row in store.read_or_none("classifications", hour, JobVerdicts)}
    extractions = {row.key: row for row in store.read_or_none("extracted_errors", hour, JobExtraction)}
    row, found = verdicts.get(key), extractions.get(key)
    verdict = row.judged[0].verdict if row is not None and row.judged else None
    if found is None:
        return Details(verdict=verdict, why_no_context=f"the files of hour {hour} are not here ({store.root})")
    extractor = found.extraction.version
    if found.log.state != "stored":
        return Details(verdict=verdict, extractor=extractor, why_no_context=_no_log(found.log))
    numbers = _quoted(document, verdict)
    try:
        with store.open_log(hour, found.log.path) as source:
            context = lines_around(cast(BinaryIO, source), numbers)
    except NotFoundError as error:
        return Details(verdict=verdict, extractor=extractor, why_no_context=str(error))
    return Details(verdict=verdict, extractor=extractor, context=context)


def account_of(ci: Parts, document: Document) -> WhyOfLog | None:
    """Why the log of a stored job says what it says, read again by what is in force; None when
    its files or its log are gone.
    """
    hour = str(document.body.get("s_partition") or "")
    key = (int(document.body["s_job_id"]), int(document.body["l_run_attempt"]))
    found = next(
        (r for r in ci.hours.store.read_or_none("extracted_errors", hour, JobExtraction) if r.key == key), None
    )
    jobs = ci.hours.store.read_or_none("workflow_jobs", hour, Job)
    job = next((job for job in jobs if (job.job_id, job.run_attempt) == key), None)
    if found is None or found.log.state != "stored":
        return None
    try:
        background = ci.hours.store.backgrounds.of(found.log)
    except ContractError:
        background = None  # deleted since; the account says that none was used
    try:
        with ci.hours.store.open_log(hour, found.log.path) as source:
            return _account(ci, job, cast(BinaryIO, source), background)
    except NotFoundError:
        return None


def _account(ci: Parts, job: Job | None, log: BinaryIO, background: Background | None = None) -> WhyOfLog:
    extraction, ranking = extract_with_ranking(
        log,
        job=job,
        annotations=job.annotations if job else (),
        background=background,
        budget=ci.settings.excerpt_budget,
        catalogue=ci.judge.catalogue,
    )
    return WhyOfLog(ranking=ranking, decision=ci.judge.classifier.explained(extraction, job))


def fetch_job(ci: Parts, reference: JobReference, *, why: bool = False) -> tuple[Run, Document, Details]:
    """Fetch one job from GitHub and judge it; nothing is stored. `why`: with
    an account of what weighed.

    Raises SettingsError when it is not clear which repository to ask, or the page is of
    another host than GITHUB_API_URL; NotFoundError when GitHub has no such job; what the
    GitHub client raises otherwise.
    """
    repo = _repo(ci, reference)
    job = ci.github.client.job(repo, int(reference.job_id))
    run = ci.github.client.attempt(repo, job.run_id, job.run_attempt)
    document, details = judge_fetched(ci, run, job, why=why)
    return run, document, details


def fetch_run(ci: Parts, repo: str, run_id: int, attempt: int | None = None) -> tuple[Run, list[Job]]:
    """One attempt of a run (None: the latest) from GitHub, and the jobs that it ran itself. Raises
    NotFoundError, and what the GitHub client raises otherwise.
    """
    client = ci.github.client
    run = client.run(repo, run_id) if attempt is None else client.attempt(repo, run_id, attempt)
    return run, client.jobs(run)


def judge_fetched(ci: Parts, run: Run, job: Job, *, why: bool = False) -> tuple[Document, Details]:
    """The document of a job that was just fetched, its annotations and its log fetched and judged;
    nothing is stored.
    """
    repo = job.repo
    try:
        annotations = ci.github.client.annotations(repo, run, [job] if job.finished else [])
    except IncompleteError as error:  # those that came are enough for a look
        annotations = error.found
    job = replace(job, annotations=tuple(annotations.get(job.job_id, ())))
    provenance = Provenance(partition=hour_key(run.created_at), dagster_run_id="")
    known = known_repositories(ci.hours.store, [repo])
    kind = branch_kind(run, default_branches(known).get(repo, ""))
    if not job.failed:
        return job_document(run, job, None, provenance, kind, ci.index.prices), Details()
    with tempfile.TemporaryFile() as file:
        kept: BinaryIO = cast(BinaryIO, file)
        log = ci.github.client.download_log(job, lambda part: _write(kept, part), ci.settings.max_log_bytes)

        def read(budget: int) -> Extraction:
            kept.seek(0)
            source = kept if log.state == "stored" else None
            return extract_job(job, log, source, background=None, budget=budget, catalogue=ci.judge.catalogue)

        row = _judge(ci, run, job, log, read)
        document = job_document(
            run, job, outcome_of(row, ci.judge.categories.parents), provenance, kind, ci.index.prices
        )
        (document,) = merged_body([document], answering([document], owners_in_force(ci.settings, known)))
        details = Details(
            verdict=row.judged[0].verdict if row.judged else None,
            extractor=ci.judge.extractor_version,
        )
        if log.state != "stored":
            return document, replace(details, why_no_context=_no_log(log))
        kept.seek(0)
        context = lines_around(kept, _quoted(document, details.verdict))
        kept.seek(0)
        account = _account(ci, job, kept) if why else None
    return document, replace(details, context=context, account=account)


def lines_around(log: BinaryIO, numbers: Collection[int]) -> tuple[LogLine, ...]:
    """The lines of a raw log with these numbers and a few on each side, cleaned and redacted."""
    if not numbers:
        return ()
    wanted = {near for number in numbers for near in range(number - _AROUND, number + _AROUND + 1)}
    read = {near for number in numbers for near in range(number - MASKED_AROUND, number + MASKED_AROUND + 1)}
    return tuple(line for line in _masked(log, read) if line.number in wanted)


def log_window(log: BinaryIO, first: int, last: int) -> tuple[LogLine, ...]:
    """The lines `first` to `last` of a raw log, cleaned and redacted; what a secret among them
    begins or ends with may lie outside.
    """
    wanted = range(max(1, first - MASKED_AROUND), last + MASKED_AROUND + 1)
    return tuple(line for line in _masked(log, wanted) if first <= line.number <= last)


def stored_window(store: HourStore, document: Document, first: int, last: int) -> tuple[LogLine, ...]:
    """The same of a stored job's log. Raises NotFoundError when its files are not here."""
    hour = str(document.body.get("s_partition") or "")
    key = (int(document.body["s_job_id"]), int(document.body["l_run_attempt"]))
    found = next((r for r in store.read_or_none("extracted_errors", hour, JobExtraction) if r.key == key), None)
    if found is None or found.log.state != "stored":
        why = f"the files of hour {hour} are not here ({store.root})" if found is None else _no_log(found.log)
        raise NotFoundError(f"{document.id} has no log to show: {why}")
    with store.open_log(hour, found.log.path) as source:
        return log_window(cast(BinaryIO, source), first, last)


def fetched_window(ci: Parts, reference: JobReference, first: int, last: int) -> tuple[LogLine, ...]:
    """The same of a job's log at GitHub. Raises as `fetch_job`."""
    job = ci.github.client.job(_repo(ci, reference), int(reference.job_id))
    with tempfile.TemporaryFile() as file:
        kept: BinaryIO = cast(BinaryIO, file)
        log = ci.github.client.download_log(job, lambda part: _write(kept, part), ci.settings.max_log_bytes)
        if log.state != "stored":
            raise NotFoundError(f"job {job.job_id} has no log to show: {_no_log(log)}")
        kept.seek(0)
        return log_window(kept, first, last)


def _masked(log: BinaryIO, wanted: Collection[int]) -> tuple[LogLine, ...]:
    last = max(wanted)
    found: list[tuple[int, str]] = []
    for number, raw in enumerate(_raw_lines(log), start=1):
        if number in wanted:
            found.append((number, text_of(raw)))
        if number >= last:
            break
    if not found:
        return ()
    # Together, because a secret may span lines; a line break within a line would shift the numbers.
    masked, _ = redact("\n".join(text.replace("\n", " ") for _, text in found))
    return tuple(LogLine(number, text) for (number, _), text in zip(found, masked.split("\n"), strict=True))


def _raw_lines(log: BinaryIO) -> Iterator[bytes]:
    rest = b""
    for chunk in in_utf8(log):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines)
    if rest:
        yield rest.rstrip(b"\r")


def _judge(ci: Parts, run: Run, job: Job, log: JobLog, read: Callable[[int], Extraction]) -> JobVerdicts:
    """As the chain judges a job, but for a verdict store that keeps nothing;
    classification need not be on.
    """
    part = ci.judge.of(job.repo)
    judge = Judge(
        settings=ci.settings.model_copy(update={"enable_error_classification": True}),
        taxonomy=part.taxonomy,
        rules=part.classifier,
        store=ReadOnlyVerdicts(part.verdicts),
        model=part.model,
        redact=redact,
    )
    row = JobExtraction(
        repo=job.repo,
        run_id=job.run_id,
        run_attempt=job.run_attempt,
        job_id=job.job_id,
        log=log,
        extraction=read(ci.settings.excerpt_budget),
        digest="",
    )
    asked = questions(row, job, run, read)
    return judged(row, judge.judge(asked) if asked else [])


def _repo(ci: Parts, reference: JobReference) -> str:
    if reference.repo is None:
        if len(ci.hours.repos) == 1:
            return ci.hours.repos[0]
        raise SettingsError(
            "JOB",
            f"{reference.job_id} is not in {ci.index.documents.location}, and a bare id does not say of which repository it is",
            "Give the address of the job's page on GitHub",
        )
    return reference.repo


def _quoted(document: Document, verdict: Verdict | None) -> set[int]:
    if verdict is not None and verdict.evidence:
        return {evidence.line for evidence in verdict.evidence if evidence.line}
    line = document.body.get("l_error_line")
    return {int(line)} if line else set()


def _no_log(log: JobLog) -> str:
    words = {
        "not_found": "GitHub has no log of this job (404)",
        "gone": "GitHub has deleted this job's log (410)",
        "unavailable": "the log could not be fetched",
    }
    why = words.get(log.state, f"the log is {log.state}")
    return f"{why}: {log.detail}" if log.detail else why


def _write(sink: BinaryIO, part: bytes) -> None:
    sink.write(part)
