"""Documents derived again at once when a label is given or withdrawn: all hours concerned, by the
code that the assets run.

What belongs here: which hours a label concerns, and going through them. Does not: what a label says
(`history/labels.py`), where it is kept (`storage/labels.py`).

Of an hour whose files are elsewhere, the documents themselves are what is derived from: they keep
what the machine said in their `errors`, as long as the machine judged them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from ci_metrics.history.attempts import CHUNK
from ci_metrics.history.flaky_fields import flag_rules
from ci_metrics.history.history_pass import run_history_pass
from ci_metrics.history.job_documents import document_changes, merged_body, steps_of, write_changes
from ci_metrics.history.labels import Labels, is_shared, label_on, label_to_withdraw, labelled, said_at_once, unlabelled
from ci_metrics.history.owners import answering
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where
from ci_metrics.orchestration.assets import classifications, failure_history, indexed_documents
from ci_metrics.orchestration.partition_loop import until_not_overtaken
from ci_metrics.orchestration.parts import Parts
from ci_metrics.orchestration.reclassify_filter import Only
from ci_metrics.orchestration.storage.repository_facts import known_repositories, owners_in_force
from ci_metrics.orchestration.storage.rows import JobVerdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelled:
    """What giving or withdrawing labels came to."""

    jobs: int  # whose documents say something else now
    steps: int
    before: tuple[tuple[str, int], ...]  # type or state before -> jobs, most first
    #: Jobs' documents that still show the withdrawn label, by hour: only the hour's files, which
    #: are not here, could say more.
    missing: dict[str, int] = field(default_factory=dict)


class _SaidByPerson(Only):
    """A person's verdict that the judge gave: it is judged again when its label is gone."""

    def wants(self, row: JobVerdicts) -> bool:
        return any(judged.verdict.source == "human" for judged in row.judged)


def give_labels(parts: Parts, labels: Sequence[Document]) -> Relabelled:
    """Keep labels, and derive the documents of the hours concerned again."""
    jobs = _concerned(parts.index.documents, labels)
    parts.judge.labels.give(labels)
    return _derive(parts, jobs)


def withdraw_label(parts: Parts, job: Document, *, all_like_it: bool) -> Relabelled:
    """Forget a label on a job, and derive the documents of the hours concerned again. Raises
    NotFoundError when there is none.
    """
    labels = parts.judge.labels.labels()
    withdrawn = said_at_once(label_to_withdraw(labels, job, all_like_it=all_like_it), labels)
    jobs = _concerned(parts.index.documents, withdrawn)
    parts.judge.labels.withdraw(withdrawn)
    return _derive(parts, jobs)


def _concerned(index: DocumentIndex, labels: Iterable[Document]) -> list[Document]:
    """The jobs that the labels are on, and those of which a step carries
    the error that they are on.
    """
    found: dict[str, Document] = {}
    fingerprints = sorted({str(label.body["s_error_fingerprint"]) for label in labels if is_shared(label)})
    single = [label.id.removesuffix("-human") for label in labels if not is_shared(label)]
    for start in range(0, len(fingerprints), CHUNK):
        where = Where(equals={"s_error_fingerprint": fingerprints[start : start + CHUNK]})
        found |= {job.id: job for job in index.scan("jobs", where)}
        steps = index.scan("steps", where, fields=("s_job_id", "l_run_attempt"))
        single += (f"github-job-{step.body['s_job_id']}-attempt-{step.body['l_run_attempt']}" for step in steps)
    missing = sorted(set(single) - found.keys())
    return [*found.values(), *(Document("jobs", id_, body) for id_, body in index.get("jobs", missing).items())]


def _derive(parts: Parts, jobs: Sequence[Document]) -> Relabelled:
    index = parts.index.documents
    before = {document.id: document for document in (*jobs, *steps_of(index, jobs))}
    missing: dict[str, int] = {}
    for hour in sorted({str(job.body.get("s_partition") or "") for job in jobs}):
        if parts.hours.store.exists("classifications", hour):
            _derive_from_files(parts, hour)
            continue
        own = [document for document in before.values() if document.body.get("s_partition", "") == hour]
        if lost := _derive_from_documents(parts, hour, own, parts.judge.labels.labels()):
            missing[hour] = lost
    index.refresh()
    after = index.get("jobs", [job.id for job in jobs])
    after |= index.get("steps", [id_ for id_, document in before.items() if document.kind == "steps"])
    changed = [document for id_, document in before.items() if _says(document.body) != _says(after.get(id_, {}))]
    moved = [document for document in changed if document.kind == "jobs"]
    words = Counter(str(job.body.get("s_error_type") or job.body.get("s_error_state")) for job in moved)
    return Relabelled(
        jobs=len(moved),
        steps=len(changed) - len(moved),
        before=tuple(sorted(words.items(), key=lambda item: (-item[1], item[0]))),
        missing=missing,
    )


def _derive_from_files(parts: Parts, hour: str) -> None:
    hours, index, judge = parts.hours, parts.index, parts.judge

    def do(made_of: Sequence[str], work: Callable[[str], object], again: Callable[[str], object] | None = None) -> None:
        until_not_overtaken(hours, hour, work, made_of, again or work)

    rows = hours.store.read_or_none("classifications", hour, JobVerdicts)
    if any(_SaidByPerson().wants(row) for row in rows):
        do(["extracted_errors"], lambda hour: classifications.judge_hour(hours, judge, hour, _SaidByPerson()))
    # Nothing of Dagster's runs now: the documents say on which run made them last.
    found = index.documents.scan("jobs", Where(equals={"s_partition": hour}), fields=("s_dagster_run_id",), limit=1)
    run_id = next((str(document.body.get("s_dagster_run_id") or "") for document in found), "")
    write = partial(indexed_documents.index_hour, hours, index, judge, run_id=run_id)
    do(indexed_documents.MADE_OF, write, partial(write, trusting=False))
    follow = partial(failure_history.follow_hour, hours, index.documents, judge.categories)
    do(["indexed_documents"], follow)


def _derive_from_documents(parts: Parts, hour: str, documents: Sequence[Document], labels: Labels) -> int:
    """The same from the documents themselves; how many jobs' documents cannot tell any
    more what the machine said.
    """
    taxonomy, index = parts.judge.categories, parts.index.documents
    given_back, lost = unlabelled(documents, taxonomy.parents)
    machine = merged_body(documents, given_back)
    derived = merged_body(machine, labelled(machine, labels, taxonomy.parents))
    repos = {str(document.body.get("s_repo") or "") for document in derived}
    known = known_repositories(parts.hours.store, repos)
    told = dict(answering(derived, owners_in_force(parts.settings, known)))
    for document in derived:  # where nothing is known of a repository's owners, they stay as the documents say
        if document.body.get("s_repo") not in known:
            key = document.kind, document.id
            told[key] = {name: value for name, value in told.get(key, {}).items() if name != "s_owner"}
    derived = merged_body(derived, told)
    write_changes(index, document_changes(documents, derived))
    run_history_pass(index, hour, rules=flag_rules(taxonomy))
    return sum(label_on(job, job, labels) is None for job in lost)


def _says(body: Body) -> tuple[object, ...]:
    return tuple(body.get(name) for name in ("s_error_state", "s_error_type", "s_error_source", "s_error_summary"))
