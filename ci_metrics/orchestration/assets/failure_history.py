"""`failure_history`: what history says of the hour's failures, in the documents and as a table.

What belongs here: the history pass over the hour's failures, and storing its new and spiking
groups. Does not: deciding either (`history/history_pass.py`, `history/groups.py`).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import dagster as dg

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.history.first_bad_commits import Began, FirstBadCommits
from ci_metrics.history.flaky_fields import flag_rules
from ci_metrics.history.groups import Group, groups
from ci_metrics.history.history_pass import run_history_pass
from ci_metrics.history.period import has_earlier_failures
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.orchestration import checks
from ci_metrics.orchestration.metadata import markdown_table, plot
from ci_metrics.orchestration.new_failures import HISTORY_ASSET, SHOWN_COLUMNS, NewFailure, rows_of, table_row
from ci_metrics.orchestration.partition_loop import each_hour, with_checks
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart


def build(partitions: dg.PartitionsDefinition, upstream: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset on these partitions; `upstream` writes the documents."""

    @partitioned_asset(
        HISTORY_ASSET,
        partitions,
        upstream=upstream,
        rows=NewFailure,
        group="history",
        kinds={"opensearch", "parquet"},
        pool="index",
        checks=[checks.NEW_AND_SPIKING_GROUPS],
        description=(
            "What the indexed history says of the hour's failures: which groups are new or spiking (the `new_failures` "
            "table), and which failures are flaky: those flags are set in the documents, other hours' too. Computed from "
            "documents, so doing an hour again changes nothing."
        ),
    )
    def failure_history(
        context: dg.AssetExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        index: dg.ResourceParam[IndexPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        commits = FirstBadCommits(index.documents, context.partition_keys)

        def work(hour: str, *, again: bool = False) -> Mapping[str, Any]:
            began = None if again else commits.of(hour)
            return follow_hour(hours, index.documents, judge.categories, hour, began)

        done = each_hour(context, hours, work, made_of=["indexed_documents"], again=lambda hour: work(hour, again=True))
        return with_checks(checks.new_and_spiking_groups(hours.store, done))

    return failure_history


def follow_hour(
    hours: HoursPart, index: DocumentIndex, taxonomy: Taxonomy, hour: str, began: Began | None = None
) -> Mapping[str, Any]:
    """Bring the hour's flags and table up to date; returns the metadata. `began`: since which
    commits its failures began, where that is up to date.
    """
    index.refresh()
    before = hours.store.notes(HISTORY_ASSET, hour).get("fingerprints", [])
    flags = run_history_pass(index, hour, rules=flag_rules(taxonomy), before=before, began=began)
    found = groups(index, Where(equals={"s_partition": hour}))
    rows = rows_of(hour, found)
    compared = not rows or has_earlier_failures(index, hour)
    notes = {"fingerprints": list(flags.fingerprints), "compared": compared}
    kinds = Counter(row.kind for row in rows)
    status = {"new": kinds["new"], "spiking": kinds["spiking"]}
    hours.store.commit(HISTORY_ASSET, hour, rows, NewFailure, notes=notes, status=status, now=hours.now())
    return {
        "dagster/row_count": len(rows),
        "groups": len(found),
        "new_groups": kinds["new"],
        "spiking_groups": kinds["spiking"],
        "compared_with_history": compared,
        "flaky_suspected": len(flags.suspected),
        "flaky_confirmed": len(flags.confirmed),
        "in_an_outage": flags.stormy,
        "with_a_first_bad_commit": flags.regressions,
        "documents_changed": flags.changed,
        "documents_changed_in_other_hours": flags.changed_elsewhere,
        "lost_minutes": round(sum(group.lost_minutes for group in found), 1),
        "lost_minutes_by_category": plot(_minutes(found)),
        "new_failures": markdown_table([table_row(row) for row in rows], SHOWN_COLUMNS),
        "groups_seen": markdown_table(
            [
                {
                    "group": group.id,
                    "type": group.error_type,
                    "failures": group.count,
                    "first seen": f"{group.first_seen:%Y-%m-%d %H:%M}",
                    "last seen": f"{group.last_seen:%Y-%m-%d %H:%M}",
                    "lost minutes": round(group.lost_minutes, 1),
                    "headline": group.headline,
                }
                for group in found
            ],
            ("group", "type", "failures", "first seen", "last seen", "lost minutes", "headline"),
        ),
    }


def _minutes(found: list[Group]) -> dict[str, int]:
    lost: Counter[str] = Counter()
    for group in found:
        lost[group.error_type or "not classified"] += round(group.lost_minutes)
    return {name: minutes for name, minutes in lost.items() if minutes}
