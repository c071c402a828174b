"""Which hours were judged or read by an older version than the one in force.

What belongs here: comparing what hours noted with what is in force. Does not: redoing them,
printing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ci_metrics.orchestration.partitions import HOUR, hour_start
from ci_metrics.orchestration.store import HourStore

#: What an hour notes when classification was off: nothing was judged, so nothing is stale.
OFF = "off"

#: (asset, what its version is of)
STAGES = (("extracted_errors", "extractor"), ("classifications", "classifier"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleRange:
    """Contiguous hours of one older version of one stage."""

    stage: str  # extractor or classifier
    first: str
    last: str
    hours: int
    version: str  # that they are of
    in_force: str


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
