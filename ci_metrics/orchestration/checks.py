"""Asset checks: what must hold (blocking) and what a person should know (warnings).

Belongs here: their names, their limits, and deciding them from stored hours and the index.
Does not: producing anything.

All but one are decided by the step that makes the asset, over all hours of its run: a step of its
own for each would cost a run of one small hour as much as its assets do. `judged_by_this_version`
looks at all hours ever stored, so it is asked once a day (`daily_reports`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from ci_metrics.index.document_index import DocumentIndex, Kind, Where
from ci_metrics.models import Job, Run
from ci_metrics.orchestration.metadata import hours_judged, markdown_table
from ci_metrics.orchestration.new_failures import SHOWN_COLUMNS, table_row, worth_an_alarm
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.orchestration.stale_hours import OFF
from ci_metrics.orchestration.storage.store import HourStore

#: Shares above these are worth a warning.
MOST_UNKNOWN = 0.25
MOST_MISSING_LOGS = 0.25
MOST_MODEL_FAILURES = 0.05

_KINDS: tuple[Kind, ...] = ("workflows", "jobs", "steps")

IDS_UNIQUE = dg.AssetCheckSpec(
    "ids_unique", asset="workflow_jobs", blocking=True, description="No run attempt and no job is stored twice."
)
MISSING_LOGS = dg.AssetCheckSpec(
    "missing_logs", asset="job_logs", description="The share of failed jobs whose log is not there."
)
UNKNOWN_SHARE = dg.AssetCheckSpec(
    "unknown_share", asset="classifications", description="The share of failures that nothing fits."
)
MODEL_FAILURES = dg.AssetCheckSpec(
    "model_failures", asset="classifications", description="The share of failures whose model call failed."
)
DOCUMENTS_COMPLETE = dg.AssetCheckSpec(
    "documents_complete",
    asset="indexed_documents",
    blocking=True,
    description="The index holds every document of the hour, and every failed job's document has its state.",
)
NOTHING_SET_ASIDE = dg.AssetCheckSpec(
    "nothing_set_aside",
    asset="indexed_documents",
    description=(
        "All that GitHub has of the hours by now is in the index: no repository, run, job or log could not be had. Runs that "
        "still go on are counted, and are not missing."
    ),
)
NEW_AND_SPIKING_GROUPS = dg.AssetCheckSpec(
    "new_and_spiking_groups",
    asset="failure_history",
    description=(
        "No group of failures is new or spiking. Generic ones (“exit code 1”) never are, and the first hour of all has "
        "nothing to compare with."
    ),
)

#: What of a job no check looks at.
_PARTS = ("steps", "annotations")

#: The key of the check that is asked once a day.
STALE = dg.AssetCheckKey(dg.AssetKey("classifications"), "judged_by_this_version")


def ids_unique(store: HourStore, hours: Sequence[str]) -> dg.AssetCheckResult:
    """Whether no run attempt and no job of the hours is stored twice."""
    twice: list[str] = []
    for hour in hours:
        runs = store.each("workflow_runs", hour, Run)
        jobs = store.each("workflow_jobs", hour, Job, without=_PARTS)
        twice += _repeated(f"run {run.repo} {run.run_id} attempt {run.run_attempt}" for run in runs)
        twice += _repeated(f"job {job.job_id} attempt {job.run_attempt}" for job in jobs)
    return dg.AssetCheckResult(
        check_name=IDS_UNIQUE.name,
        passed=not twice,
        metadata={"hours": hours_judged(hours), "repeated": len(twice), "first": ", ".join(twice[:5])},
    )


def missing_logs(store: HourStore, hours: Sequence[str]) -> dg.AssetCheckResult:
    """Whether the logs of the hours' failed jobs are there, but for some."""
    states = _counted(store, "job_logs", hours, "logs")
    return _share(MISSING_LOGS, hours, states.total() - states["stored"], states.total(), MOST_MISSING_LOGS)


def unknown_share(store: HourStore, hours: Sequence[str]) -> dg.AssetCheckResult:
    """Whether the hours' failures fit a category, but for some."""
    states = _counted(store, "classifications", hours, "states")
    return _share(UNKNOWN_SHARE, hours, states["unknown"], states.total(), MOST_UNKNOWN)


def model_failures(store: HourStore, hours: Sequence[str]) -> dg.AssetCheckResult:
    """Whether the model answered, but for some."""
    failed = sum(int(_said(store, "classifications", hour).get("model_failures", 0)) for hour in hours)
    judged = _counted(store, "classifications", hours, "states").total()
    return _share(MODEL_FAILURES, hours, failed, judged, MOST_MODEL_FAILURES)


