"""What people say of causes: resolved, ignored until a day, assigned; and what follows from it.

What belongs here: the record, finding that of a group, whether a resolved cause came back. Does
not: where records are kept (`orchestration/storage/cause_records.py`), what is shown.

A cause is a group of failures. A record outlives the algorithm that names groups: it keeps the line
that it was given for, and of a line the version in force can say what it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

from ci_metrics.errors import ContractError, NotFoundError, SettingsError
from ci_metrics.history.attempts import attempts_with, first_line
from ci_metrics.history.groups import Group
from ci_metrics.history.job_reference import known_job
from ci_metrics.history.metrics import MAYBE_FAILED
from ci_metrics.history.time_range import TIME
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where
from ci_metrics.index.times import iso

#: How fingerprints and groups begin: the algorithm's version, a hash.
_ID = re.compile(r"[fg][0-9a-f]+-")

#: Where a cause stands: nobody said anything, or it is assigned only; said to be gone; seen again
#: since; not to be shown now.
Standing = Literal["open", "resolved", "regressed", "ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseRecord:
    """What was said of one cause. Times are UTC."""

    group: str
    fingerprint: str  # of the failure that it was said of
    quote: str  # its line
    changed_at: datetime
    user: str = ""  # who said so last
    resolved_at: datetime | None = None
    ignored_until: datetime | None = None
    assignee: str = ""
    note: str = ""

    @property
    def says_nothing(self) -> bool:
        """Whether nothing is said any more."""
        return self.resolved_at is None and self.ignored_until is None and not self.assignee


@dataclass(frozen=True)
class CauseRecords:
    """All records, as they apply to the groups of now."""

    records: tuple[CauseRecord, ...] = ()
    #: Groups that were resolved -> when they were seen again first, of runs created since.
    regressed: Mapping[str, datetime] | None = None

    @cached_property
    def _by_name(self) -> Mapping[str, CauseRecord]:
        return {name: record for record in self.records for name in names_of(record)}

    def of(self, group: str) -> CauseRecord | None:
        """The record of a group; None where nobody said anything."""
        return self._by_name.get(group)

    def standing(self, group: str, now: datetime) -> Standing:
        """Where a group stands."""
        record = self.of(group)
        if record is None:
            return "open"
        if record.ignored_until is not None and now < record.ignored_until:
            return "ignored"
        if record.resolved_at is None:
            return "open"
        return "regressed" if self.seen_again(group) is not None else "resolved"

    def seen_again(self, group: str) -> datetime | None:
        """When a resolved cause failed again first, whichever of its names the failure bears."""
        record = self.of(group)
        names = names_of(record) if record is not None else set()
        return min((when for name, when in (self.regressed or {}).items() if name in names), default=None)

    def shown(self, found: Iterable[Group], now: datetime) -> list[Group]:
        """The groups without those that are ignored now."""
        return [group for group in found if self.standing(group.id, now) != "ignored"]


def names_of(record: CauseRecord) -> set[str]:
    """The groups that a record speaks of: its own, and what the version in force calls its line."""
    from ci_metrics.logs import fingerprint  # half a second, where anything was said of a cause

    return {record.group, fingerprint.group_of_line(first_line(record.quote))} - {""}


def with_regressions(index: DocumentIndex, records: Sequence[CauseRecord]) -> CauseRecords:
    """The records, and which of the resolved causes failed again in runs created since."""
    found: dict[str, datetime] = {}
    for record in records:
        since = record.resolved_at
        if since is None:
            continue
        later = Where(equals={"s_status": MAYBE_FAILED}, ranges={TIME: (iso(since), None)})
        for attempt in attempts_with(index, "s_error_group", names_of(record), later):
            created_since = attempt.partition > f"{since:%Y-%m-%dT%H}" or not attempt.partition
            if attempt.failed and created_since:
                found[attempt.group] = min(found.get(attempt.group, attempt.when), attempt.when)
    return CauseRecords(tuple(records), found)


def cause_named(index: DocumentIndex, name: str) -> Document:
    """The newest failed job of the cause that a person named: by fingerprint, by group, by the
    beginning of either, or by one of its jobs.

    Raises NotFoundError when there is none, SettingsError when several causes begin so,
    ContractError when the failure says nothing of a cause.
    """
    text = name.strip()
    try:
        job = _of_name(index, text) if _ID.match(text) else known_job(index, text)
    except SettingsError as error:
        if error.variable != "JOB":
            raise
        advice = (
            "Write its fingerprint (f…) or group (g…) as “ci-metrics top --json” shows them, or one of its failed jobs"
        )
        raise SettingsError("FINGERPRINT", f"“{name}” names no cause", advice) from None
    if job is None:
        raise NotFoundError(
            f"no failure of “{name}” is in {index.location}. “ci-metrics top --json” names each cause’s group and fingerprint"
        )
    if not job.body.get("s_error_group") or job.body.get("b_error_generic"):
        raise ContractError(f"the failure {job.id} says nothing of its cause (“exit code 1”), so nothing is like it")
    return job


def _of_name(index: DocumentIndex, name: str) -> Document | None:
    field = "s_error_fingerprint" if name.startswith("f") else "s_error_group"
    for where in (Where(equals={field: name}), Where(ranges={field: (name, f"{name}~")}) if len(name) > 8 else None):
        if where is None:
            continue
        found = list(index.scan("jobs", where, sort=f"-{TIME}", limit=500))
        groups = sorted({str(job.body.get("s_error_group") or "") for job in found})
        if field == "s_error_group" and len(groups) > 1:
            raise SettingsError("FINGERPRINT", f"“{name}” begins {len(groups)} causes", f"Write one whole: {groups[0]}")
        if found:
            return found[0]
    return None


def record_for(job: Document, before: CauseRecord | None, *, user: str, now: datetime, note: str) -> CauseRecord:
    """The record of a job's cause as it is; a new one where nothing was said."""
    body: Body = job.body
    new = CauseRecord(
        group=str(body["s_error_group"]),
        fingerprint=str(body.get("s_error_fingerprint") or ""),
        quote=first_line(str(body.get("s_error_evidence") or body.get("s_error_summary") or "")),
        changed_at=now,
    )
    return replace(before or new, user=user, changed_at=now, note=note or (before.note if before else ""))
