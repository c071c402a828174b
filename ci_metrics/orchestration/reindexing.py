"""The index made again from the hours' files, people's labels included.

What belongs here: going through the stored hours. Does not: one hour's documents
(`assets/indexed_documents.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ci_metrics.errors import CiMetricsError
from ci_metrics.history.first_bad_commits import FirstBadCommits
from ci_metrics.index.document_index import Kind, Where
from ci_metrics.orchestration.assets import failure_history, indexed_documents
from ci_metrics.orchestration.partition_loop import STOPS, until_not_overtaken
from ci_metrics.orchestration.parts import Parts
from ci_metrics.orchestration.storage.rows import JobExtraction, JobVerdicts

#: The kinds of documents that an hour has; verdicts belong to none.
_KINDS: tuple[Kind, ...] = ("workflows", "jobs", "steps")


@dataclass(slots=True, kw_only=True)
class Reindexed:
    """What it came to."""

    hours: int = 0
    documents: int = 0
    created: int = 0
    labels: int = 0
    removed: int = 0  # documents of these hours that nothing stored says any more
    failed: dict[str, str] = field(default_factory=dict)  # hour -> why it could not be done


def reindex_hours(parts: Parts, *, on_hour: Callable[[str, int, int], None]) -> Reindexed:
    """Write every document of every stored hour; of hours that are not stored,
    documents stay as they are.

    One hour that cannot be done does not keep the others back. `on_hour` hears of each
    (hour, number, of how many).
    """
    store, labels, index = parts.hours.store, parts.judge.labels, parts.index.documents
    stored = [hour for hour in store.hours() if store.exists("workflow_runs", hour)]
    if labels.labels():  # what persons said under earlier fingerprints holds for all hours, those before it too
        for hour in stored:
            verdicts = {row.key: row for row in store.read_or_none("classifications", hour, JobVerdicts)}
            labels.carry(store.read_or_none("extracted_errors", hour, JobExtraction), verdicts)
    done = Reindexed(labels=len(labels.labels()))
    for number, hour in enumerate(stored, start=1):
        on_hour(hour, number, len(stored))
        try:
            _reindex(parts, hour, done)
        except CiMetricsError as error:
            if isinstance(error, STOPS):
                raise
            done.failed[hour] = str(error)
    index.refresh()
    # Last, when all documents are there: whether a failure is new is said by the hours before it.
    hours = [hour for hour in stored if hour not in done.failed]
    commits = FirstBadCommits(index, hours)
    follow = partial(failure_history.follow_hour, parts.hours, index, parts.judge.categories)
    for hour in hours:
        until_not_overtaken(
            parts.hours, hour, lambda hour: follow(hour, commits.of(hour)), ["indexed_documents"], follow
        )
    return done


def _reindex(parts: Parts, hour: str, done: Reindexed) -> None:
    index = parts.index.documents
    made_last = index.scan("jobs", Where(equals={"s_partition": hour}), fields=("s_dagster_run_id",), limit=1)
    run_id = next((str(document.body.get("s_dagster_run_id") or "") for document in made_last), "")

    ids: set[tuple[str, str]] = set()

    def write(hour: str) -> indexed_documents.Indexed:
        ids.clear()
        return indexed_documents.index_hour(
            parts.hours,
            parts.index,
            parts.judge,
            hour,
            run_id=run_id,
            trusting=False,
            on_part=lambda part: ids.update((each.kind, each.id) for each in part.documents),
        )

    written = until_not_overtaken(parts.hours, hour, write, indexed_documents.MADE_OF, write)
    index.refresh()
    for kind in _KINDS:
        found = index.scan(kind, Where(equals={"s_partition": hour}), fields=("s_partition",))
        done.removed += index.delete(kind, [each.id for each in found if (kind, each.id) not in ids])
    done.hours += 1
    done.documents += written.by_kind.total()
    done.created += written.written.created
