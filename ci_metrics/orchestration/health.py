"""The state of the installation: hours behind, unfinished and set aside, open verdicts, requests
left, documents refused.

What belongs here: the record, and what of it needs a person. Does not: how it is shown
(`commands/health.py`, `commands/metrics.py`), checks of single hours (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.validation import refused_in
from ci_metrics.orchestration.due_hours import SILENT_HOURS, oldest_swept
from ci_metrics.orchestration.partitions import hours_between, last_closed_hour
from ci_metrics.orchestration.storage.hour_states import listing
from ci_metrics.orchestration.storage.hours import HourState, SetAside
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.orchestration.storage.verdict_store import IndexVerdictStore
from ci_metrics.settings import Settings

#: What could not be done so often in a row needs a person: once or twice is a server's bad hour.
_MOST_TRIES = 3

#: `well`: all is there. `under way`: the next ticks make up for what is missing. `needs
#: a person`: they cannot.
Level = Literal["well", "under way", "needs a person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideRow:
    """One thing that could not be done."""

    hour: str
    asset: str
    name: str  # of the run, job or listing; "" for the whole hour
    why: str
    tries: int

    @property
    def refused(self) -> int:
        """Documents that the index refused."""
        return refused_in(self.why)

    @property
    def needs_a_person(self) -> bool:
        """Whether trying again will hardly help."""
        return self.tries >= _MOST_TRIES or self.refused > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the whole is at one moment."""

    sample: bool  # of the sample GitHub's day, which is past: of it no hour is ever missing
    hours: int  # stored
    newest: str  # hour that was worked on; "" for none
    behind: int  # closed hours after it
    missing: Sequence[str]  # of the last 30 days, between hours that were worked on: closed and never worked on
    unfinished: Sequence[str]  # hours of which another look would find more
    set_aside: Sequence[AsideRow]
    open_verdicts: int
    unwritten_verdicts: int  # that the index did not take yet
    documents: int  # that the stored hours have in the index
    documents_refused: int  # by the index, for ever
    verdicts: Mapping[str, int] = field(default_factory=dict)  # failed jobs by who judged them
    usd_last_day: float = 0.0  # spent on models
    requests_left: int | None = None  # of GitHub's hourly quota; None where it is not known
    requests_limit: int | None = None
    problems: Sequence[str] = ()  # what could not be asked

    @property
    def reasons(self) -> list[str]:
        """What needs a person."""
        often = sum(row.tries >= _MOST_TRIES for row in self.set_aside if not row.refused)
        found = {
            "no hour was worked on yet: is Dagster's daemon running?": not self.hours and not self.sample,
            f"{self.behind} hours behind: is Dagster's daemon running?": self.behind > SILENT_HOURS,
            f"{self.documents_refused} documents were refused by the index": self.documents_refused,
            f"{often} things could not be done {_MOST_TRIES} times in a row": often,
        }
        return [*(text for text, holds in found.items() if holds), *self.problems]

    @property
    def level(self) -> Level:
        """In one word."""
        if self.reasons:
            return "needs a person"
        waits = (
            self.behind,
            self.missing,
            self.unfinished,
            self.set_aside,
            self.open_verdicts,
            self.unwritten_verdicts,
        )
        return "under way" if any(waits) else "well"


def health_of(
    settings: Settings,
    store: HourStore,
    index: DocumentIndex | None,
    now: datetime,
    *,
    quota: tuple[int, int] | None = None,
    problems: Sequence[str] = (),
) -> Health:
    """Look at what is stored. `index`: None where there is none yet; `quota`: GitHub's
    requests left, and of how many.
    """
    states = store.states()
    newest = max(states, default="")
    last = last_closed_hour(now)
    behind = len(hours_between(newest, last)) - 1 if newest and newest < last and not settings.is_sample else 0
    aside = [row for hour, state in states.items() for row in _aside(hour, state)]
    unwritten = store.root / "unwritten_verdicts"
    return Health(
        sample=settings.is_sample,
        hours=len(states),
        newest=newest,
        behind=behind,
        missing=[] if settings.is_sample else _missing(states, newest, oldest_swept(now, settings.partitions_start)),
        unfinished=[hour for hour, state in states.items() if not state.is_finished],
        set_aside=aside,
        open_verdicts=sum(state.open for state in states.values()),
        unwritten_verdicts=sum(name.endswith(".json") for name in listing(unwritten)),
        documents=sum(_written(state) for state in states.values()),
        documents_refused=sum(row.refused for row in aside),
        verdicts=index.count_by("jobs", "s_error_source") if index is not None else {},
        usd_last_day=IndexVerdictStore(index).spent_since(now - timedelta(days=1)) if index is not None else 0.0,
        requests_left=quota[0] if quota else None,
        requests_limit=quota[1] if quota else None,
        problems=problems,
    )


def _aside(hour: str, state: HourState) -> Iterator[AsideRow]:
    for asset, record in state.assets.items():
        parts: Iterable[tuple[str, SetAside]] = (
            (f"{repo} {name}".strip(), aside)
            for repo, part in record.repos.items()
            for name, aside in part.set_aside.items()
        )
        for name, aside in (*parts, *([("", record.failed)] if record.failed else [])):
            yield AsideRow(hour=hour, asset=asset, name=name, why=aside.why, tries=aside.tries)


def _missing(states: Mapping[str, HourState], newest: str, oldest: str) -> list[str]:
    known = [hour for hour in states if hour >= oldest]
    return [hour for hour in hours_between(min(known), newest) if hour not in states] if known else []


def _written(state: HourState) -> int:
    record = state.of("indexed_documents")
    return int(record.said.get("documents", 0)) if record else 0
