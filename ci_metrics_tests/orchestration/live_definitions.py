"""The project's own definitions with a schedule that ticks every minute, so that a
test need not wait for :15.
"""

import dagster as dg

from ci_metrics.definitions import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """What the tests' `dagster dev` loads."""
    return build_definitions(cron="* * * * *")
