"""Asset checks: what must hold (blocking) and what a person should know (warnings).

What belongs here: checks over stored hours and the index. Does not: producing anything. In a run over a range a check is
called once, so each looks at all of the run's hours.
"""

from collections import Counter
from collections.abc import Iterable

import dagster as dg

from ci_metrics.index.base import Kind, Where
from ci_metrics.models import Job, JobLog, Run
from ci_metrics.orchestration.assets.indexed_documents import classified_or_stated
from ci_metrics.orchestration.due_hours import silent_hours
from ci_metrics.orchestration.partition_loop import hours_done
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart
from ci_metrics.orchestration.rows import IndexedDocument, JobVerdicts
from ci_metrics.orchestration.stale_hours import OFF
from ci_metrics.orchestration.store import HourStore
from ci_metrics.verdicts.judge import model_failed

#: Shares above these are worth a warning.
MOST_UNKNOWN = 0.25
MOST_MISSING_LOGS = 0.25
MOST_MODEL_FAILURES = 0.05

#: Hours without a single indexed hour before it is said.
SILENT_HOURS = 6

_KINDS: tuple[Kind, ...] = ("workflows", "jobs", "steps")


def build_checks() -> list[dg.AssetChecksDefinition]:
    """All checks. They have no partitions of their own: the run that calls them says which hours it made."""

    @dg.asset_check(
        asset="workflow_jobs",
        blocking=True,
        description="No run attempt and no job is stored twice.",
    )
    def ids_unique(context: dg.AssetCheckExecutionContext, hours: dg.ResourceParam[HoursPart]) -> dg.AssetCheckResult:
        twice: list[str] = []
        for hour in hours_done(hours, context):
            runs = hours.store.read("workflow_runs", hour, Run)
            jobs = hours.store.read("workflow_jobs", hour, Job)
            twice += _repeated(f"run {run.repo} {run.run_id} attempt {run.run_attempt}" for run in runs)
            twice += _repeated(f"job {job.job_id} attempt {job.run_attempt}" for job in jobs)
        return dg.AssetCheckResult(passed=not twice, metadata={"repeated": len(twice), "first": ", ".join(twice[:5])})

    @dg.asset_check(
        asset="indexed_documents",
        blocking=True,
        description="The index holds every document of the hour, and every failed job's document has its state.",
    )
    def documents_complete(
        context: dg.AssetCheckExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        index: dg.ResourceParam[IndexPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> dg.AssetCheckResult:
        index.documents.refresh()
        wrong: list[str] = []
        for hour in hours_done(hours, context):
            stored = Counter(document.kind for document in hours.store.read("indexed_documents", hour, IndexedDocument))
            for kind in _KINDS:
                held = index.documents.count_by(kind, "s_partition", Where(equals={"s_partition": hour})).get(hour, 0)
                if held < stored[kind]:
                    wrong.append(f"{hour} {kind}: {held} of {stored[kind]} documents")
            if judge.settings.enable_error_classification:
                wrong += [f"{hour} {problem}" for problem in classified_or_stated(hours.store, hour)]
        return dg.AssetCheckResult(passed=not wrong, metadata={"problems": len(wrong), "first": "; ".join(wrong[:5])})

    @dg.asset_check(asset="classifications", description="The share of failures that nothing fits.")
    def unknown_share(
        context: dg.AssetCheckExecutionContext, hours: dg.ResourceParam[HoursPart]
    ) -> dg.AssetCheckResult:
        return _share(_states(hours.store, hours_done(hours, context)), "unknown", MOST_UNKNOWN)

    @dg.asset_check(asset="classifications", description="The share of failures whose model call failed.")
    def model_failures(
        context: dg.AssetCheckExecutionContext, hours: dg.ResourceParam[HoursPart]
    ) -> dg.AssetCheckResult:
        # The rules may have answered instead: the state alone does not tell.
        rows = [
            row for hour in hours_done(hours, context) for row in hours.store.read("classifications", hour, JobVerdicts)
        ]
        failed: Counter[str] = Counter(
            "llm_failed" if any(model_failed(j.verdict) for j in row.judged) else row.state for row in rows
        )
        return _share(failed, "llm_failed", MOST_MODEL_FAILURES)

    @dg.asset_check(asset="job_logs", description="The share of failed jobs whose log is not there.")
    def missing_logs(context: dg.AssetCheckExecutionContext, hours: dg.ResourceParam[HoursPart]) -> dg.AssetCheckResult:
        states = Counter(
            log.state for hour in hours_done(hours, context) for log in hours.store.read("job_logs", hour, JobLog)
        )
        absent = sum(n for state, n in states.items() if state != "stored")
        return _share(Counter({"missing": absent, "stored": states["stored"]}), "missing", MOST_MISSING_LOGS)

    @dg.asset_check(
        asset="classifications",
        description="The hour's verdicts are of the classifier now in force.",
    )
    def judged_by_this_version(
        hours: dg.ResourceParam[HoursPart], judge: dg.ResourceParam[JudgePart]
    ) -> dg.AssetCheckResult:
        if not judge.settings.enable_error_classification:
            return dg.AssetCheckResult(passed=True, metadata={"classification": "off"})
        now = judge.classifier_version
        judged = {hour: state.of("classifications") for hour, state in hours.store.states().items()}
        stale = [hour for hour, record in judged.items() if record and record.version not in (now, OFF, "")]
        return dg.AssetCheckResult(
            passed=not stale,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "stale_hours": len(stale),
                "first": ", ".join(stale[:5]),
                "what to do": "ci-metrics reclassify, or backfill classifications+",
            },
        )

    @dg.asset_check(
        asset="indexed_documents",
        name="something_indexed",
        description=f"At least one of the last {SILENT_HOURS} hours was indexed.",
    )
    def something_indexed(hours: dg.ResourceParam[HoursPart]) -> dg.AssetCheckResult:
        if hours.settings.is_sample:
            return dg.AssetCheckResult(passed=True, metadata={"why": "sample data only: no REPO is set"})
        indexed = [
            hour for hour in hours.store.hours()[-2 * SILENT_HOURS :] if hours.store.state(hour).of("indexed_documents")
        ]
        silent = silent_hours(hours.now(), indexed, SILENT_HOURS)
        return dg.AssetCheckResult(
            passed=not silent,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"newest_indexed_hour": indexed[-1] if indexed else "none", "hours_looked_at": SILENT_HOURS},
        )

    return [
        ids_unique,
        documents_complete,
        unknown_share,
        model_failures,
        missing_logs,
        judged_by_this_version,
        something_indexed,
    ]


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, n in Counter(names).items() if n > 1]


def _states(store: HourStore, hours: Iterable[str]) -> Counter[str]:
    return Counter(row.state for hour in hours for row in store.read("classifications", hour, JobVerdicts))


def _share(counts: Counter[str], of: str, most: float) -> dg.AssetCheckResult:
    total = counts.total()
    share = counts[of] / total if total else 0.0
    return dg.AssetCheckResult(
        passed=share <= most,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"share": round(share, 4), "of": total, "allowed": most},
    )