def documents_complete(
    store: HourStore, index: DocumentIndex, hours: Sequence[str], *, classified: bool
) -> dg.AssetCheckResult:
    """Whether the index holds what the hours wrote; where failures are `classified`,
    whether each has a state.
    """
    index.refresh()
    wrong: list[str] = []
    for hour in hours:
        said = _said(store, "indexed_documents", hour)
        stored = Counter(said.get("kinds", {}))
        for kind in _KINDS:
            held = index.count_by(kind, "s_partition", Where(equals={"s_partition": hour})).get(hour, 0)
            if held < stored[kind]:
                wrong.append(f"{hour} {kind}: {held} of {stored[kind]} documents")
        if classified:
            wrong += [f"{hour} job {job} has no state" for job in said.get("without_state", ())]
    return dg.AssetCheckResult(
        check_name=DOCUMENTS_COMPLETE.name,
        passed=not wrong,
        metadata={"hours": hours_judged(hours), "problems": len(wrong), "first": "; ".join(wrong[:5])},
    )


def nothing_set_aside(store: HourStore, hours: Sequence[str]) -> dg.AssetCheckResult:
    """Whether something of the hours could not be had when it was asked for last; each such
    thing is named with its reason.
    """
    states = {hour: store.state(hour) for hour in hours}
    missing = [
        {"hour": hour, "what": what, "why": why}
        for hour, state in states.items()
        for what, why in state.set_aside.items()
    ]
    still_going = sum(record.unfinished for state in states.values() for record in state.assets.values())
    return dg.AssetCheckResult(
        check_name=NOTHING_SET_ASIDE.name,
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "hours": hours_judged(hours),
            "set_aside": len(missing),
            "still_going": still_going,
            "open_verdicts": sum(state.open for state in states.values()),
            "named": markdown_table(missing, ("hour", "what", "why")),
        },
    )


def new_and_spiking_groups(store: HourStore, hours: Sequence[str]) -> dg.AssetCheckResult:
    """Whether the hours' failures are all known ones, as often as usual."""
    rows = [row for hour in hours for row in worth_an_alarm(store, hour)]
    new, spiking = (sum(row.kind == kind for row in rows) for kind in ("new", "spiking"))
    return dg.AssetCheckResult(
        check_name=NEW_AND_SPIKING_GROUPS.name,
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{new} new and {spiking} spiking groups of failures in {hours_judged(hours)}",
        metadata={
            "hours": hours_judged(hours),
            "new": new,
            "spiking": spiking,
            "groups": markdown_table([{"hour": row.hour, **table_row(row)} for row in rows], ("hour", *SHOWN_COLUMNS)),
        },
    )


@dg.asset_check(
    asset=STALE.asset_key, name=STALE.name, description="All stored verdicts are of the classifier now in force."
)
def judged_by_this_version(
    hours: dg.ResourceParam[HoursPart], judge: dg.ResourceParam[JudgePart]
) -> dg.AssetCheckResult:
    """Whether no stored hour is stale (`ci-metrics stale` lists those that are)."""
    if not judge.settings.enable_error_classification:
        return dg.AssetCheckResult(passed=True, metadata={"classification": "off"})
    fresh = (judge.hour_version, OFF, "")
    judged = {hour: state.of("classifications") for hour, state in hours.store.states().items()}
    stale = [hour for hour, record in judged.items() if record and record.version not in fresh]
    return dg.AssetCheckResult(
        passed=not stale,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "stale_hours": len(stale),
            **(
                {
                    "first": ", ".join(stale[:5]),
                    "what to do": "ci-metrics reclassify, or backfill classifications+",
                }
                if stale
                else {}
            ),
        },
    )


def _counted(store: HourStore, asset: str, hours: Sequence[str], figure: str) -> Counter[str]:
    """What an asset noted of the hours as it made them, added up."""
    counted: Counter[str] = Counter()
    for hour in hours:
        counted.update(_said(store, asset, hour).get(figure, {}))
    return counted


def _said(store: HourStore, asset: str, hour: str) -> Mapping[str, Any]:
    record = store.look(hour).of(asset)
    return record.said if record is not None else {}


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, n in Counter(names).items() if n > 1]


def _share(spec: dg.AssetCheckSpec, hours: Sequence[str], count: int, total: int, most: float) -> dg.AssetCheckResult:
    share = count / total if total else 0.0
    return dg.AssetCheckResult(
        check_name=spec.name,
        passed=share <= most,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{count} of {total} in {hours_judged(hours)}",
        metadata={"hours": hours_judged(hours), "share": round(share, 4), "of": total, "allowed": most},
    )
