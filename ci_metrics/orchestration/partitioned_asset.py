"""What all assets have in common in their declaration.

What belongs here: the decorator that the assets' modules use. Does not: any asset's own name,
kinds, pool, description.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dagster as dg

from ci_metrics.orchestration.metadata import table_schema
from ci_metrics.orchestration.partitions import backfill_policy


def partitioned_asset(
    name: str,
    partitions: dg.PartitionsDefinition,
    *,
    upstream: dg.AssetsDefinition | None = None,
    rows: type | None = None,
    group: str,
    kinds: Iterable[str],
    pool: str | None = None,
    code_version: str | None = None,
    checks: Sequence[dg.AssetCheckSpec] = (),
    description: str,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare an asset of partitions that a run takes in ranges.

    `rows`: what it stores of each, shown as its columns; `checks`: those whose results it returns.
    """
    return dg.asset(
        name=name,
        deps=[upstream] if upstream is not None else [],
        partitions_def=partitions,
        backfill_policy=backfill_policy(),
        group_name=group,
        kinds=set(kinds),
        owners=["team:ci"],
        pool=pool,
        code_version=code_version,
        check_specs=checks,
        metadata={"dagster/column_schema": table_schema(rows)} if rows is not None else None,
        description=description,
    )
