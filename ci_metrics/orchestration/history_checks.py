"""The asset check that says when something is new: groups of failures never seen before, and groups that spike.

What belongs here: checks over what `failure_history` stored. Does not: deciding what is new.
"""

import dagster as dg

from ci_metrics.orchestration.metadata import table
from ci_metrics.orchestration.new_failures import NAME, worth_an_alarm
from ci_metrics.orchestration.parts import HoursPart


def build_history_checks() -> list[dg.AssetChecksDefinition]:
    """The checks on `failure_history`; the run that calls them says which hours it made."""

    @dg.asset_check(
        asset=NAME,
        description=(
            "No group of failures is new or spiking. Generic ones (“exit code 1”) never are, and the first hour of all "
            "has nothing to compare with."
        ),
    )
    def new_and_spiking_groups(
        context: dg.AssetCheckExecutionContext, hours: dg.ResourceParam[HoursPart]
    ) -> dg.AssetCheckResult:
        rows = [row for hour in context.partition_keys for row in worth_an_alarm(hours.store, hour)]
        new, spiking = ([row for row in rows if row.kind == kind] for kind in ("new", "spiking"))
        columns = ("hour", "is", "type", "failures", "runs", "headline", "example")
        shown = [
            {
                "hour": row.hour,
                "is": row.kind,
                "type": row.error_type,
                "failures": row.count,
                "runs": row.runs,
                "headline": row.headline,
                "example": row.examples[0],
            }
            for row in rows
        ]
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(new)} new and {len(spiking)} spiking groups of failures",
            metadata={"new": len(new), "spiking": len(spiking), "groups": table(shown, columns)},
        )

    return [new_and_spiking_groups]
