"""`embedded_model`: the embedded decision, learned again from what people and models
said of this team's failures.

What belongs here: the asset, its figures and its check. Does not: learning
(`classifier/`), the schedule.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from ci_metrics.orchestration.metadata import markdown_table, plot
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.orchestration.weekly_learning import Relearned, learn_again

NAME = "embedded_model"
CHECK = "new_weights_hold"


def build(upstream: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset; `upstream` holds the verdicts that it learns from."""

    @dg.asset(
        name=NAME,
        deps=[upstream],
        group_name="causes",
        kinds={"numpy"},
        owners=["team:ci"],
        description=(
            "The weights of the embedded classifier, learned from the failures that ship with the package and from what people "
            "(ci-metrics label) and a sure model said of your own. They take over only where they are better on your newest verdicts and "
            "no worse on the shipped failures; ci-metrics stale then lists the hours to judge again. ci-metrics learn --dry-run shows "
            "the figures; LEARN_FROM_VERDICTS=false switches it off."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                CHECK, asset=NAME, description="What was learned takes over, or there was nothing (new) to learn from."
            )
        ],
    )
    def embedded_model(hours: dg.ResourceParam[HoursPart], judge: dg.ResourceParam[JudgePart]) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster tells results with checks by the bare type
        if not judge.settings.learns:
            off = dg.AssetCheckResult(check_name=CHECK, passed=True, metadata={"learning": "off"})
            return dg.MaterializeResult(metadata={"learning": "off"}, check_results=[off])
        done = learn_again(hours, judge)
        check = dg.AssetCheckResult(
            check_name=CHECK,
            passed=done.takes_over or not done.moved,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"why": done.why},
        )
        return dg.MaterializeResult(metadata=figures_of(done), check_results=[check])

    return embedded_model


def figures_of(done: Relearned) -> Mapping[str, Any]:
    """The materialization's metadata: figures before and after, and what
    the weights were made of.
    """
    made: dict[str, Any] = {
        "takes_over": done.takes_over,
        "why": done.why,
        "hours": done.team.hours,
        "distinct_failures": len(done.team.failures),
        "verdicts": done.verdicts,
    }
    if (outcome := done.outcome) is None:
        return made
    pairs = {"own": (outcome.before, outcome.after), "shipped": (outcome.shipped_before, outcome.shipped_after)}
    for name, (before, after) in pairs.items():
        made |= {
            f"{name}_accuracy_before": round(before.accuracy, 4),
            f"{name}_accuracy_after": round(after.accuracy, 4),
            f"{name}_calibration_error_before": round(before.calibration, 4),
            f"{name}_calibration_error_after": round(after.calibration, 4),
        }
    rows = [{"from": m.before, "to": m.after, "failures": m.failures, "jobs": m.jobs} for m in done.moved]
    return {
        **made,
        "weights": outcome.version,
        "checked_on": outcome.checked_on,
        "verdicts_by_source": plot(outcome.lesson.by_source),
        "verdicts_by_category": plot(outcome.lesson.by_category),
        "not_learned": plot(outcome.lesson.dropped),
        "changes": markdown_table(rows, ("from", "to", "failures", "jobs")),
    }
