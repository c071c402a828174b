"""`python -m ci_metrics.sample`: the same as `ci-metrics sample`."""

from __future__ import annotations

import sys

from cyclopts import App

from ci_metrics.errors import CiMetricsError, SettingsError
from ci_metrics.sample.serve import serve

if __name__ == "__main__":
    try:
        App(name="python -m ci_metrics.sample", default_command=serve)()
    except CiMetricsError as error:
        sys.stderr.write(f"ci-metrics: {error}\n")
        sys.exit(2 if isinstance(error, SettingsError) else 1)
