"""Which hours were judged or read by an older version than the one in force.

What belongs here: comparing what hours noted with what is in force. Does not: redoing them,
printing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ci_metrics.index.document_index import DocumentIndex, Kind
from ci_metrics.orchestration.partitions import HOUR, hour_start
from ci_metrics.orchestration.storage.hours import HourState
from ci_metrics.orchestration.storage.store import HourStore

#: What an hour notes when classification was off: nothing was judged, so nothing is stale.
OFF = "off"

#: (asset, what its version is of)
STAGES = (("extracted_errors", "extractor"), ("classifications", "classifier"))

#: The kinds of documents that an hour writes.
_WRITTEN: tuple[Kind, ...] = ("workflows", "jobs", "steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleRange:
    """Contiguous hours of one older version of one stage."""

    stage: str  # extractor or classifier
    first: str
    last: str
    hours: int
    version: str  # that they are of
    in_force: str


def changed_hours(store: HourStore, index: DocumentIndex, in_force: Sequence[str], hours: Sequence[str]) -> list[str]:
    """Of hours to which nothing happens any more, the stretch that would come out otherwise: not
    finished, of another version, or not in the index as it was written. Empty: none.

    `in_force`: the versions of the `STAGES`.
    """
    states = store.states(hours[0], hours[-1])
    held: Counter[str] = Counter()
    for kind in _WRITTEN:
        held.update(index.count_by(kind, "s_partition"))

    def holds(hour: str) -> bool:
        state = states.get(hour, HourState())
        written = state.of("indexed_documents")
        return (
            state.is_finished
            and [record.version if (record := state.of(asset)) else "" for asset, _ in STAGES] == list(in_force)
            and state.of("failure_history") is not None
            and written is not None
            and (written.said.get("documents"), written.said.get("index")) == (held[hour], index.location)
        )

    due = [place for place, hour in enumerate(hours) if not holds(hour)]
    return list(hours[due[0] : due[-1] + 1]) if due else []


def stale_ranges(store: HourStore, in_force: dict[str, str], hours: Iterable[str] | None = None) -> list[StaleRange]:
    """The stale hours as ranges, oldest first, by stage.

    `in_force`: stage -> version; a stage that is off has none.
    """
    wanted = None if hours is None else set(hours)
    states = {hour: state for hour, state in store.states().items() if wanted is None or hour in wanted}
    found: list[StaleRange] = []
    for asset, stage in STAGES:
        now = in_force.get(stage)
        if now is None:
            continue
        stale = [(hour, record.version) for hour, state in states.items() if (record := state.of(asset))]
        ranges: list[list[tuple[str, str]]] = []
        for hour, version in stale:
            if version in ("", OFF, now):
                continue
            follows = ranges and ranges[-1][-1][1] == version and _next(ranges[-1][-1][0], hour)
            if follows:
                ranges[-1].append((hour, version))
            else:
                ranges.append([(hour, version)])
        found += [
            StaleRange(
                stage=stage, first=part[0][0], last=part[-1][0], hours=len(part), version=part[0][1], in_force=now
            )
            for part in ranges
        ]
    return found


def _next(before: str, hour: str) -> bool:
    return hour_start(hour) - hour_start(before) == HOUR
